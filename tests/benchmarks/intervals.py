"""Coverage of confidence intervals: how often do they contain the true score?

    python tests/benchmarks/intervals.py --output=intervals.jsonl    # many hours
    python tests/benchmarks/intervals.py --metrics=mig,dci --draws=100
    python tests/benchmarks/intervals.py --table --output=intervals.jsonl
    python tests/benchmarks/intervals.py --quick   # does it run? no figures

A population has 200,000 samples of three factors (3, 4 and 5 values) and four codes.
The true score is that of the whole population, or the mean score of all draws if the
interval is about samples of the same size. Each draw takes some of its samples at
random and computes an interval from 20 resamples. All scores that tables show are
covered, also those that offer no intervals, which shows why. The populations:

    separate    each factor has its own code, with a little noise; one code is noise
    mixed       as separate, but each code has a little of each factor
    entangled   codes are random sums of the factors, with some noise
    weak        as mixed, with much noise
    rare        as separate; 2 % of the samples have a rare value of the first factor,
                and 10 % of the second

FactorVAE, BetaVAE and Z-max variance scores of a dataset have intervals from their
votes, and OMES from its pairs; here a sample is a vote or a pair of each factor, and
the true score is that of 50,000 of them, with the variances of the whole population.
Their rows are named @...

Each metric, population and size is appended to the output as a line of JSON when it is
done, and is not repeated by another call. `--table` prints the lines as Markdown: the
coverage over all populations, and the mean length of an interval in parentheses. Draws
are counted over all populations.
"""

import argparse
import collections
import json
import os
import sys

import numpy as np

from dmt import metrics
from dmt.data.ground_truth.table_data import TableData
from dmt.evaluation.metrics import beta_vae, factor_vae, omes, z_max_variance
from dmt.evaluation.metrics.inputs import train_and_test

POPULATION = 200_000
NUM_VOTES = 50_000
BATCH = {"batch_size": 8}
VARIANCES = BATCH | {"num_variance_estimate": 10_000}
# Functions that draw votes or pairs, of which there are `num_train`, their settings and
# their score.
VOTES = {
    "@factor_vae_score": (factor_vae.compute_factor_vae, VARIANCES, "eval_accuracy"),
    "@beta_vae_sklearn": (beta_vae.compute_beta_vae_sklearn, BATCH, "eval_accuracy"),
    "@z_max_variance": (
        z_max_variance.compute_z_max_variance,
        VARIANCES,
        "eval_accuracy",
    ),
    "@omes": (omes.compute_omes, {}, "omes"),
}


def main():
    args = parse_arguments()
    if args.table:
        print_table(args.output)
        return
    done = {
        (row["metric"], row["population"], row["size"]) for row in rows(args.output)
    }
    for name in args.metrics:
        for population in args.populations:
            left = [n for n in args.sizes if (name, population, n) not in done]
            if left:
                measure = measure_votes if name in VOTES else measure_samples
                for row in measure(name, population, left, args):
                    print(json.dumps(row), flush=True)
                    if args.output:
                        with open(args.output, "a", encoding="utf-8") as file:
                            file.write(json.dumps(row) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def names(text):
        return text.split(",")

    def sizes(text):
        return [int(size) for size in text.split(",")]

    parser.add_argument("--metrics", type=names, default=[*metrics.METRICS, *VOTES])
    parser.add_argument("--populations", type=names, default=[*POPULATIONS])
    parser.add_argument("--sizes", type=sizes, default=[300, 1000, 3000])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=20)
    parser.add_argument("--output", default="", help="file of JSON lines")
    parser.add_argument("--table", action="store_true", help="print the output's table")
    parser.add_argument("--quick", action="store_true", help="tiny, to see it work")
    args = parser.parse_args()
    if args.quick:
        args.draws, args.resamples, args.sizes = 2, 2, [100]
    return args


def separate(generator):
    factors = uniform_factors(generator)
    return factors, codes_of(generator, factors, np.eye(3, 4), [0.3, 0.3, 0.3, 1])


def mixed(generator):
    factors = uniform_factors(generator)
    mixing = np.eye(3, 4) + 0.4 * np.random.default_rng(1).standard_normal((3, 4))
    return factors, codes_of(generator, factors, mixing, 0.4)


def entangled(generator):
    factors = uniform_factors(generator)
    mixing = np.random.default_rng(3).standard_normal((3, 4))
    return factors, codes_of(generator, factors, mixing, 0.5)


def weak(generator):
    factors = uniform_factors(generator)
    mixing = np.eye(3, 4) + 0.3 * np.random.default_rng(1).standard_normal((3, 4))
    return factors, codes_of(generator, factors, 0.4 * mixing, 1)


def rare(generator):
    factors = uniform_factors(generator)
    factors[:, 0] = generator.random(POPULATION) < 0.02
    factors[:, 1] *= generator.random(POPULATION) >= 0.9
    mixing = np.eye(3, 4) * factors.std(axis=0)[:, None] / [[0.5], [1], [1.4]]
    return factors, codes_of(generator, factors, mixing, [0.3, 0.3, 0.3, 1])


POPULATIONS = {
    function.__name__: function for function in (separate, mixed, entangled, weak, rare)
}


def uniform_factors(generator):
    columns = [generator.integers(size, size=POPULATION) for size in (3, 4, 5)]
    return np.stack(columns, axis=1)


def codes_of(generator, factors, mixing, noise):
    standardized = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    codes = standardized @ mixing
    return codes + noise * generator.standard_normal(codes.shape)


def measure_samples(name, population, sizes, args):
    """Yields the coverage for each size of the sample."""
    entry = metrics.METRICS[name]
    factors, codes = POPULATIONS[population](np.random.default_rng(0))
    tables = held_out(entry, factors, codes)
    # Otherwise it would not be used.
    needs_true = set(entry.scores) - set(entry.of_same_size)
    arrays = [array for table in tables for array in table]
    true = entry.function(*arrays) if needs_true else {}
    for size in sizes:
        generator = np.random.default_rng(size)

        def draw(generator=generator, size=size):
            chosen = generator.choice(POPULATION, size, replace=False)
            return metrics.bootstrap(
                entry.function,
                held_out(entry, factors[chosen], codes[chosen]),
                num_resamples=args.resamples,
                ranges=limits(entry),
            )

        yield {
            "metric": name,
            "population": population,
            "size": size,
            **coverage(draw, true, entry.scores, args.draws, entry.of_same_size),
        }


def held_out(entry, factors, codes):
    if "factors" not in entry.parameters:
        return [(codes,)]
    if "factors_test" in entry.parameters:
        arrays = train_and_test(factors, codes)
        return [arrays[:2], arrays[2:]]
    return [(factors, codes)]


def limits(entry):
    unlimited = dict.fromkeys(entry.scores, (-np.inf, np.inf))
    return unlimited | dict(entry.intervals or {})


def measure_votes(name, population, sizes, args):
    """Yields the coverage for each number of votes."""
    import gin

    factors, codes = POPULATIONS[population](np.random.default_rng(0))
    data = TableData(factors)

    compute, settings, key = VOTES[name]

    def score(num_votes, seed, settings):
        sizes = {"num_train": num_votes} | (
            {} if name == "@omes" else {"num_eval": num_votes // 2}
        )
        random = np.random.RandomState(seed)
        return compute(data, lambda rows: codes[rows], random, **sizes, **settings)

    of_population = {setting: POPULATION for setting in settings.keys() - BATCH.keys()}
    with gin.unlock_config():
        gin.bind_parameter("prune_dims.threshold", 0.0)
        gin.bind_parameter("bootstrap.num_resamples", 0)
        true = score(NUM_VOTES, 0, settings | of_population)
        gin.bind_parameter("bootstrap.num_resamples", args.resamples)
    for size in sizes:
        seeds = iter(range(size, size + args.draws))

        def draw(size=size, seeds=seeds):
            return score(size, next(seeds), settings)

        yield {
            "metric": name,
            "population": population,
            "size": size,
            **coverage(draw, true, [key], args.draws),
        }


def coverage(draw, true, scores, num_draws, of_same_size=()):
    """How often intervals contain the true score and their own, and their length."""
    draws = [draw() for _ in range(num_draws)]
    found = {}
    for key in scores:
        values = np.array([results[key] for results in draws])
        intervals = [results.get("confidence_intervals", {}) for results in draws]
        low, high = np.array([i.get(key, (np.nan, np.nan)) for i in intervals]).T
        truth = values.mean() if key in of_same_size else true[key]
        found[key] = {
            "true": float(truth),
            "mean": float(values.mean()),
            "deviation": float(values.std()),
            "coverage": float(np.mean((low <= truth) & (truth <= high))),
            "holds_own": float(np.mean((low <= values) & (values <= high))),
            "length": float(np.mean(high - low)),
        }
    return {"draws": num_draws, "scores": found}


def rows(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def print_table(path):
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows(path):
        for key, score in row["scores"].items():
            found[row["metric"], key][row["size"]].append((row["draws"], score))
    sizes = sorted({size for cells in found.values() for size in cells})
    print(f"| metric | score | draws | {' | '.join(map(str, sizes))} |")
    print(f"|---|---|---|{'---|' * len(sizes)}")
    for (name, key), cells in found.items():
        texts, draws = [], []
        for measured in (cells.get(size, []) for size in sizes):
            coverage = np.mean([score["coverage"] for _, score in measured] or [np.nan])
            length = np.mean([score["length"] for _, score in measured] or [np.nan])
            texts.append(f"{coverage:.0%} ({length:.3f})")
            draws.append(sum(number for number, _ in measured))
        print(f"| {name} | {key} | {min(draws)} | {' | '.join(texts)} |")


if __name__ == "__main__":
    sys.exit(main())

"""Speed of gradient boosting, ours and scikit-learn's, in one run.

    python tests/benchmarks/boosting.py           # 2,000 samples, a minute or two
    python tests/benchmarks/boosting.py --full    # 10,000 samples, as the DCI metric

The work is what DCI needs: 10 codes, five factors with 3, 6, 40, 32 and 32 values, a
classifier of each (113 trees per round) that is trained on `--samples` and predicts
these and half as many others. Codes are random mixtures of the factors, with noise.

Ours is timed on one thread and on `--threads`, after a small fit that compiles, or
loads what was compiled before; that time is shown apart. "CPU" is the processor time of
all threads, a fair guide on a busy machine. Scores of both are printed with their
largest difference, beside the difference between two seeds of ours: equally good splits
are chosen at random. The last line of the output is JSON.
"""

import argparse
import json
import os
import time

import numpy as np

NUM_CODES = 10
NUM_VALUES = (3, 6, 40, 32, 32)
SCORES = (
    "disentanglement",
    "completeness",
    "informativeness_train",
    "informativeness_test",
)


def main():
    args = parse_arguments()
    train = sample(args.samples, seed=1)
    test = sample(args.samples // 2, seed=2)
    print(f"{args.samples} samples to train, {args.samples // 2} to test")

    small = [array[:, :2] for array in sample(200, seed=3)]
    figures = {"compile": timed(lambda: run(boosting_models(0, 1), small, small))[1]}
    results = {}
    for name, models in {
        "ours, 1 thread": boosting_models(0, 1),
        f"ours, {args.threads} threads": boosting_models(0, args.threads),
        "ours, other seed": boosting_models(1, args.threads),
        "scikit-learn, 1 thread": scikit_learn_models,
    }.items():
        results[name], figures[name] = timed(
            lambda models=models: run(models, train, test)
        )

    print(f"\n{'':<28}{'seconds':>10}{'CPU s':>10}")
    for name, (wall, cpu) in figures.items():
        print(f"{name:<28}{wall:10.2f}{cpu:10.2f}")
    theirs = figures["scikit-learn, 1 thread"]
    ratios = {}
    print(f"\n{'scikit-learn / ours':<28}{'seconds':>10}{'CPU s':>10}")
    for name in list(results)[:2]:
        ratios[name] = [a / b for a, b in zip(theirs, figures[name], strict=True)]
        print(f"{name:<28}{ratios[name][0]:10.1f}{ratios[name][1]:10.1f}")

    ours, _, other_seed, scikit_learn = results.values()
    print(f"\n{'':<28}{'ours':>12}{'sklearn':>12}{'difference':>12}{'seeds':>12}")
    for name in SCORES:
        difference = ours[name] - scikit_learn[name]
        print(
            f"{name:<28}{ours[name]:12.6f}{scikit_learn[name]:12.6f}"
            f"{difference:12.6f}{ours[name] - other_seed[name]:12.6f}"
        )
    largest = max(abs(ours[name] - scikit_learn[name]) for name in SCORES)
    print(f"largest difference of a score: {largest:.6f}\n")
    print(
        json.dumps(
            {
                "samples": args.samples,
                "threads": args.threads,
                "seconds_and_cpu_seconds": figures,
                "ratios": ratios,
                "scores": results,
                "largest_difference": largest,
            }
        )
    )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=2000, help="to train on")
    parser.add_argument("--full", action="store_true", help="the same as 10000 samples")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    if args.full:
        args.samples = 10000
    if args.samples < 500 or args.threads < 1:
        parser.error("--samples must be at least 500, --threads positive")
    return args


def sample(n, seed):
    """Factors (n, 5) and codes (n, NUM_CODES)."""
    weights = np.random.RandomState(0).randn(len(NUM_VALUES), NUM_CODES)
    random_state = np.random.RandomState(seed)
    factors = np.stack([random_state.randint(k, size=n) for k in NUM_VALUES], axis=1)
    codes = (factors / NUM_VALUES - 0.5) @ weights
    return factors, codes + 0.1 * random_state.randn(n, NUM_CODES)


def boosting_models(seed, num_threads):
    def models(codes, factors):
        from dmt.evaluation.metrics import boosting

        return boosting.fit_all(codes, factors.T, seed, num_threads)

    return models


def scikit_learn_models(codes, factors):
    from sklearn import ensemble

    return [
        ensemble.GradientBoostingClassifier(random_state=0).fit(codes, target)
        for target in factors.T
    ]


def run(models, train, test):
    """DCI scores."""
    from dmt.evaluation.metrics import dci

    (factors_train, codes_train), (factors_test, codes_test) = train, test
    fitted = models(codes_train, factors_train)
    importance = np.stack([model.feature_importances_ for model in fitted], axis=1)

    def accuracy(codes, factors):
        pairs = zip(fitted, factors.T, strict=True)
        return float(np.mean([model.predict(codes) == y for model, y in pairs]))

    return {
        "disentanglement": dci.disentanglement(importance),
        "completeness": dci.completeness(importance),
        "informativeness_train": accuracy(codes_train, factors_train),
        "informativeness_test": accuracy(codes_test, factors_test),
    }


def timed(function):
    """The result of a function, and its seconds and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, (time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    main()

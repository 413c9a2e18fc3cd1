"""Speed of the metrics: ours and disentanglement_lib's procedure, in one run.

    python tests/benchmarks/metrics.py                     # half an hour on two cores
    python tests/benchmarks/metrics.py --metrics mig,dci   # some rows
    python tests/benchmarks/metrics.py --threads 1
    python tests/benchmarks/metrics.py --memory            # memory instead of speed
    python tests/benchmarks/metrics.py --quick             # does it run? no figures

"Theirs" is the original's procedure in our words, on today's libraries: samples drawn
16 at a time and joined to what there is, one vote after the other with encoder calls of
64 observations, scikit-learn's gradient boosting of one factor after the other, loops
over pairs of variables. It is in this file, to be read and doubted. Both sides have the
sizes of the paper: 10,000 samples to train, 5,000 to test.

Codes given. Data are the grid of dSprites, codes a fixed random mixture of the factors
with noise, 10 per image; observations are numbers of images, and a representation
function looks their codes up. Both draw the same samples, so their scores agree, but
for gradient boosting, which breaks ties at random. "ours" and "theirs" are medians over
rounds in which the two take turns; a row of minutes has one round. The first, untimed
use compiles, or loads what was compiled before.

With the encoder. The `study` rows are all metrics of the unsupervised study on one
untrained conv_encoder (codes scaled to variance 1), on pictures that were drawn before.
Ours is timed as it is, with the encoder in float32 and in bfloat16. Theirs is put
together: its metrics are timed on the same codes, looked up (those with boosted trees
on the codes of the rows above, which are run for this), and its encoder calls, 16 or 64
images each, are counted; a stated share of them is timed, with the same compiled
encoder, and scaled.

`--memory` scores a dataset of the size of MPI3D in a process of its own and prints the
largest memory that this process ever had.

"CPU" is the processor time of all threads: on a busy machine the ratio of seconds is
noise, and the ratio of CPU a fair guide to the work done. The last line is JSON.
"""

import argparse
import collections
import contextlib
import functools
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

from train import num_cores, use_cores

NUM_CODES = 10
NUM_MODELS = 10
# Rounds of a row go on for so long, five at most.
SECONDS_OF_ROUNDS = 20
# Encoder calls that are timed, of each size.
TIMED_CALLS = 300
MEMORY_LIMIT = 2e9


def main():
    args = parse_arguments()
    use_cores(args.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if args.memory_worker:
        memory_worker(args.quick)
        return
    warnings.simplefilter("ignore")  # Logistic regressions that stop early.
    print(f"{num_cores()} threads, load {os.getloadavg()[0]:.2f}", flush=True)
    report = {"threads": num_cores(), "load": os.getloadavg()[0], "quick": args.quick}
    if args.memory:
        report["memory"] = measure_memory(args)
    else:
        report |= measure_speed(args)
    print(json.dumps(report))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*ROWS, *STUDIES]
    parser.add_argument(
        "--metrics",
        type=lambda text: text.split(","),
        default=names,
        help=f"names of rows, with commas between; default: {','.join(names)}",
    )
    parser.add_argument("--threads", type=int, help="cores to use; default: all")
    parser.add_argument("--memory", action="store_true", help="memory, not speed")
    parser.add_argument("--quick", action="store_true", help="tiny, to see it work")
    parser.add_argument("--memory_worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.metrics) - set(names)
    if unknown:
        parser.error(f"unknown rows: {', '.join(sorted(unknown))}")
    return args


def measure_speed(args):
    """All figures of the rows that `args` asks for."""
    sizes = Sizes(args.quick)
    study = any(name in STUDIES for name in args.metrics)
    names = [name for name in ROWS if name in args.metrics or (study and name in TREES)]
    data = CodesGiven(sizes)
    header = ("ours", "theirs", "ratio", "CPU ours", "theirs", "ratio", "target")
    print(f"\n{'codes given':<36}" + "".join(f"{word:>10}" for word in header))
    rows = {}
    for name in names:
        ours, theirs, target = ROWS[name]
        if name == "udr" and not udr_exists():
            print(f"{name:<36}  left out: there is no dmt.evaluation.udr")
            continue
        rows[name] = compare(
            functools.partial(ours, data.ours, data.codes, sizes),
            functools.partial(theirs, data.theirs, data.codes, sizes),
            functools.partial(ours, data.ours, data.codes, Sizes(quick=True)),
            sizes.rounds,
        )
        rows[name]["target"] = target
        print_row(name, rows[name])
    for name in (name for name in TREES if name in rows):
        print_scores_of_trees(name, rows[name], data, sizes)
    report = {"rows": rows}
    if study:
        report["study"] = measure_study(args, sizes, rows)
    return report


class Sizes:
    """Numbers of samples, those of the paper or a few."""

    def __init__(self, quick):
        self.num_train, self.num_test = (300, 200) if quick else (10000, 5000)
        self.downstream = [10, 300] if quick else [10, 100, 1000, 10000]
        self.rounds = 1 if quick else 5
        self.dataset = "dsprites_rendered_small" if quick else "dsprites_rendered"


class CodesGiven:
    """The data of both sides, and a function from image numbers to codes."""

    def __init__(self, sizes):
        import numpy as np

        from dmt.data.ground_truth import named_data
        from dmt.evaluation.codes import IndexedData

        dataset = named_data.get_named_ground_truth_data(sizes.dataset)
        num_values = np.array(dataset.factors_num_values)
        factors = dataset.factors_at(np.arange(dataset.size))
        random_state = np.random.RandomState(0)
        weights = random_state.randn(len(num_values), NUM_CODES)
        noise = 0.1 * random_state.randn(dataset.size, NUM_CODES)
        table = ((factors / num_values - 0.5) @ weights + noise).astype("float32")
        self.ours = IndexedData(dataset)
        self.theirs = TheirData(dataset.factors_num_values)
        self.codes = lambda indices: table.take(indices, axis=0)


def compare(ours, theirs, warm_up, max_rounds):
    """Times both in turns.

    Returns:
        dict of seconds, CPU seconds and their ratios, medians over rounds; the scores
        of both, and their largest difference.
    """
    import numpy as np

    warm_up()
    np.random.seed(0)
    rounds = []
    start = time.perf_counter()
    while not rounds or (
        len(rounds) < max_rounds and time.perf_counter() - start < SECONDS_OF_ROUNDS
    ):
        scores_ours, figures_ours = timed(ours)
        scores_theirs, figures_theirs = timed(theirs)
        rounds.append((*figures_ours, *figures_theirs))
    seconds, cpu, their_seconds, their_cpu = zip(*rounds, strict=True)
    scores = {
        "ours": {key: float(scores_ours[key]) for key in scores_theirs},
        "theirs": {key: float(score) for key, score in scores_theirs.items()},
    }
    return {
        "seconds": [statistics.median(seconds), statistics.median(their_seconds)],
        "cpu": [statistics.median(cpu), statistics.median(their_cpu)],
        "ratio": statistics.median(map(divide, their_seconds, seconds)),
        "cpu_ratio": statistics.median(map(divide, their_cpu, cpu)),
        "rounds": len(rounds),
        "scores": scores,
        "largest_difference": largest_difference(*scores.values()),
    }


def timed(function, *arguments):
    """The result of a function, and its seconds and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return result, (time.perf_counter() - wall, time.process_time() - cpu)


def divide(a, b):
    return a / b


def largest_difference(scores, others):
    return max(abs(scores[key] - others[key]) for key in scores)


def print_row(name, row):
    (ours, theirs), (cpu, their_cpu) = row["seconds"], row["cpu"]
    target = row["target"]
    print(
        f"{name:<36}{ours:10.3f}{theirs:10.3f}{row['ratio']:10.1f}"
        f"{cpu:10.3f}{their_cpu:10.3f}{row['cpu_ratio']:10.1f}"
        + (f"{target:10.0f}" if target else ""),
        flush=True,
    )


def print_scores_of_trees(name, row, data, sizes):
    """Scores of ours and theirs, and of ours with another seed of the ties."""
    import numpy as np

    np.random.seed(1)
    other_seed = ROWS[name][0](data.ours, data.codes, sizes)
    print(f"\n{name:<36}{'ours':>10}{'theirs':>10}{'diff.':>10}{'seeds':>10}")
    for key, score in row["scores"]["ours"].items():
        their_score = row["scores"]["theirs"][key]
        print(
            f"  {key:<34}{score:10.6f}{their_score:10.6f}{score - their_score:10.6f}"
            f"{score - other_seed[key]:10.6f}"
        )


# ----- Ours ---------------------------------------------------------------------------


@contextlib.contextmanager
def bound(*bindings):
    import gin

    from dmt.evaluation import evaluate  # noqa: F401 (registers the metrics)

    with gin.unlock_config():
        gin.clear_config()
        gin.parse_config(
            [
                "discretizer.discretizer_fn = @histogram_discretizer",
                "discretizer.num_bins = 20",
                "prune_dims.threshold = 0.05",
                *bindings,
            ]
        )
    yield
    gin.clear_config()


def our(metric, *bindings):
    """A function of data, codes and `Sizes` that gives the scores of a metric.

    Args:
        metric: function of the metric's module and of `Sizes` that returns the gin
            configurable and its arguments.
        bindings: lines of gin.
    """

    def score(data, codes, sizes):
        import numpy as np

        with bound(*bindings):
            function, *arguments = metric(sizes)
            return function(data, codes, np.random.RandomState(0), None, *arguments)

    return score


def our_beta_vae(sizes):
    from dmt.evaluation.metrics import beta_vae

    return beta_vae.compute_beta_vae_sklearn, 64, sizes.num_train, sizes.num_test


def our_factor_vae(sizes):
    from dmt.evaluation.metrics import factor_vae

    function = factor_vae.compute_factor_vae
    return function, 64, sizes.num_train, sizes.num_test, sizes.num_train


def our_dci(sizes):
    from dmt.evaluation.metrics import dci

    return dci.compute_dci, sizes.num_train, sizes.num_test


def our_downstream(sizes):
    from dmt.evaluation.metrics import downstream_task

    function = downstream_task.compute_downstream_task
    return function, sizes.downstream, sizes.num_test


def our_mig(sizes):
    from dmt.evaluation.metrics import mig

    return mig.compute_mig, sizes.num_train


def our_sap(sizes):
    from dmt.evaluation.metrics import sap_score

    return sap_score.compute_sap, sizes.num_train, sizes.num_test, 16, False


def our_modularity(sizes):
    from dmt.evaluation.metrics import modularity_explicitness

    function = modularity_explicitness.compute_modularity_explicitness
    return function, sizes.num_train, sizes.num_test


def our_irs(sizes):
    from dmt.evaluation.metrics import irs

    return irs.compute_irs, 0.99, sizes.num_train, 16


def our_unsupervised(sizes):
    from dmt.evaluation.metrics import unsupervised_metrics

    return unsupervised_metrics.unsupervised_metrics, sizes.num_train


def our_udr(data, codes, sizes):
    del data
    from dmt.evaluation.udr.metrics import udr

    scores = udr.udr(*models_of(codes, sizes), correlation_matrix="spearman")
    return by_model(scores["model_scores"])


def udr_exists():
    try:
        from dmt.evaluation.udr.metrics import udr  # noqa: F401
    except ImportError:
        return False
    return True


def models_of(codes, sizes):
    """Codes (n, NUM_CODES) and mean KLs of models that rotate some codes."""
    import numpy as np

    codes = codes(np.arange(sizes.num_train))
    random_state = np.random.RandomState(0)
    models = []
    for model in range(NUM_MODELS):
        mixture = np.eye(NUM_CODES) + 0.1 * model * random_state.randn(
            NUM_CODES, NUM_CODES
        )
        models.append(codes @ mixture)
    return models, [np.ones(NUM_CODES)] * NUM_MODELS


def by_model(scores):
    return {f"model_{index}": score for index, score in enumerate(scores)}


# ----- Theirs -------------------------------------------------------------------------


class TheirData:
    """The grid of dSprites; observations are numbers of images."""

    def __init__(self, factors_num_values):
        import numpy as np

        self.factors_num_values = factors_num_values
        self.num_factors = len(factors_num_values)
        self.all_sizes = [1, *factors_num_values]  # The one colour comes first.
        self.bases = math.prod(self.all_sizes) / np.cumprod(self.all_sizes)

    def sample_factors(self, num, random_state):
        import numpy as np

        factors = np.zeros((num, self.num_factors), dtype=np.int64)
        for column, num_values in enumerate(self.factors_num_values):
            factors[:, column] = random_state.randint(num_values, size=num)
        return factors

    def sample_observations_from_factors(self, factors, random_state):
        import numpy as np

        all_factors = np.zeros((len(factors), len(self.all_sizes)), dtype=np.int64)
        all_factors[:, 1:] = factors
        all_factors[:, 0] = random_state.randint(1, size=len(factors))
        return np.array(np.dot(all_factors, self.bases), dtype=np.int64)

    def sample(self, num, random_state):
        factors = self.sample_factors(num, random_state)
        return factors, self.sample_observations_from_factors(factors, random_state)


def their_samples(data, codes, num_points, random_state, batch_size=16):
    """Codes (NUM_CODES, n) and factors (num_factors, n)."""
    import numpy as np

    all_codes = all_factors = None
    drawn = 0
    while drawn < num_points:
        num = min(num_points - drawn, batch_size)
        factors, observations = data.sample(num, random_state)
        if drawn == 0:
            all_factors, all_codes = factors, codes(observations)
        else:
            all_factors = np.vstack((all_factors, factors))
            all_codes = np.vstack((all_codes, codes(observations)))
        drawn += num
    return all_codes.T, all_factors.T


def their_train_and_test(data, codes, sizes, random_state):
    train = their_samples(data, codes, sizes.num_train, random_state)
    return *train, *their_samples(data, codes, sizes.num_test, random_state)


def their_beta_vae(data, codes, sizes):
    import numpy as np
    from sklearn import linear_model

    random_state = np.random.RandomState(0)

    def draw_point():
        factor = random_state.randint(data.num_factors)
        first = data.sample_factors(64, random_state)
        second = data.sample_factors(64, random_state)
        second[:, factor] = first[:, factor]
        observations = data.sample_observations_from_factors(first, random_state)
        others = data.sample_observations_from_factors(second, random_state)
        difference = np.abs(codes(observations) - codes(others))
        return factor, np.mean(difference, axis=0)

    def draw_points(num_points):
        features = None
        fixed = np.zeros(num_points, dtype=np.int64)
        for point in range(num_points):
            fixed[point], feature = draw_point()
            if features is None:
                features = np.zeros((num_points, len(feature)))
            features[point] = feature
        return features, fixed

    train = draw_points(sizes.num_train)
    model = linear_model.LogisticRegression(random_state=random_state).fit(*train)
    return {
        "train_accuracy": model.score(*train),
        "eval_accuracy": model.score(*draw_points(sizes.num_test)),
    }


def their_factor_vae(data, codes, sizes):
    import numpy as np

    random_state = np.random.RandomState(0)
    _, observations = data.sample(sizes.num_train, random_state)
    parts = [codes(observations[i : i + 64]) for i in range(0, sizes.num_train, 64)]
    variances = np.var(np.vstack(parts), axis=0, ddof=1)
    active = np.sqrt(variances) >= 0.05

    def draw_vote():
        factor = random_state.randint(data.num_factors)
        factors = data.sample_factors(64, random_state)
        factors[:, factor] = factors[0, factor]
        observations = data.sample_observations_from_factors(factors, random_state)
        local = np.var(codes(observations), axis=0, ddof=1)
        return factor, np.argmin(local[active] / variances[active])

    def draw_votes(num_votes):
        votes = np.zeros((data.num_factors, len(variances)), dtype=np.int64)
        for _ in range(num_votes):
            votes[draw_vote()] += 1
        return votes

    votes = draw_votes(sizes.num_train)
    classifier = votes.argmax(axis=0), np.arange(votes.shape[1])
    evaluation = draw_votes(sizes.num_test)
    return {
        "train_accuracy": votes[classifier].sum() / votes.sum(),
        "eval_accuracy": evaluation[classifier].sum() / evaluation.sum(),
    }


def their_dci(data, codes, sizes):
    import numpy as np
    from scipy import stats
    from sklearn import ensemble

    codes_train, factors_train, codes_test, factors_test = their_train_and_test(
        data, codes, sizes, np.random.RandomState(0)
    )
    importance = np.zeros((len(codes_train), len(factors_train)))
    train, test = [], []
    for factor in range(len(factors_train)):
        model = ensemble.GradientBoostingClassifier()
        model.fit(codes_train.T, factors_train[factor])
        importance[:, factor] = np.abs(model.feature_importances_)
        train.append(np.mean(model.predict(codes_train.T) == factors_train[factor]))
        test.append(np.mean(model.predict(codes_test.T) == factors_test[factor]))

    def score(importance):
        entropies = stats.entropy(importance.T + 1e-11, base=importance.shape[1])
        shares = importance.sum(axis=1) / importance.sum()
        return np.sum((1 - entropies) * shares)

    return {
        "informativeness_train": np.mean(train),
        "informativeness_test": np.mean(test),
        "disentanglement": score(importance),
        "completeness": score(importance.T),
    }


def their_downstream(make_model):
    def score(data, codes, sizes):
        import numpy as np

        random_state = np.random.RandomState(0)
        scores = {}
        for size in sizes.downstream:
            codes_train, factors_train = their_samples(data, codes, size, random_state)
            codes_test, factors_test = their_samples(
                data, codes, sizes.num_test, random_state
            )
            train, test = [], []
            for y_train, y_test in zip(factors_train, factors_test, strict=True):
                model = make_model()
                model.fit(codes_train.T, y_train)
                train.append(np.mean(model.predict(codes_train.T) == y_train))
                test.append(np.mean(model.predict(codes_test.T) == y_test))
            scores[f"{size}:mean_train_accuracy"] = np.mean(train)
            scores[f"{size}:mean_test_accuracy"] = np.mean(test)
        return scores

    return score


def their_boosting():
    from sklearn import ensemble

    return ensemble.GradientBoostingClassifier()


def their_logistic_regression_cv():
    from sklearn import linear_model, model_selection

    return linear_model.LogisticRegressionCV(
        Cs=10,
        cv=model_selection.KFold(n_splits=5),
        scoring="accuracy",
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )


def discretized(rows):
    import numpy as np

    bins = np.zeros_like(rows)
    for index in range(len(rows)):
        edges = np.histogram(rows[index], 20)[1]
        bins[index] = np.digitize(rows[index], edges[:-1])
    return bins


def their_mutual_information(mus, ys):
    import numpy as np
    from sklearn import metrics

    information = np.zeros((len(mus), len(ys)))
    for i in range(len(mus)):
        for j in range(len(ys)):
            information[i, j] = metrics.mutual_info_score(ys[j], mus[i])
    return information


def their_mig(data, codes, sizes):
    import numpy as np
    from sklearn import metrics

    codes, factors = their_samples(
        data, codes, sizes.num_train, np.random.RandomState(0)
    )
    information = their_mutual_information(discretized(codes), factors)
    entropies = np.array([metrics.mutual_info_score(y, y) for y in factors])
    best = np.sort(information, axis=0)[::-1]
    return {"discrete_mig": np.mean((best[0] - best[1]) / entropies)}


def their_sap(data, codes, sizes):
    import numpy as np
    from sklearn import svm

    codes_train, factors_train, codes_test, factors_test = their_train_and_test(
        data, codes, sizes, np.random.RandomState(0)
    )
    scores = np.zeros((len(codes_train), len(factors_train)))
    for i in range(len(codes_train)):
        for j in range(len(factors_train)):
            model = svm.LinearSVC(C=0.01, class_weight="balanced")
            model.fit(codes_train[i][:, None], factors_train[j])
            predicted = model.predict(codes_test[i][:, None])
            scores[i, j] = np.mean(predicted == factors_test[j])
    best = np.sort(scores, axis=0)[::-1]
    return {"SAP_score": np.mean(best[0] - best[1])}


def their_modularity(data, codes, sizes):
    import numpy as np
    from sklearn import linear_model, metrics, preprocessing

    codes_train, factors_train, codes_test, factors_test = their_train_and_test(
        data, codes, sizes, np.random.RandomState(0)
    )
    squared = their_mutual_information(discretized(codes_train), factors_train) ** 2
    best = squared.max(axis=1)
    deviations = (squared.sum(axis=1) - best) / (best * (squared.shape[1] - 1))
    mean = codes_train.mean(axis=1, keepdims=True)
    std = codes_train.std(axis=1, keepdims=True)
    x_train, x_test = ((x - mean).T / std.T for x in (codes_train, codes_test))
    train, test = [], []
    for y_train, y_test in zip(factors_train, factors_test, strict=True):
        model = linear_model.LogisticRegression().fit(x_train, y_train)
        for areas, x, y in ((train, x_train, y_train), (test, x_test, y_test)):
            is_class = preprocessing.MultiLabelBinarizer().fit_transform(y[:, None])
            areas.append(metrics.roc_auc_score(is_class, model.predict_proba(x)))
    return {
        "modularity_score": np.mean(1 - deviations),
        "explicitness_score_train": np.mean(train),
        "explicitness_score_test": np.mean(test),
    }


def their_irs(data, codes, sizes):
    import numpy as np

    codes, factors = their_samples(
        data, codes, sizes.num_train, np.random.RandomState(0)
    )
    factors = discretized(factors)
    codes = codes[codes.var(axis=1) > 0].T
    largest = np.max(np.abs(codes - codes.mean(axis=0)), axis=0)
    effects = np.zeros((codes.shape[1], len(factors)))
    for index, factor in enumerate(factors):
        values = np.unique(factor)
        for value in values:
            group = codes[factor == value]
            distances = np.abs(group - group.mean(axis=0))
            effects[:, index] += np.percentile(distances, q=99, axis=0)
        effects[:, index] /= len(values)
    robustness = np.max(1 - effects / largest[:, None], axis=1)
    return {"IRS": np.average(robustness, weights=largest)}


def their_unsupervised(data, codes, sizes):
    import numpy as np
    from scipy import linalg

    codes, _ = their_samples(data, codes, sizes.num_train, np.random.RandomState(0))
    covariance = np.cov(codes)
    diagonal = np.diag(covariance)
    root = linalg.sqrtm(diagonal[:, None] * covariance)
    bins = discretized(codes)
    information = their_mutual_information(bins, bins)
    np.fill_diagonal(information, 0)
    num_codes = len(codes)
    return {
        "gaussian_total_correlation": 0.5
        * (np.sum(np.log(diagonal)) - np.linalg.slogdet(covariance)[1]),
        "gaussian_wasserstein_correlation": np.real(
            2 * np.trace(covariance) - 2 * np.trace(root)
        ),
        "mutual_info_score": information.sum() / (num_codes**2 - num_codes),
    }


def their_udr(data, codes, sizes):
    del data
    import numpy as np
    from scipy import stats
    from sklearn import preprocessing

    models, kl = models_of(codes, sizes)
    for index in range(NUM_MODELS):
        scaled = preprocessing.StandardScaler().fit_transform(models[index])
        models[index] = scaled * (kl[index] > 0.01)
    pairwise = np.zeros((NUM_MODELS, NUM_MODELS))
    for i in range(NUM_MODELS):
        for j in range(NUM_MODELS):
            if i == j:
                continue
            matrix = np.array(
                [
                    [
                        abs(stats.spearmanr(first, second, nan_policy="omit")[0])
                        for second in models[j].T
                    ]
                    for first in models[i].T
                ]
            )
            strengths = [
                np.mean(np.max(m**2, axis=0) / np.sum(m, axis=0))
                for m in (matrix, matrix.T)
            ]
            pairwise[i, j] = np.mean(strengths)
    return by_model(np.median(np.delete(pairwise[:, j], j)) for j in range(NUM_MODELS))


# Name: ours, theirs, target of the ratio.
ROWS = {
    "dci": (our(our_dci), their_dci, 25),
    "downstream_task_boosted_trees": (
        our(our_downstream, "predictor.predictor_fn = @gradient_boosting_classifier"),
        their_downstream(their_boosting),
        25,
    ),
    "downstream_task_logistic_regression": (
        our(our_downstream, "predictor.predictor_fn = @logistic_regression_cv"),
        their_downstream(their_logistic_regression_cv),
        1,
    ),
    "udr": (our_udr, their_udr, 10),
    "beta_vae_sklearn": (our(our_beta_vae), their_beta_vae, 5),
    "factor_vae_score": (our(our_factor_vae), their_factor_vae, 5),
    "mig": (our(our_mig), their_mig, 1),
    "sap_score": (our(our_sap), their_sap, 1),
    "modularity_explicitness": (our(our_modularity), their_modularity, 1),
    "irs": (our(our_irs), their_irs, 1),
    "unsupervised_metrics": (our(our_unsupervised), their_unsupervised, 1),
}
TREES = ("dci", "downstream_task_boosted_trees")

# ----- With the encoder ---------------------------------------------------------------

# Name: dtype policy of the encoder, target of the ratio.
STUDIES = {"study": ("float32", 8), "study_bfloat16": ("mixed_bfloat16", 12)}
STUDY_METRICS = [name for name in ROWS if name not in ("udr", "irs")]
# These sample as the others do.
SAMPLES_AS = {
    "dci": "sap_score",
    "downstream_task_boosted_trees": "downstream_task_logistic_regression",
}


def measure_study(args, sizes, rows):
    """All metrics of the study on one representation, ours and theirs."""
    import numpy as np

    from dmt.data.ground_truth import named_data
    from dmt.evaluation.codes import codes_of
    from dmt.postprocessing.representation import load_representation

    dataset = named_data.get_named_ground_truth_data(sizes.dataset)
    for start in range(0, dataset.size, 4096):
        dataset.images_at(np.arange(start, min(start + 4096, dataset.size)))
    results, tables, scores = {}, {}, {}
    with tempfile.TemporaryDirectory() as directory:
        write_representation(dataset, directory)
        encoder = load_representation(directory).encoder
        for name in [name for name in STUDIES if name in args.metrics]:
            policy, target = STUDIES[name]
            data, codes = codes_of(dataset, load_representation(directory, policy))
            results[name], scores[name] = our_study(data, codes, sizes)
            results[name]["target"] = target
            tables[name] = codes(np.arange(dataset.size))
    table = next(iter(tables.values()))
    theirs = their_study(dataset, encoder, table, sizes, rows)
    print_study(results, theirs)
    for result in results.values():
        result["ratio"] = theirs["total"][0] / result["total"][0]
        result["cpu_ratio"] = theirs["total"][1] / result["total"][1]
    report = {"ours": results, "theirs": theirs}
    if len(tables) == 2:
        report["bfloat16"] = compare_dtypes(tables, scores)
    return report


def write_representation(dataset, directory):
    """An untrained conv_encoder, its means scaled to variance 1; they are the codes."""
    import keras
    import numpy as np

    from dmt.methods.shared import architectures
    from dmt.postprocessing.representation import REPRESENTATION_FILE, Representation

    keras.utils.set_random_seed(0)
    encoder = architectures.make_gaussian_encoder(
        dataset.observation_shape, NUM_CODES, architectures.conv_encoder
    )
    images = dataset.images_at(np.arange(0, dataset.size, dataset.size // 1000))
    scale = encoder.predict(images / np.float32(255), verbose=0)[0].std(axis=0)
    means = encoder.get_layer("means")
    means.kernel.assign(means.kernel / scale)
    moments = [keras.Input((NUM_CODES,)), keras.Input((NUM_CODES,))]
    representation = Representation(encoder, keras.Model(moments, moments[0]))
    representation.save(os.path.join(directory, REPRESENTATION_FILE))


def our_study(data, codes, sizes):
    """[seconds, CPU seconds] of encoding, of each metric without it, and of all."""
    encoding = [0.0, 0.0]

    def timed_codes(observations):
        result, figures = timed(codes, observations)
        encoding[:] = map(sum, zip(encoding, figures, strict=True))
        return result

    figures, scores = {}, {}
    for name in STUDY_METRICS:
        before = list(encoding)
        scores[name], figures[name] = timed(
            functools.partial(ROWS[name][0], data, timed_codes, sizes)
        )
        figures[name] = [
            total - after + before
            for total, after, before in zip(
                figures[name], encoding, before, strict=True
            )
        ]
    return with_total({"encode": encoding, **figures}), scores


def their_study(dataset, encoder, table, sizes, rows):
    """The same for theirs, encoder calls counted, timed in part and scaled."""
    import numpy as np

    from dmt.utils.compilation import compiled

    calls, figures = {}, {}
    for name in STUDY_METRICS:
        if name in SAMPLES_AS:
            figures[name] = [rows[name]["seconds"][1], rows[name]["cpu"][1]]
            continue
        calls[name] = collections.Counter()

        def codes(observations, name=name):
            calls[name][16 if len(observations) <= 16 else 64] += 1
            return table.take(observations, axis=0)

        theirs = ROWS[name][1]
        data = TheirData(dataset.factors_num_values)
        _, figures[name] = timed(functools.partial(theirs, data, codes, sizes))
    for name, other in SAMPLES_AS.items():
        calls[name] = calls[other]
    total = sum(calls.values(), start=collections.Counter())
    encode = [0.0, 0.0]
    for batch_size, number in total.items():
        encode_batch = compiled(encoder, batch_size)
        indices = np.random.RandomState(0).randint(
            dataset.size, size=TIMED_CALLS * batch_size
        )
        images = dataset.images_at(indices)

        def encode_some(images=images, batch_size=batch_size, encode=encode_batch):
            for start in range(0, len(images), batch_size):
                encode(images[start : start + batch_size].astype("float32") / 255)

        timed(encode_some)
        _, some = timed(encode_some)
        for index in range(2):
            encode[index] += some[index] * number / TIMED_CALLS
        print(
            f"their encoder calls with {batch_size} images: {number}, of which "
            f"{TIMED_CALLS / number:.2%} were timed: {some[0] / TIMED_CALLS * 1e3:.2f} "
            "ms each"
        )
    return with_total({"encode": encode, **figures}) | {
        "encoder_calls": dict(total),
        "timed_calls": TIMED_CALLS,
    }


def with_total(figures):
    return {
        "parts": {name: list(values) for name, values in figures.items()},
        "total": [sum(values) for values in zip(*figures.values(), strict=True)],
    }


def print_study(results, theirs):
    columns = {**results, "theirs": theirs}
    print(f"\n{'with the encoder, seconds':<36}", end="")
    print("".join(f"{name:>16}" for name in columns))
    for part in theirs["parts"]:
        seconds = [column["parts"][part][0] for column in columns.values()]
        print(f"{part:<36}" + "".join(f"{value:16.2f}" for value in seconds))
    for index, label in enumerate(("all", "all, CPU")):
        totals = [column["total"][index] for column in columns.values()]
        print(f"{label:<36}" + "".join(f"{value:16.2f}" for value in totals))
        ratios = [totals[-1] / total for total in totals[:-1]]
        print(f"{'  theirs / ours':<36}" + "".join(f"{r:16.1f}" for r in ratios))
    targets = [result["target"] for result in results.values()]
    print(f"{'  target':<36}" + "".join(f"{target:16.0f}" for target in targets))


def compare_dtypes(tables, scores):
    """How far codes and scores in bfloat16 are from those in float32."""
    import numpy as np

    exact, rounded = tables.values()
    error = np.abs(exact - rounded) / exact.std(axis=0)
    result = {
        "codes_largest": float(error.max()),
        "codes_mean": float(error.mean()),
        "scores": {},
    }
    print(
        "\nbfloat16 and float32: codes differ, in standard deviations of the code, by"
    )
    print(f"{error.mean():.5f} in the mean, {error.max():.5f} at most; scores")
    exact, rounded = scores.values()
    for metric, values in exact.items():
        for key, value in values.items():
            if isinstance(value, float) and "factor_" not in key:
                other = rounded[metric][key]
                result["scores"][f"{metric}.{key}"] = [value, other]
                print(f"  {metric + '.' + key:<62}{value:9.4f}{other:9.4f}")
    return result


# ----- Memory -------------------------------------------------------------------------


def measure_memory(args):
    """Runs `memory_worker` in a process of its own, which knows nothing else."""
    command = [sys.executable, os.path.abspath(__file__), "--memory_worker"]
    command += ["--quick"] * args.quick
    command += ["--threads", str(args.threads)] * bool(args.threads)
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    report = json.loads(lines.stdout.splitlines()[-1])
    for name, value in report["peak_after"].items():
        print(f"{'largest memory after ' + name:<44}{value / 1e9:8.2f} GB")
    print(f"limit{MEMORY_LIMIT / 1e9:47.2f} GB; {report['seconds']:.0f} s")
    return report


def memory_worker(quick):
    """Scores images of the size of MPI3D, made from their numbers when asked for."""
    import numpy as np

    from dmt.data.ground_truth import ground_truth_data, state_space
    from dmt.evaluation.codes import codes_of
    from dmt.postprocessing.representation import load_representation

    class Synthetic(ground_truth_data.GroundTruthData):
        factors_num_values = [6, 6, 2, 3, 3, 40, 40]
        observation_shape = [64, 64, 3]
        size = math.prod(factors_num_values)
        is_grid = has_grid_draws = True
        space = state_space.SplitDiscreteStateSpace(factors_num_values, range(7))
        pattern = np.random.RandomState(0).randint(256, size=(64, 64, 3))

        def sample_factors(self, num, random_state):
            return self.space.sample_latent_factors(num, random_state)

        def factors_at(self, indices):
            return state_space.index_to_factors(indices, self.factors_num_values)

        def indices_of(self, factors, random_state=None):
            return state_space.factors_to_index(factors, self.factors_num_values)

        def images_at(self, indices):
            steps = self.factors_at(indices) @ [3, 5, 7, 11, 13, 1, 2]
            pattern = self.pattern.astype(np.uint8)
            return pattern * (1 + steps).astype(np.uint8)[:, None, None, None]

    def peak():
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return kilobytes * (1 if sys.platform == "darwin" else 1024)

    start = time.perf_counter()
    dataset, sizes = Synthetic(), Sizes(quick)
    with tempfile.TemporaryDirectory() as directory:
        write_representation(dataset, directory)
        data, codes = codes_of(dataset, load_representation(directory))
    peaks = {"loading": peak()}
    for name in ("beta_vae_sklearn", "factor_vae_score", "mig", "dci"):
        ROWS[name][0](data, codes, sizes)
        peaks[name] = peak()
    seconds = time.perf_counter() - start
    report = {"peak_after": peaks, "limit": MEMORY_LIMIT, "seconds": seconds}
    print(json.dumps(report))


if __name__ == "__main__":
    main()

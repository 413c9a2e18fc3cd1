"""Commands for the steps of a run: train, postprocess, evaluate, score."""

import contextlib
import functools
import glob
import itertools
import os
import sys

from dmt.cli.table import (
    EVALUATION_GLOB,
    GIN_FLAGS,
    OUTPUT_DIR,
    OVERWRITE,
    STEP_FLAGS,
    Command,
    Flag,
    several,
)
from dmt.utils import machine


def _train(flags):
    machine.import_keras()
    from dmt.methods.train import train_with_gin

    gin_files = list(flags.gin_config)
    if flags.gin_file_name:
        gin_files.append(os.path.join(flags.gin_model_dir or "", flags.gin_file_name))
    train_with_gin(
        flags.model_dir,
        flags.overwrite,
        gin_files,
        flags.gin_bindings,
        resume=flags.resume,
    )


def _postprocess(flags):
    machine.import_keras()
    from dmt.postprocessing.postprocess import postprocess_with_gin

    postprocess_with_gin(
        flags.model_dir,
        flags.output_dir,
        flags.overwrite,
        flags.gin_config,
        flags.gin_bindings,
        resume=flags.resume,
    )


def _evaluate(flags):
    machine.import_keras()
    from dmt.evaluation.evaluate import evaluate_with_gin

    _evaluate_all(flags, evaluate_with_gin, "evaluation")


def _validate(flags):
    machine.import_keras()
    from dmt.validation.validate import validate_with_gin

    _evaluate_all(flags, validate_with_gin, "validation")


def _evaluate_all(flags, evaluate_with_gin, step):
    """Scores with each configuration that the flags name, then prints a table."""
    from dmt.evaluation.tables import score_table

    shared = {}
    evaluate = functools.partial(
        evaluate_with_gin, flags.input_dir, shared_codes=shared
    )
    written, missing = _evaluated(flags, evaluate, shared, [flags.input_dir], step)
    output_dirs = {
        name or os.path.basename(os.path.normpath(output_dir)): output_dir
        for name, output_dir in written.items()
    }
    print(score_table(output_dirs, step))
    _end(missing, len(written))


def _evaluated(flags, evaluate, shared, inputs, step="evaluation"):
    """Makes the evaluations of the flags.

    What one of several metrics alone cannot compute is reported, and the others go on.
    What all need is in the dictionary `shared` by then: if that fails, so would all.

    Returns:
        {name of the evaluation: its output directory}, and the names of those missing.
    """
    from dmt.evaluation import kept_moments
    from dmt.utils import configuration, results
    from dmt.utils.progress import Progress

    configs = _evaluation_configs(flags)
    if flags.gin_evaluation_config_glob is None:
        evaluate(
            flags.output_dir,
            flags.overwrite,
            flags.gin_config,
            flags.gin_bindings,
            resume=flags.resume,
        )
        return {"": flags.output_dir}, []
    bindings = {
        name: [*flags.gin_bindings, f"{step}.name = {name!r}"] for name in configs
    }
    output_dirs = {name: os.path.join(flags.output_dir, name) for name in configs}
    _check_gin_files(configs, flags.gin_bindings)
    if not flags.resume:
        for output_dir in output_dirs.values():
            configuration.is_done(output_dir, step, flags.overwrite, False, inputs)
    missing = []
    complete = [
        name
        for name, output_dir in output_dirs.items()
        if flags.resume and results.is_complete(output_dir, step)
    ]
    progress = Progress(len(configs), "metrics", len(complete))
    with kept_moments.folder(flags.output_dir, flags.resume) as moments_dir:
        for name, gin_files in configs.items():
            try:
                with progress.task(name, was_done=name in complete):
                    evaluate(
                        output_dirs[name],
                        flags.overwrite,
                        gin_files,
                        bindings[name],
                        resume=flags.resume,
                        moments_dir=moments_dir,
                    )
            except Exception as error:
                if not shared or _is_fatal(error):
                    raise
                missing.append(_report(name, gin_files[-1], error))
                progress.end(name, "the error is above")
        shared.clear()
    return {n: path for n, path in output_dirs.items() if n not in missing}, missing


def _check_gin_files(configs, bindings):
    """Finds mistakes in the gin files of all evaluations before work starts."""
    from dmt.evaluation import evaluate  # noqa: F401 (registers the metrics)
    from dmt.utils import configuration

    for gin_files in configs.values():
        with configuration.gin_configuration(gin_files, bindings):
            pass


def _is_fatal(error):
    """Whether other metrics cannot go on, or the user wants to see the traceback."""
    return isinstance(error, OSError) or os.environ.get("DMT_TRACEBACK")


def _report(name, gin_file, error):
    """Says why a metric is missing; returns its name."""
    from dmt.cli.main import one_line

    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    message = one_line(f"Without {name} ({gin_file}): {kind}{error}")
    print(message, file=sys.stderr, flush=True)
    return name


def _end(missing, num_written):
    """Ends the program with status 1 if metrics are missing."""
    if missing:
        total = num_written + len(missing)
        print(
            f"{len(missing)} of {total} metrics are missing: {', '.join(missing)}.",
            file=sys.stderr,
        )
        sys.exit(1)


def _evaluation_configs(flags):
    """Gin files of each evaluation, by the name of the evaluation."""
    pattern = flags.gin_evaluation_config_glob
    if pattern is None:
        return {"": flags.gin_config}
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise ValueError(f"--gin_evaluation_config_glob={pattern} matches no file.")
    configs = {
        os.path.basename(path).removesuffix(".gin"): [*flags.gin_config, path]
        for path in paths
    }
    if len(configs) < len(paths):
        raise ValueError(
            f"--gin_evaluation_config_glob={pattern} matches files of the same "
            "name, and results go to directories of these names."
        )
    return configs


def _score(flags):
    from dmt.utils import locks

    path = flags.output_path
    with locks.only_in(path) if path else contextlib.nullcontext():
        _score_files(flags)


def _score_files(flags):
    from dmt import metrics
    from dmt.evaluation import score
    from dmt.utils import arrays

    with_gin = flags.gin_evaluation_config_glob or flags.gin_config
    _check_score_flags(flags, with_gin)
    factors = arrays.load_tables([flags.factors, flags.factors_test], "factors")
    codes = arrays.load_tables([flags.codes, flags.codes_test], "codes")
    pairs = zip(factors or [None], codes, strict=True)
    samples = [table for pair in pairs for table in pair]
    missing: list[str] = []
    if with_gin:
        machine.import_keras()
        rows = list(_score_with_gin(flags, samples, missing))
    else:
        rows = list(_score_by_name(flags, samples))
    if not rows:
        raise ValueError("No metric can score these arrays.")
    print(metrics.table(rows))
    if flags.output_path:
        scores = {label: scores for label, _, scores in rows}
        score.write_scores(scores, flags.output_path, flags.seed)
    _end(missing, len(rows))


def _score_with_gin(flags, samples, missing):
    """Yields (label, metric, scores) of each gin file; appends to `missing`."""
    from dmt.evaluation import score

    configs = _evaluation_configs(flags)
    _check_gin_files(configs, flags.gin_bindings)
    for name, gin_files in configs.items():
        try:
            yield score.score_with_gin(gin_files, flags.gin_bindings, *samples, name)
        except Exception as error:
            if not name or _is_fatal(error):
                raise
            missing.append(_report(name, gin_files[-1], error))


def _check_score_flags(flags, with_gin):
    if bool(flags.codes_test) != bool(flags.factors_test):
        raise ValueError("Give --codes_test and --factors_test together.")
    path = flags.output_path
    if path and os.path.exists(path) and not flags.overwrite:
        raise ValueError(f"The file {path} exists. Give --overwrite.")
    for name in ("metrics", "codes_test", "continuous_factors", "seed"):
        if with_gin and flags[name].present:
            raise ValueError(
                "Gin files choose the metric, its samples and its seed: leave out "
                f"--{name}."
            )


def _score_by_name(flags, samples):
    """Yields (label, metric, scores) of --metrics, or of all that can be computed."""
    from dmt import metrics
    from dmt.cli.main import one_line
    from dmt.evaluation import score
    from dmt.utils import configuration

    kinds = _kinds_of_factors(flags)
    with configuration.gin_configuration([], flags.gin_bindings):
        score.check_bindings()
        for name in flags.metrics or metrics.METRICS:
            entry = metrics.METRICS.get(name)
            if samples[0] is None and entry and "factors" in entry.parameters:
                if flags.metrics:
                    raise ValueError(f"{name} needs --factors, a table of factors.")
                continue
            try:
                scores = score.score_arrays(
                    name,
                    *samples,
                    continuous_factors=kinds,
                    seed=flags.seed,
                )
            except ValueError as error:
                if flags.metrics:
                    raise
                print(f"Without {name}: {one_line(error)}", file=sys.stderr)
            else:
                yield name, name, scores


def _kinds_of_factors(flags):
    """Whether all factors are continuous, or whether each is."""
    from dmt.utils import arrays

    given, path = flags.continuous_factors, flags.factors
    if not path or isinstance(given, bool) and not given:
        return False
    names = [name.strip() for name in arrays.column_names(path)]
    bools = {"true": True, "false": False}
    if isinstance(given, bool):
        kinds = given
    elif given and all(word.lower() in bools for word in given):
        kinds = [bools[word.lower()] for word in given]
    elif given and {*given} <= {*names}:
        kinds = [name in given for name in names]
    else:
        columns = f" ({', '.join(names)})" if names else ", which it does not have"
        raise ValueError(
            "--continuous_factors must be true, false, one of them for each factor, or "
            f"names of columns of {path}{columns}. Received: {','.join(given)}"
        )
    for index in arrays.columns_of_words(path, "factors"):
        if kinds is True or kinds[index : index + 1] == [True]:
            raise ValueError(
                f"Column {index + 1} of {path} holds words. --continuous_factors is "
                "for columns of numbers."
            )
    return kinds


def _udr(flags):
    model_dirs = []
    for pattern in itertools.chain(
        *([d] if os.path.isdir(d) else d.split(",") for d in flags.model_dirs)
    ):
        # A directory may have brackets in its name. Then the name is not a pattern.
        paths = [pattern] if os.path.isdir(pattern) else sorted(glob.glob(pattern))
        found = [path for path in paths if os.path.isdir(path)]
        if not found:
            raise ValueError(f"--model_dirs={pattern} matches no directory.")
        model_dirs += found
    machine.import_keras()
    from dmt.evaluation.udr.evaluate import evaluate_with_gin, score_table

    shared = {}
    evaluate = functools.partial(evaluate_with_gin, model_dirs, shared_models=shared)
    written, missing = _evaluated(flags, evaluate, shared, model_dirs)
    for name, output_dir in written.items():
        if name:
            print(name)
        print(score_table(output_dir))
    _end(missing, len(written))


_EVALUATION_FLAGS = (
    *several("string", input_dir="Directory that dmt_postprocess wrote."),
    OUTPUT_DIR,
    EVALUATION_GLOB,
    *STEP_FLAGS,
)

COMMANDS = (
    *(
        Command(
            name,
            "Trains a model: --model_dir=OUT --gin_config=FILE.",
            (
                *several(
                    "string",
                    model_dir="Directory to write.",
                    gin_model_dir="Directory of the file --gin_file_name.",
                    gin_file_name="Name of a gin file in --gin_model_dir.",
                ),
                *STEP_FLAGS,
            ),
            _train,
            required=("model_dir",),
        )
        # The other names are those of disentanglement_lib's scripts.
        for name in ("train", "train_semi_supervised", "train_weakly_supervised")
    ),
    Command(
        "postprocess",
        "Extracts a representation: --model_dir=IN --output_dir=OUT --gin_config=FILE.",
        (
            *several("string", model_dir="Directory that dmt_train wrote."),
            OUTPUT_DIR,
            *STEP_FLAGS,
        ),
        _postprocess,
        required=("model_dir", "output_dir"),
    ),
    Command(
        "evaluate",
        "Scores a representation: --input_dir=IN --output_dir=OUT --gin_config=FILE.",
        _EVALUATION_FLAGS,
        _evaluate,
        required=("input_dir", "output_dir"),
    ),
    Command(
        "validate",
        "Scores a representation with labelled images: --input_dir=IN "
        "--output_dir=OUT --gin_config=FILE.",
        _EVALUATION_FLAGS,
        _validate,
        required=("input_dir", "output_dir"),
    ),
    Command(
        "score",
        "Scores codes in files: --codes=codes.npy [--factors=factors.npy]. Files are "
        ".npy, .npz, .csv or .parquet tables with the same number of rows.",
        (
            *several(
                "string",
                codes="Table of n rows of codes.",
                factors="Table of n rows of factors. Without it, only metrics that "
                "need no factors are computed.",
                codes_test="Codes of the test samples, for metrics that train a "
                "classifier. Without them, a third of the rows is held out.",
                factors_test="Factors of the test samples.",
                gin_evaluation_config_glob="Pattern of gin files as for dmt_evaluate. "
                "Samples are drawn from the rows. Metrics that fix factors need rows "
                "with every combination of the factors.",
                output_path="JSON file to write with all results.",
            ),
            Flag(
                "continuous_factors",
                "bool_or_list",
                False,
                "Which factors are continuous, for metrics that distinguish them from "
                "discrete ones: true for all, or true or false for each, or names of "
                "columns.",
            ),
            Flag(
                "metrics",
                "list",
                [],
                "Names of metrics. Each scores all rows. The default is all metrics.",
            ),
            Flag("seed", "integer", 0, "Seed of all random numbers."),
            *GIN_FLAGS,
            OVERWRITE,
        ),
        _score,
        required=("codes",),
    ),
    Command(
        "udr",
        "Ranks trained models by UDR: --model_dirs=PATTERN --output_dir=OUT "
        "--gin_config=FILE.",
        (
            *several(
                "multi_string",
                [],
                model_dirs="Pattern of directories that dmt_train wrote. Give at least "
                "two directories, by patterns separated by commas or by one flag each.",
            ),
            OUTPUT_DIR,
            EVALUATION_GLOB,
            *STEP_FLAGS,
        ),
        _udr,
        required=("model_dirs", "output_dir"),
    ),
)

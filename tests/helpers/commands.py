"""Commands in a folder of tiny gin files, and what they leave there."""

import glob
import json
import pathlib

from tests.helpers.runs import SUPERVISED, TINY, bindings, results

AUTO = {"dataset.name": "'auto'"}
HISTOGRAM = {
    "discretizer.discretizer_fn": "@histogram_discretizer",
    "discretizer.num_bins": "20",
}
GIN_FILES = {
    "models/s2_vae": SUPERVISED,
    "models/vae": TINY,
    "models/group_vae": {
        **TINY,
        "model.model": "@group_vae_argmax()",
        "group_vae.beta": "1.0",
        "dynamics.k": "1",
    },
    "postprocess/mean": {
        **AUTO,
        "postprocess.postprocess_fn": "@mean_representation",
        "postprocess.random_seed": "0",
    },
    "metrics/mig": {
        **AUTO,
        **HISTOGRAM,
        "evaluation.evaluation_fn": "@mig",
        "evaluation.random_seed": "0",
        "mig.num_train": "50",
    },
    "metrics/unsupervised": {
        **AUTO,
        **HISTOGRAM,
        "evaluation.evaluation_fn": "@unsupervised_metrics",
        "evaluation.random_seed": "0",
        "unsupervised_metrics.num_train": "50",
    },
    "validation/mig": {
        **AUTO,
        **HISTOGRAM,
        "validation.validation_fn": "@mig_validation",
    },
    "validation/sap_score": {
        **AUTO,
        "validation.validation_fn": "@sap_score_validation",
        "sap_score_validation.continuous_factors": "False",
    },
}
STEPS = ("train", "postprocess", "evaluation")
PLAN = (
    "--gin_postprocess_config_glob=postprocess/*.gin",
    "--gin_evaluation_config_glob=metrics/*.gin",
)
LABELS = (
    "--supervised_seed=5",
    "--num_labelled_samples=40",
    "--train_percentage=0.9",
    "--labeller_fn=@perfect_labeller",
)
VALIDATION = "--gin_validation_config_glob=validation/*.gin"
SEEDS = ("--pipeline_seed=0", "--eval_seed=1")


def write_gin_files(folder):
    """Writes `GIN_FILES` to a folder."""
    for name, lines in GIN_FILES.items():
        path = folder / f"{name}.gin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(bindings(lines)))


def model(name):
    """Flags that choose the gin file of a model."""
    return ("--gin_model_config_dir=models", f"--gin_model_config_name={name}.gin")


def bound(**values):
    """Flags that bind gin parameters, named with __ for the dot."""
    pairs = (f"{k.replace('__', '.')}={v}" for k, v in values.items())
    return [f"--gin_bindings={pair}" for pair in pairs]


def load(path):
    """Reads a JSON file."""
    return json.loads(path.read_text())


def names(folder):
    """Names of what is in a folder, less hidden files."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def contents(folder):
    """Times of all files, less those of locks."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def complete(folder):
    """The files that mark steps as complete, less those in hidden directories."""
    pattern = glob.escape(str(folder)) + "/**/results/aggregate/*.json"
    paths = map(pathlib.Path, glob.glob(pattern, recursive=True))
    return {path: path.read_bytes() for path in paths}


def scores(folder):
    """Results of an evaluation, less what differs between equal ones."""
    return results(folder, "evaluation")


def has_results(folder, *steps):
    """Whether a directory has just the result files of these steps."""
    found = {
        str(path.relative_to(folder / "results"))
        for path in (folder / "results").rglob("*")
        if path.is_file()
    }
    return found == {
        name.format(step)
        for step in steps
        for name in (
            "gin/{}.gin",
            "json/{}_config.json",
            "json/{}_results.json",
            "aggregate/{}.json",
        )
    }

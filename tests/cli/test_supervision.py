"""Supervision, published studies and what is made of results, by the binaries."""

import glob
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.killed import IN_A_STEP, check, run
from tests.helpers.runs import (
    ROOT,
    SUPERVISED,
    TINY,
    bindings,
    check_mistake,
    results,
    run_binary,
    state,
)

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
# dmt_reproduce with one more study, the others would take days.
TINY_STUDY = f"""
import runpy, sys
from dmt.studies.published import studies as published
from dmt.studies.published.sweeps import sweep

published.STUDIES["tiny"] = published.PublishedStudy(
    "tiny",
    lambda: sweep("vae.beta", [1.0, 3.0]),
    "models/vae.gin",
    ("postprocess/mean.gin",),
    ("metrics/mig.gin", "metrics/unsupervised.gin"),
)
runpy.run_path({str(ROOT / "bin" / "dmt_reproduce")!r}, run_name="__main__")
"""
# Imports once what takes seconds, and forks for each command that it reads. (To tear
# TensorFlow down takes seconds too.)
FORKING = """
import json, os, runpy, signal, sys
import dmt.methods.imported, dmt.methods.train, dmt.validation.validate
for line in sys.stdin:
    sys.argv = json.loads(line)
    process = os.fork()
    if not process:
        signal.alarm(300)
        for number, name in ((1, "../stdout"), (2, "../stderr")):
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
        status = 0
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as stop:
            status = stop.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
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


def model(name):
    return ("--gin_model_config_dir=models", f"--gin_model_config_name={name}.gin")


def bound(**values):
    pairs = (f"{k.replace('__', '.')}={v}" for k, v in values.items())
    return [f"--gin_bindings={pair}" for pair in pairs]


def ran(process):
    assert process.returncode == 0, process.stderr[-2000:]
    return process.stdout


def load(path):
    return json.loads(path.read_text())


def names(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def contents(folder):
    """Times of all files; a lock may be left by whoever began."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def complete(output):
    """What marks steps as complete; hidden files, which may vanish, left out."""
    pattern = glob.escape(str(output)) + "/**/results/aggregate/*.json"
    paths = map(pathlib.Path, glob.glob(pattern, recursive=True))
    return {path: path.read_bytes() for path in paths}


def scores(folder, step="evaluation"):
    """Results of a step, less what differs between equal ones."""
    found = load(folder / f"results/json/{step}_results.json")
    return {k: v for k, v in found.items() if k not in ("uuid", "elapsed_time")}


def has_results(folder, *steps):
    """Whether a directory has the result files of the original, for these steps."""
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


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The folder in which all commands run."""
    folder = tmp_path_factory.mktemp("cli") / "world"
    for name, lines in GIN_FILES.items():
        path = folder / f"{name}.gin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(bindings(lines)))
    (folder / "dmt_reproduce").write_text(TINY_STUDY)
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module")
def forked(world):
    """Runs commands in processes that need not import TensorFlow again."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKING],
        cwd=world,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # What TensorFlow says of the machine when it is imported comes too late here.
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as server:

        def call(command, *arguments):
            script = str(ROOT / "bin" / command)
            print(json.dumps([script, *arguments]), file=server.stdin, flush=True)
            status = int(server.stdout.readline())
            texts = [(world.parent / name).read_text() for name in ("stdout", "stderr")]
            return subprocess.CompletedProcess(command, status, *texts)

        yield call
        server.stdin.close()


@pytest.fixture(scope="module")
def few_labels(world):
    """A run of the pipeline of few labels."""
    command = "dmt_reproduce_semi_supervised"
    flags = (*model("s2_vae"), *PLAN, VALIDATION, *LABELS, *SEEDS)
    ran(run_binary(command, world, "--output_directory=few_labels", *flags))
    return world / "few_labels"


@pytest.fixture(scope="module")
def pairs(world):
    """A run of the pipeline of pairs."""
    command = "dmt_reproduce_weakly_supervised"
    flags = ("--output_directory=pairs", *model("group_vae"), *PLAN, SEEDS[0], *LABELS)
    ran(run_binary(command, world, *flags))
    return world / "pairs"


def test_few_labels(few_labels):
    assert names(few_labels) == {
        *("model", "visualizations", "postprocessed", "validation", "metrics")
    }
    assert names(few_labels / "postprocessed") == {"mean"}
    validation = few_labels / "validation" / "mean"
    assert names(validation) == {"mig_validation_5_40", "sap_score_validation_5_40"}
    metrics = few_labels / "metrics"
    assert names(metrics) == {"mean", "aggregated_results.json"}
    assert names(metrics / "mean") == {"mig_5", "unsupervised_5"}
    assert has_results(few_labels / "model", "train")
    assert has_results(few_labels / "postprocessed/mean", "train", "postprocess")
    for path in validation.iterdir():
        assert has_results(path, "train", "postprocess", "validation")
    assert has_results(metrics / "mean/mig_5", *STEPS)
    assert names(few_labels / "visualizations") >= {
        "reconstructions",
        "sampled",
        "traversals",
        "animated_traversals",
        "interventional_effects",
    }

    found = load(
        validation / "sap_score_validation_5_40/results/aggregate/validation.json"
    )
    for key, value in {
        "train_config.model.name": "'s2_vae'",
        "train_config.model.supervised_data_seed": "5",
        "train_config.model.num_labelled_samples": "40",
        "train_config.model.train_percentage": "0.9",
        "train_config.labeller.labeller_fn": "@perfect_labeller",
        "train_results.global_step": 6,
        "postprocess_config.postprocess.name": "'mean'",
        "validation_config.validation.name": "'sap_score'",
        "validation_config.validation.random_seed": "5",
        "validation_config.validation.num_labelled_samples": "40",
        "validation_config.sap_score_validation.train_percentage": "0.9",
        "validation_config.labeller.labeller_fn": "@perfect_labeller",
        "validation_config.dataset.name": "'dsprites_rendered_small'",
    }.items():
        assert found[key] == value, key
    assert "validation_results.SAP_score" in found
    losses = ("reconstruction_loss", "elbo", "regularizer", "kl_loss", "loss")
    for key in (*losses, "supervised_loss", "elapsed_time", "uuid"):
        assert f"train_results.{key}" in found


def test_aggregated_results(few_labels, world, forked):
    path = few_labels / "metrics" / "aggregated_results.json"
    table = load(path)
    runs = [
        f"few_labels/metrics/mean/{name}/results/aggregate/evaluation.json"
        for name in ("mig_5", "unsupervised_5")
    ]
    assert table["path"] == dict(zip("01", runs, strict=True))
    assert table["evaluation_config.evaluation.name"] == {
        "0": "'mig'",
        "1": "'unsupervised'",
    }
    assert table["evaluation_results.discrete_mig"].keys() == {"0"}
    assert table["evaluation_results.gaussian_total_correlation"].keys() == {"1"}
    assert table["train_config.s2_vae.beta"] == {"0": "1.0", "1": "1.0"}
    for row, run_path in enumerate(runs):
        values = {**load(world / run_path), "path": run_path}
        assert values == {k: v[str(row)] for k, v in table.items() if str(row) in v}

    pattern = "few_labels/metrics/*/*/results/aggregate/evaluation.json"
    command = ("dmt_aggregate_results", f"--result_file_pattern={pattern}")
    ran(forked(*command, "--output_path=tables/few_labels.json"))
    assert (world / "tables/few_labels.json").read_bytes() == path.read_bytes()
    parquet = pytest.importorskip("pyarrow.parquet")
    ran(forked(*command, "--output_path=tables/few_labels.parquet"))
    columns = parquet.read_table(world / "tables/few_labels.parquet").to_pydict()
    assert columns.keys() == table.keys()
    assert columns["path"] == runs
    assert names(world / "tables") == {"few_labels.json", "few_labels.parquet"}


def test_model_of_few_labels_is_scored_again(few_labels, world, forked):
    flags = ("--model_dir=few_labels", "--output_directory=again", *PLAN, VALIDATION)
    ran(forked("dmt_reproduce_semi_supervised", *flags, *SEEDS))
    again = world / "again"
    assert names(again) == names(few_labels) - {"model"}
    folder = "metrics/mean/mig_5"
    assert scores(again / folder) == scores(few_labels / folder)
    folder = "validation/mean/mig_validation_5_40"
    found = scores(again / folder, "validation")
    assert found == scores(few_labels / folder, "validation")


def test_validate(few_labels, world, forked):
    flags = bound(
        validation__random_seed=5,
        validation__num_labelled_samples=40,
        labeller__labeller_fn="@perfect_labeller",
        sap_score_validation__train_percentage=0.9,
    )
    flags += ["--input_dir=few_labels/postprocessed/mean", "--output_dir=validated"]
    flags.append("--gin_evaluation_config_glob=validation/*.gin")
    table = ran(forked("dmt_validate", *flags))
    assert "discrete_mig" in table and "SAP_score" in table
    assert names(world / "validated") == {"mig", "sap_score"}
    for name in ("mig", "sap_score"):
        found = scores(world / "validated" / name, "validation")
        of_pipeline = few_labels / "validation/mean" / f"{name}_validation_5_40"
        assert found == scores(of_pipeline, "validation")
    before = contents(world)
    process = forked("dmt_validate", *flags)
    check_mistake(process, "validated/mig exists", "--resume")
    assert ran(forked("dmt_validate", *flags, "--resume")) == table
    assert contents(world) == before


@pytest.mark.slow
def test_killed_training_with_few_labels_resumes_bit_by_bit(few_labels, world):
    # What a run wrote down of itself is all that it takes to repeat it.
    config = few_labels / "model/results/gin/train.gin"
    model_dir = world / "resumed"
    flags = [f"--model_dir={model_dir}", f"--gin_config={config}", "--resume"]
    check(run("train_semi_supervised", flags, [], IN_A_STEP), -signal.SIGKILL)
    assert (model_dir / "tf_checkpoint/checkpoint.npz").exists()
    assert not (model_dir / "results").exists()
    ran(run_binary("dmt_train", world, *flags))
    assert state(model_dir) == state(few_labels / "model")
    assert results(model_dir) == results(few_labels / "model")


def test_pairs(pairs):
    assert names(pairs) == {"model", "visualizations", "postprocessed", "metrics"}
    # Without the metric that needs no factors, and without a table.
    assert names(pairs / "metrics") == {"mean"}
    assert names(pairs / "metrics/mean") == {"mig_0"}
    assert has_results(pairs / "metrics/mean/mig_0", *STEPS)
    animation = pairs / "model/visualizations/weak/animation.gif"
    assert animation.read_bytes().startswith(b"GIF8")
    found = load(pairs / "metrics/mean/mig_0/results/aggregate/evaluation.json")
    assert found["train_config.model.name"] == "'group_vae'"
    assert found["train_config.model.model"] == "@group_vae_argmax()"
    assert found["evaluation_config.evaluation.name"] == "'mig'"
    for key in ("reconstruction_loss", "elbo", "regularizer", "kl_loss", "loss"):
        assert f"train_results.{key}" in found


def test_training_with_pairs(pairs, world, forked):
    config = pairs / "model/results/gin/train.gin"
    folder, name = config.parent, config.name
    flags = (f"--gin_model_dir={folder}", f"--gin_file_name={name}")
    ran(forked("dmt_train_weakly_supervised", "--model_dir=repeated", *flags))
    assert state(world / "repeated") == state(pairs / "model")
    assert results(world / "repeated") == results(pairs / "model")


def test_repeated_metrics(world):
    flags = ("--random_seed=0", "--num_eval=2", "--scores_list=mig")
    flags += ("--evaluation_num_samples_train=30,60", "--output_directory=repetitions")
    flags += (*model("vae"), *PLAN, *bound(vae__beta=3.0))
    ran(run_binary("dmt_reproduce_jmlr", world, *flags))
    output = world / "repetitions"
    assert names(output) == {"model", "visualizations", "postprocessed", "metrics"}
    metrics = output / "metrics/mean"
    assert names(metrics) == {
        *("mig_30_0", "mig_60_0", "mig_30_1", "mig_60_1"),
        *("unsupervised_0", "unsupervised_1"),
    }
    found = load(metrics / "mig_60_1/results/aggregate/evaluation.json")
    assert found["evaluation_config.mig.num_train"] == "60"
    assert found["train_config.vae.beta"] == "3.0"
    assert scores(metrics / "mig_60_0") != scores(metrics / "mig_60_1")
    # The seed of the file, both times.
    assert scores(metrics / "unsupervised_0") == scores(metrics / "unsupervised_1")
    table = load(output / "metrics/aggregated_results.json")
    assert len(table["path"]) == 6


@pytest.fixture(scope="module")
def study(world):
    """The output of a study that was killed at any moment and started again."""
    command = world / "dmt_reproduce"
    flags = ("--study=tiny", "--model_num=1")
    output = world / "output/tiny/1"
    number, delay = random.randrange(5), random.uniform(0, 0.5)
    print(f"Killed {delay} s after {number} steps.")
    with subprocess.Popen(
        [sys.executable, command, *flags],
        cwd=world,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        while process.poll() is None:
            pictures = (output / "visualizations").exists()
            if output.exists() and len(complete(output)) + pictures >= number:
                time.sleep(delay)
                process.kill()
                break
            time.sleep(0.01)
    assert process.returncode in (0, -signal.SIGKILL)
    before = complete(output)
    ran(run_binary(command, world, *flags))
    after = complete(output)
    assert {path: after[path] for path in before} == before
    return output


@pytest.mark.slow
def test_study(study):
    assert names(study) == {"model", "visualizations", "postprocessed", "metrics"}
    assert names(study / "metrics/mean") == {"mig", "unsupervised"}
    assert has_results(study / "metrics/mean/mig", *STEPS)
    hidden = (path.relative_to(study) for path in study.rglob(".tmp*"))
    # The last checkpoint is written twice, and not again if the second try is killed.
    assert not [path for path in hidden if "tf_checkpoint" not in path.parts]
    found = load(study / "metrics/mean/mig/results/aggregate/evaluation.json")
    for key, value in {
        "train_config.model.name": "'vae'",
        "train_config.model.model_num": "1",
        "train_config.vae.beta": "3.0",
        "train_results.global_step": 6,
        "postprocess_config.postprocess.random_seed": "2357136044",
        "evaluation_config.evaluation.random_seed": "2546248239",
    }.items():
        assert found[key] == value, key


@pytest.mark.slow
def test_complete_study_is_skipped_or_repeated(study, world, forked):
    before, found = contents(study), scores(study / "metrics/mean/mig")
    command = (world / "dmt_reproduce", "--study=tiny", "--model_num=1")
    ran(forked(*command))
    assert contents(study) == before
    # A killed study ends where one ends that is made at once.
    ran(forked(*command, "--overwrite"))
    after = contents(study)
    assert complete(study).keys() <= {
        path for path in after if after[path] != before.get(path)
    }
    assert scores(study / "metrics/mean/mig") == found


@pytest.mark.slow
def test_results_of_a_study_are_compared(study, world, forked):
    # By default, all that dmt_reproduce writes by default.
    ran(forked("dmt_aggregate_results"))
    table = load(world / "results.json")
    assert table["path"] == {
        row: f"output/tiny/1/metrics/mean/{name}/results/aggregate/evaluation.json"
        for row, name in (("0", "mig"), ("1", "unsupervised"))
    }
    flags = ("--first=output", "--second=results.json", "--output_dir=comparison")
    text = ran(forked("dmt_compare", *flags))
    assert "discrete_mig" in text and "+0.0000" in text
    assert names(world / "comparison") == {"compare.json", "compare.html"}
    found = load(world / "comparison/compare.json")
    assert found["configurations"]["both"] == 1
    assert {row["difference"] for row in found["metrics"]} == {0.0}


@pytest.mark.parametrize(
    ("command", "flags", "lines"),
    [
        (
            "dmt_reproduce",
            ["--model_num=10850"],
            [
                "train: out/model",
                "dataset.name = 'shapes3d'",
                "model.model_num = 10850",
                "evaluate: out/postprocessed/mean -> out/metrics/mean/mig",
            ],
        ),
        (
            "dmt_reproduce_jmlr",
            [*model("vae"), *PLAN, "--random_seed=0"],
            [
                "model.random_seed = 2357136044",
                "evaluate: out/postprocessed/mean -> out/metrics/mean/mig_0",
                "-> out/metrics/aggregated_results.json",
            ],
        ),
        (
            "dmt_reproduce_semi_supervised",
            ["--model_dir=few_labels", *PLAN, VALIDATION, *SEEDS],
            [
                "visualize: few_labels/model -> out/visualizations",
                "out/validation/mean/mig_validation_5_40",
                "validation.num_labelled_samples = 40",
                "labeller.labeller_fn = @perfect_labeller",
            ],
        ),
        (
            "dmt_reproduce_weakly_supervised",
            [*model("group_vae"), *PLAN, "--pipeline_seed=0"],
            ["train: out/model", "models/group_vae.gin", "out/metrics/mean/mig_0"],
        ),
    ],
)
def test_only_print_writes_nothing(command, flags, lines, few_labels, world, forked):
    before = contents(world)
    text = ran(forked(command, "--output_directory=out", "--only_print", *flags))
    for line in lines:
        assert line in text
    assert "train:" in text or "few_labels" in text
    assert contents(world) == before and not (world / "out").exists()


@pytest.fixture(scope="module")
def original(world):
    """A model directory of disentanglement_lib."""
    from tests.helpers import original_modules as modules

    folder = world / "original"
    networks = (modules.conv_encoder, modules.deconv_decoder)
    modules.write_module(str(folder / "tfhub"), *networks)
    modules.write_results(folder)
    return folder


def test_import(original, world, forked):
    flags = ("--model_dir=original", "--output_dir=imported")
    ran(forked("dmt_import", *flags))
    imported = world / "imported"
    assert names(imported) == {"model.keras", "tfhub", "results"}
    assert has_results(imported, "train")
    config = "results/gin/train.gin"
    assert (imported / config).read_bytes() == (original / config).read_bytes()

    before = contents(world)
    lines = check_mistake(
        forked("dmt_import", *flags), "imported exists", "--overwrite"
    )
    assert "--resume" not in lines[0] and contents(world) == before
    ran(forked("dmt_import", *flags, "--overwrite"))
    assert names(imported) == {"model.keras", "tfhub", "results"}

    variables = original / "tfhub/variables/variables.data-00000-of-00001"
    content = variables.read_bytes()
    variables.write_bytes(content[: len(content) // 2])
    before = contents(world)
    process = forked("dmt_import", *flags, "--overwrite")
    check_mistake(process, "original/tfhub/variables/variables.* cannot be read")
    assert contents(world) == before


OUT = "--output_directory=begun"
TRAIN_LABELS = (OUT, *model("s2_vae"), *PLAN, *SEEDS)
MISTAKES = [
    ("dmt_reproduce", ["--study=unsupervised"], ["--study", "unsupervised_study_v1"]),
    ("dmt_reproduce", ["--model_num=12600"], ["models 0 to 12599", "model_num=12600"]),
    ("dmt_reproduce", ["--model_num=-1"], ["models 0 to 12599", "model_num=-1"]),
    ("dmt_reproduce", ["--model_num=one"], ["--model_num=one"]),
    ("dmt_reproduce_jmlr", [], ["--output_directory is missing"]),
    ("dmt_reproduce_jmlr", [OUT], ["--random_seed is missing"]),
    (
        "dmt_reproduce_jmlr",
        [OUT, "--random_seed=0"],
        ["--gin_model_config_name is missing"],
    ),
    (
        "dmt_reproduce_jmlr",
        [OUT, "--random_seed=0", *model("vae")],
        ["--gin_postprocess_config_glob is missing"],
    ),
    (
        "dmt_reproduce_jmlr",
        [OUT, "--random_seed=0", *model("vae"), *PLAN, "--scores_list=mig"],
        ["--scores_list", "--evaluation_num_samples_train"],
    ),
    (
        "dmt_reproduce_jmlr",
        [OUT, "--random_seed=0", *model("no"), *PLAN],
        ["no gin file models/no.gin"],
    ),
    ("dmt_reproduce_semi_supervised", [], ["--output_directory is missing"]),
    ("dmt_reproduce_semi_supervised", [OUT, *LABELS], ["--pipeline_seed is missing"]),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS, *LABELS[:-1]],
        ["--labeller_fn is missing"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS[:-1], *LABELS],
        ["--eval_seed is missing"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS, *LABELS, "--gin_validation_config_glob=no/*.gin"],
        ["--gin_validation_config_glob=no/*.gin matches no file"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS, *LABELS, "--model_dir=few_labels"],
        ["--model_dir", "leave out --supervised_seed, --num_labelled_samples"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [OUT, *PLAN, *SEEDS, "--model_dir=empty"],
        ["no empty/model/results/gin/train.gin"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [OUT, *PLAN, *SEEDS, "--model_dir=pairs"],
        ["pairs/model/results/gin/train.gin binds no"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS, *LABELS, "--labeller_fn=@perfect"],
        ["labeller.labeller_fn = @perfect", "misspelt"],
    ),
    ("dmt_reproduce_weakly_supervised", [], ["--output_directory is missing"]),
    ("dmt_reproduce_weakly_supervised", [OUT], ["--pipeline_seed is missing"]),
    (
        "dmt_reproduce_weakly_supervised",
        [OUT, "--pipeline_seed=0", *model("group_vae"), PLAN[0]],
        ["--gin_evaluation_config_glob is missing"],
    ),
    (
        "dmt_reproduce_weakly_supervised",
        [OUT, "--pipeline_seed=0", *PLAN, "--model_dir=empty"],
        ["no empty/model/results/gin/train.gin"],
    ),
    (
        "dmt_reproduce_weakly_supervised",
        ["--output_directory=few_labels", SEEDS[0], *model("group_vae"), *PLAN],
        ["few_labels/model was made with another configuration", "--overwrite"],
    ),
    (
        "dmt_train_semi_supervised",
        ["--model_dir=out", "--gin_config=models/without_seed.gin"],
        ["missing", "model.supervised_data_seed"],
    ),
    (
        "dmt_train_semi_supervised",
        ["--model_dir=out", "--gin_config=models/without_labeller.gin"],
        ["missing: labeller.labeller_fn"],
    ),
    (
        "dmt_train_semi_supervised",
        [
            "--model_dir=out",
            "--gin_config=models/s2_vae.gin",
            "--gin_bindings=model.model=@s2_vae()",
        ],
        ["s2_vae"],
    ),
    (
        "dmt_train_weakly_supervised",
        ["--model_dir=out", "--gin_config=models/without_dynamics.gin"],
        ["missing: dynamics.k"],
    ),
    (
        "dmt_train",
        ["--model_dir=few_labels/model", "--gin_config=models/s2_vae.gin"],
        ["few_labels/model exists", "--overwrite", "--resume"],
    ),
    (
        "dmt_visualize_model",
        ["--model_dir=pairs/model", "--output_dir=pairs/visualizations"],
        ["pairs/visualizations exists. Give --overwrite to replace it, or another"],
    ),
    ("dmt_validate", ["--input_dir=empty"], ["--output_dir is missing"]),
    (
        "dmt_validate",
        [
            "--input_dir=few_labels/postprocessed/mean",
            "--output_dir=out",
            "--gin_config=validation/mig.gin",
            *bound(validation__random_seed=5, validation__num_labelled_samples=40),
        ],
        ["missing: labeller.labeller_fn"],
    ),
    (
        "dmt_validate",
        [
            "--input_dir=few_labels/postprocessed/mean",
            "--output_dir=out",
            "--gin_evaluation_config_glob=no/*.gin",
        ],
        ["--gin_evaluation_config_glob=no/*.gin matches no file"],
    ),
    (
        "dmt_validate",
        [
            "--input_dir=empty",
            "--output_dir=out",
            "--gin_config=validation/mig.gin",
            *bound(validation__random_seed=5, validation__num_labelled_samples=40),
        ],
        ["no empty/results/gin/postprocess.gin"],
    ),
    ("dmt_aggregate_results", ["--result_file_pattern=no/*"], ["no/* matches no file"]),
    (
        "dmt_aggregate_results",
        ["--result_file_pattern=broken/half.json", "--output_path=out/table.json"],
        ["broken/half.json is not JSON"],
    ),
    (
        "dmt_aggregate_results",
        ["--result_file_pattern=broken/list.json", "--output_path=out/table.json"],
        ["broken/list.json is no JSON object"],
    ),
    ("dmt_compare", ["--first=few_labels"], ["--second is missing"]),
    *(
        (
            "dmt_compare",
            ["--first=few_labels", f"--second={path}", "--output_dir=out"],
            words,
        )
        for path, words in (
            ("no", ["There is no no."]),
            ("empty", ["empty holds no scores"]),
            ("broken/half.json", ["broken/half.json is not JSON"]),
            ("broken/list.json", ["broken/list.json is no JSON object"]),
            ("broken/bytes.json", ["broken/bytes.json is not JSON"]),
            ("broken/run", ["aggregate/evaluation.json is no JSON object"]),
            ("pairs", ["No configuration is in both sets", "--ignore="]),
        )
    ),
    ("dmt_import", ["--output_dir=out"], ["--model_dir is missing"]),
    (
        "dmt_import",
        ["--model_dir=no", "--output_dir=out"],
        ["There is no no/tfhub/tfhub_module.pb", "disentanglement_lib"],
    ),
    (
        "dmt_import",
        ["--model_dir=few_labels/model", "--output_dir=out"],
        ["There is no few_labels/model/tfhub/tfhub_module.pb"],
    ),
]


@pytest.fixture(scope="module")
def faults(world, few_labels, pairs):
    """Files that are not what they should be, along with good ones."""
    for name, lines, missing in (
        ("without_seed", "models/s2_vae", "model.supervised_data_seed"),
        ("without_labeller", "models/s2_vae", "labeller.labeller_fn"),
        ("without_dynamics", "models/group_vae", "dynamics.k"),
    ):
        lines = bindings({k: v for k, v in GIN_FILES[lines].items() if k != missing})
        (world / "models" / f"{name}.gin").write_text("\n".join(lines))
    for name, content in (
        ("half.json", b'{"evaluation_results.mig": {"0"'),
        ("list.json", b"[1]"),
        ("bytes.json", b"\xff\xfe\x00"),
        ("run/results/aggregate/evaluation.json", b"[1]"),
    ):
        path = world / "broken" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return world


@pytest.mark.parametrize(("command", "flags", "words"), MISTAKES)
def test_mistakes(command, flags, words, faults, forked):
    before = contents(faults)
    lines = check_mistake(forked(command, *flags), f"{command}: ", *words)
    assert len(lines) == 1, lines
    assert contents(faults) == before
    assert not (faults / "out").exists()

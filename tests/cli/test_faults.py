"""All commands: outputs that are in use, full disks, any name of a path."""

import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest

from dmt.utils import locks
from tests.helpers import processes
from tests.helpers.commands import AUTO, GIN_FILES, model, names
from tests.helpers.killed import KILL
from tests.helpers.runs import BIN, ROOT, TINY, bindings, check_mistake, printed, state

UDR = {
    **AUTO,
    "evaluation.evaluation_fn": "@udr_sklearn",
    "evaluation.random_seed": "0",
    "udr_sklearn.num_data_points": "50",
    "udr_sklearn.batch_size": "10",
    "udr_sklearn.correlation_matrix": "'spearman'",
    "udr_sklearn.filter_low_kl": "True",
    "udr_sklearn.include_raw_correlations": "False",
    "udr_sklearn.kl_filter_threshold": "0.0",
}
VALIDATION = {
    **GIN_FILES["validation/mig"],
    "validation.random_seed": "0",
    "validation.num_labelled_samples": "40",
    "labeller.labeller_fn": "@perfect_labeller",
}
PBT = {
    **TINY,
    "pbt.population_size": "1",
    "pbt.num_rounds": "1",
    "pbt.images_per_round": "8",
    "pbt.hyperparameters": "{'vae.beta': [1.0]}",
    "pbt.score_fn": "@pbt_mig",
    "pbt.seed": "0",
}
RESULT = "few_labels/metrics/mean/mig_5/results/aggregate/evaluation.json"


@dataclasses.dataclass(frozen=True)
class Case:
    """A command whose output is the value of a flag.

    Attributes:
        command: name of the script and its flags, less that of the output.
        output: the flag of the output.
        place: what is written and locked, relative to the value of the flag.
        overwrite: whether it replaces output with --overwrite only.
        lines: lines of gin.
        is_quick: whether a test can afford to let it end.
        suffix: the extension that the output must have.
    """

    command: tuple
    output: str
    place: str = ""
    overwrite: bool = True
    lines: dict = dataclasses.field(default_factory=dict)
    is_quick: bool = True
    suffix: str = ""

    def call(self, run, path, *more, code=""):
        name, *flags = self.command
        flags += [f"--gin_bindings={line}" for line in bindings(self.lines)]
        return run(name, *flags, f"{self.output}={path}", *more, code=code)


MODEL, MEAN = "few_labels/model", "few_labels/postprocessed/mean"
CASES = {
    "train": Case(("dmt_train",), "--model_dir", lines=TINY),
    "postprocess": Case(
        ("dmt_postprocess", f"--model_dir={MODEL}"),
        "--output_dir",
        lines=GIN_FILES["postprocess/mean"],
    ),
    "evaluate": Case(
        ("dmt_evaluate", f"--input_dir={MEAN}"),
        "--output_dir",
        lines=GIN_FILES["metrics/mig"],
    ),
    "validate": Case(
        ("dmt_validate", f"--input_dir={MEAN}"), "--output_dir", lines=VALIDATION
    ),
    "udr": Case(
        ("dmt_udr", f"--model_dirs={MODEL},pairs/model"), "--output_dir", lines=UDR
    ),
    "visualize_model": Case(
        ("dmt_visualize_model", f"--model_dir={MODEL}"), "--output_dir", is_quick=False
    ),
    "visualize_dataset": Case(
        ("dmt_visualize_dataset", "--name=dsprites_rendered_small"),
        "--path",
        "dsprites_rendered_small",
        overwrite=False,
    ),
    "report": Case(
        ("dmt_report", "--run_dir=few_labels"), "--output_path", overwrite=False
    ),
    "compare": Case(
        ("dmt_compare", "--first=few_labels", "--second=few_labels"),
        "--output_dir",
        "compare.json",
        overwrite=False,
    ),
    "select": Case(
        ("dmt_select", "--study_dir=few_labels", "--criteria=elbo"),
        "--output_dir",
        "selection.json",
    ),
    "aggregate_results": Case(
        ("dmt_aggregate_results", f"--result_file_pattern={RESULT}"),
        "--output_path",
        overwrite=False,
    ),
    "score": Case(
        ("dmt_score", "--codes=codes.npy", "--factors=factors.npy", "--metrics=mig"),
        "--output_path",
    ),
    "encode": Case(
        ("dmt_encode", f"--input_dir={MEAN}"), "--output_path", suffix=".csv"
    ),
    "data_show": Case(
        ("dmt_data", "show", "dsprites_rendered_small"), "--output_path", suffix=".png"
    ),
    "reproduce": Case(
        (
            "dmt_reproduce_weakly_supervised",
            *model("group_vae"),
            "--pipeline_seed=0",
            "--gin_postprocess_config_glob=postprocess/*.gin",
            "--gin_evaluation_config_glob=metrics/mig.gin",
        ),
        "--output_directory",
        overwrite=False,
        is_quick=False,
    ),
    "pbt": Case(
        ("dmt_pbt", "--workers=1"),
        "--output_dir",
        overwrite=False,
        lines=PBT,
        is_quick=False,
    ),
    "study": Case(
        ("dmt_study", "--study=unsupervised_study_v1", "--model_nums=0"),
        "--output_dir",
        overwrite=False,
        is_quick=False,
    ),
}
each_case = pytest.mark.parametrize("name", CASES)
# Nothing that is quick, or leaves what can be continued, is left out.
each_quick_case = pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.is_quick]
)


@pytest.fixture(scope="module")
def inputs(world, few_labels, pairs):
    """Files that commands read."""
    generator = np.random.RandomState(0)
    np.save(world / "codes.npy", generator.rand(200, 3))
    np.save(world / "factors.npy", generator.randint(3, size=(200, 2)))
    return world


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run):
    model_dir = tmp_path_factory.mktemp("trained") / "model"
    printed(CASES["train"].call(run, model_dir))
    return model_dir


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@each_case
def test_an_output_has_one_writer(name, inputs, run, tmp_path):
    case = CASES[name]
    path = tmp_path / "out"
    impatient = "from dmt.utils import locks; locks._PATIENCE = 0"
    with locks.only_in(path / case.place):
        before = contents(tmp_path)
        process = case.call(run, path, code=impatient)
        lines = check_mistake(
            process,
            f"{case.command[0]}: Another process writes",
            f"process {os.getpid()} on {socket.gethostname()} since ",
            str(path),
        )
        assert len(lines) == 1
        assert contents(tmp_path) == before
    assert contents(tmp_path) == {}


@each_quick_case
def test_a_full_disk_is_one_line_and_old_content_stays(name, inputs, run, tmp_path):
    case = CASES[name]
    path = tmp_path / f"out{case.suffix}"
    old = path / case.place if case.place.startswith("dsprites") else path
    if case.output == "--output_path":
        path.write_text("old")
    elif case.place.endswith(".json"):
        path.mkdir()
        (path / case.place).write_text("old")
    elif name != "train":  # A new training is begun only when the old one is gone.
        old.mkdir(parents=True)
        (old / "file").write_text("old")
    before = contents(tmp_path)
    # What is printed goes to a file too, so it is limited too.
    size = 200 if name in ("select", "score") else 1000
    limit = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({size}, {size}))"
    flags = ["--overwrite"] if case.overwrite else []
    process = case.call(run, path, *flags, code=limit)
    lines = check_mistake(process, f"{case.command[0]}: ", "File too large", str(path))
    assert len([line for line in lines if line.startswith("dmt_")]) == 1
    assert ".tmp." not in lines[-1] and "Op:" not in lines[-1]
    assert "AutoGraph" not in process.stderr
    assert contents(tmp_path) == ({} if name == "train" else before)
    assert not list(tmp_path.rglob(".*"))


@each_quick_case
def test_paths_may_have_any_name(name, inputs, run, tmp_path):
    case = CASES[name]
    folder = tmp_path / os.fsdecode(b"a{0}%s $x <b>&'\"\n[c]\xff")
    (folder / "there").mkdir(parents=True)
    printed(case.call(run, folder / "there" / ".." / f"out{case.suffix}"))
    assert names(folder) == {"there", f"out{case.suffix}"}
    # Results can be read from there.
    if name in ("train", "postprocess"):
        shutil.move(folder / "out", folder / "model")
        following = {"train": "postprocess", "postprocess": "evaluate"}[name]
        after = CASES[following]
        flag = after.command[1].partition("=")[0]
        case = dataclasses.replace(
            after, command=(after.command[0], f"{flag}={folder / 'model'}")
        )
        printed(case.call(run, folder / "after"))
        printed(case.call(run, folder / "after", "--resume"))


def test_output_that_nobody_reads_is_one_line():
    def call(command, **streams):
        process = subprocess.run(
            [sys.executable, BIN / command[0], *command[1:]],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            **streams,
        )
        return process.returncode, process.stderr

    read, write = os.pipe()
    os.close(read)
    with open("/dev/full", "w") as full, os.fdopen(write, "w") as pipe:
        for command in (["dmt_data", "list"], ["dmt_train", "--help"]):
            for stream, reason in ((full, "No space left"), (pipe, "Broken pipe")):
                status, errors = call(command, stdout=stream)
                assert status == 2 and errors.count("\n") == 1, errors
                assert f"{command[0]}: " in errors and reason in errors
    closed = {"preexec_fn": lambda: (os.close(0), os.close(1))}
    assert call(["dmt_data", "list"], **closed) == (0, "")


def test_training_in_use_is_not_overwritten(tmp_path, forks):
    model_dir = tmp_path / "model"
    lines = bindings(TINY, model__training_steps="100000", model__log_steps="50")
    first = processes.start("dmt_train", f"--model_dir={model_dir}", lines=lines)
    processes.wait_until((model_dir / "history.csv").exists, first)
    try:
        second = forks(
            "dmt_train",
            f"--model_dir={model_dir}",
            "--overwrite",
            *(f"--gin_bindings={line}" for line in bindings(TINY)),
        )
        check_mistake(
            second,
            f"Another process writes {model_dir}: process {first.pid} on ",
            f"dmt_train --model_dir={model_dir} ",
        )
        assert (model_dir / "history.csv").exists() and first.poll() is None
    finally:
        first.kill()
        first.communicate()


def test_killed_overwriting_leaves_no_complete_run(trained, tmp_path, run):
    model_dir = tmp_path / "model"
    shutil.copytree(trained, model_dir)
    in_deletion = dedent(f"""
        import shutil
        remove = shutil.rmtree
        def remove_half(path, *arguments, **options):
            if ".gone." in str(path):
                remove(f"{{path}}/tf_checkpoint")
                {KILL}
            remove(path, *arguments, **options)
        shutil.rmtree = remove_half
    """)
    process = CASES["train"].call(run, model_dir, "--overwrite", code=in_deletion)
    assert process.returncode == -signal.SIGKILL
    assert not model_dir.exists() and list(tmp_path.glob(".gone.*"))
    printed(CASES["train"].call(run, model_dir, "--resume"))
    assert state(model_dir) == state(trained)
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("part", ["model.keras", "results/json/train_results.json"])
@pytest.mark.parametrize("is_damaged", [False, True])
def test_runs_whose_parts_are_gone_are_not_complete(
    part, is_damaged, trained, run, tmp_path
):
    model_dir = tmp_path / "model"
    shutil.copytree(trained, model_dir)
    if is_damaged:
        os.truncate(model_dir / part, 100)
    else:
        os.remove(model_dir / part)
    process = CASES["train"].call(run, model_dir, "--resume")
    printed(process)
    assert "is not complete" in process.stderr and part in process.stderr
    assert state(model_dir) == state(trained)
    assert (model_dir / part).stat().st_size > 100
    assert "nothing to do" in CASES["train"].call(run, model_dir, "--resume").stderr


def test_representations_whose_parts_are_gone_are_made_again(inputs, run):
    output_dir = pathlib.Path(inputs / "mean_again")
    case = CASES["postprocess"]
    printed(case.call(run, output_dir))
    os.remove(output_dir / "representation.keras")
    process = case.call(run, output_dir, "--resume")
    printed(process)
    assert "is not complete" in process.stderr
    assert (output_dir / "representation.keras").exists()
    # What other steps wrote is never taken for an unfinished step.
    for other in (MODEL, MEAN):
        check_mistake(CASES["udr"].call(run, inputs / other, "--resume"), "output dir")
    check_mistake(
        case.call(run, inputs / "few_labels/metrics/mean/mig_5", "--resume"), "exists"
    )

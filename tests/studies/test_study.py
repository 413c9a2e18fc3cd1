"""Studies shared by several processes, some of which are killed.

Number of runs: DMT_TEST_RUNS, 6 by default.
"""

import json
import os
import pathlib
import signal
import time

import pytest

from dmt.studies import registry
from dmt.studies import study as engine
from tests.helpers import all_codes, processes
from tests.helpers.runs import ROOT
from tests.helpers.runs import results as results_of

NUM_RUNS = int(os.environ.get("DMT_TEST_RUNS", 6))
METRIC = """
evaluation.evaluation_fn = @mig
evaluation.random_seed = 0
dataset.name = "auto"
mig.num_train = 500
discretizer.discretizer_fn = @histogram_discretizer
discretizer.num_bins = 20
"""
LINES = [
    'dataset.name = "dsprites_rendered_small"',
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "model.training_steps = 6",
    "model.log_steps = 2",
    "model.eval_steps = 2",
    "model.batch_size = 8",
]


def start(root, name, *flags, lines=LINES):
    """Begins the study in <root>/<name>."""
    metrics = root / "metrics"
    metrics.mkdir(exist_ok=True)
    (metrics / "mig.gin").write_text(METRIC)
    return processes.start(
        "dmt_study",
        "--study=unsupervised_study_v1",
        f"--model_nums=0-{NUM_RUNS - 1}",
        f"--output_dir={root / name}",
        f"--gin_evaluation_config_glob={metrics}/*.gin",
        f"--gin_postprocess_config_glob={ROOT}/gin_configs/postprocess/mean.gin",
        "--novisualize",
        "--population=1",
        *flags,
        lines=lines,
        data=root / "data" / name,
    )


def make(root, name, lines=LINES):
    """Makes the study in <root>/<name> by this process."""
    opened = registry.open_study(
        "unsupervised_study_v1",
        lines,
        model_nums=f"0-{NUM_RUNS - 1}",
        gin_evaluation_config_glob=f"{root / 'metrics'}/*.gin",
        gin_postprocess_config_glob=f"{ROOT}/gin_configs/postprocess/mean.gin",
        visualize=False,
    )
    return engine.run(opened, str(root / name), 1, 1, "files")


def wait_for_run(directory, process):
    def has_run():
        return any(directory.glob("*/metrics/mean/mig/results"))

    processes.wait_until(has_run, process)


def results(directory):
    """What every run measured, without what differs each time."""
    found = {}
    for number in range(NUM_RUNS):
        path = directory / f"{number}/metrics/mean/mig/results/aggregate"
        values = json.loads((path / "evaluation.json").read_text())
        found[number] = {
            name: value
            for name, value in values.items()
            if not name.endswith(("uuid", "elapsed_time", "machine"))
        }
    return found


def check(directory, alone, before, num_killed):
    """All runs are complete and as those of one worker; none was made twice."""
    after = processes.complete(directory)
    assert {path: after[path] for path in before} == before
    assert len(after) == NUM_RUNS * (1 + 2 + 3)
    assert results(directory) == results(alone)
    logs = [path.read_text() for path in directory.glob("*/train.log")]
    # Only what a killed process worked on was begun again.
    assert sum(log.count("Epoch 1/3") for log in logs) <= NUM_RUNS + num_killed
    assert not list(directory.rglob("moments_*"))


def test_killed_run_keeps_its_codes(tmp_path, monkeypatch):
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    (metrics / "a_mig.gin").write_text(METRIC)
    (metrics / "b_all.gin").write_text(all_codes.GIN)

    def begin(name):
        return processes.start(
            "dmt_study",
            "--study=unsupervised_study_v1",
            "--model_nums=0",
            f"--output_dir={tmp_path / name}",
            f"--gin_evaluation_config_glob={metrics}/*.gin",
            f"--gin_postprocess_config_glob={ROOT}/gin_configs/postprocess/mean.gin",
            "--novisualize",
            "--workers=1",
            lines=LINES,
            data=tmp_path / "data",
        )

    processes.finish(begin("alone"))
    with monkeypatch.context() as context:
        context.setenv("DMT_TEST_KILL", "1")
        processes.finish(begin("killed"), returncode=2)
    run = tmp_path / "killed/0"
    before = processes.complete(run)
    assert len(before) == 1 + 2 + 3 and list(run.glob("moments_*"))
    _, errors = processes.finish(begin("killed"))
    assert "4608 images were encoded before" in errors
    after = processes.complete(run)
    assert {path: after[path] for path in before} == before
    assert not list(run.rglob("moments_*"))
    for name in ("a_mig", "b_all"):
        folders = (
            tmp_path / study / "0/metrics/mean" / name for study in ("alone", "killed")
        )
        first, second = (results_of(folder, "evaluation") for folder in folders)
        assert first == second


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def alone(root):
    """A study that one worker made."""
    output, errors = processes.finish(start(root, "alone", "--workers=1"))
    assert f"{NUM_RUNS} of {NUM_RUNS}: " in errors
    assert f"All results are in {root / 'alone' / 'results.json'}" in output
    return root / "alone"


def workers_of(pid):
    """The processes of a study that train."""
    return [
        child
        for child in processes.children(pid)
        if "spawn_main" in pathlib.Path(f"/proc/{child}/cmdline").read_text()
    ]


@pytest.fixture(scope="module")
def shared(root, alone):
    """A study of three workers, two of which are killed; what was complete by then."""
    directory = root / "shared"
    flags = ("--engine=files", "--workers=1")
    killed, crashed, last = (start(root, "shared", *flags) for _ in range(3))
    moments = processes.moments()
    processes.wait_until(lambda: workers_of(crashed.pid), crashed)
    wait_for_run(directory, killed)
    # Soon enough that runs are left to do, also on a fast machine.
    time.sleep(moments.uniform(0, 0.5))
    # As the system does where memory runs out; the process itself ends with an error.
    for worker in workers_of(crashed.pid):
        os.kill(worker, signal.SIGKILL)
    time.sleep(moments.uniform(0, 1))
    killed.kill()
    before = processes.complete(directory)
    printed = start(root, "shared", *flags, "--only_print")
    killed.communicate()
    _, errors = processes.finish(crashed, returncode=2)
    processes.finish(last)
    return directory, before, processes.finish(printed)[0], errors


def test_workers_that_share_a_directory_make_each_run_once(shared, alone):
    directory, before, _, _ = shared
    check(directory, alone, before, 2)
    assert (directory / "results.json").exists()


def test_progress_is_printed(shared):
    _, _, printed, _ = shared
    assert printed.startswith(f"{NUM_RUNS} runs: ")
    assert "in work" in printed and "to do." in printed


def test_killed_worker_is_one_line(shared):
    assert "A process was killed" in shared[3].splitlines()[-1]


def test_complete_study_is_not_repeated(shared, root):
    directory = shared[0]
    before = processes.complete(directory)
    assert make(root, "shared") == str(directory / "results.json")
    assert processes.complete(directory) == before


def test_study_with_another_configuration_is_refused(shared, root):
    with pytest.raises(ValueError, match="another configuration.*vae.beta = 3."):
        make(root, "shared", [*LINES, "vae.beta = 3."])


def test_study_on_ray_survives_killed_workers(root, alone):
    pytest.importorskip("ray")
    directory = root / "ray"
    process = start(root, "ray", "--engine=ray", "--workers=3")
    moments = processes.moments()
    wait_for_run(directory, process)
    for _ in range(2):
        time.sleep(moments.uniform(0, 1))
        os.kill(moments.choice(ray_workers(root / "data" / "ray")), signal.SIGKILL)
    before = processes.complete(directory)
    processes.finish(process)
    check(directory, alone, before, 2)


def ray_workers(data):
    """Processes of Ray that work on a study, which is known by its folder of data."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_text()
            environment = (path / "environ").read_text()
        except OSError:
            continue
        if command.startswith("ray::_on_ray") and f"DMT_DATA={data}" in environment:
            found.append(int(path.name))
    return found


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--study=nothing"], "--study must be one of evidence, multitask, "),
        (["--model_nums=12600"], "from 0 to 12599"),
        (["--model_nums=3-1"], "Received: 3-1"),
        (["--model_nums=a"], "Received: a"),
        (["--model_nums=5-"], "Received: 5-"),
        (["--dataset=shapes3d"], "--dataset is not an option of"),
        (["--study=multitask"], "--model_nums is not an option of --study=multitask"),
        (["--gin_evaluation_config_glob=nothing*"], "matches no file"),
        (["--gin_bindings=vae.betta = 1."], "vae.betta"),
        (["--engine=slurm"], "slurm"),
    ],
)
def test_mistakes_are_one_line(flags, message, tmp_path):
    process = start(tmp_path, "out", *flags)
    _, errors = processes.finish(process, returncode=2)
    # TensorFlow may have said something before.
    assert message in errors.splitlines()[-1] and "Traceback" not in errors
    assert not (tmp_path / "out").exists()

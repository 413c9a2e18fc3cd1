"""Scripts that measure speed, where there is no accelerator and no TensorFlow."""

import importlib
import json
import os
import signal
import subprocess
import sys

import pytest

from tests.helpers.runs import ROOT

BENCHMARKS = ROOT / "tests" / "benchmarks"
SCRIPT = BENCHMARKS / "accelerator.py"


@pytest.fixture
def environment(tmp_path):
    """Environment in which TensorFlow cannot be imported."""
    package = tmp_path / "without" / "tensorflow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no TensorFlow')")
    path = os.pathsep.join([str(package.parent), str(ROOT)])
    # Compiling would take most of the time.
    flags = "--xla_backend_optimization_level=0"
    return {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": path,
        "XLA_FLAGS": flags,
    }


def start(environment, *arguments):
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def accelerator(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    yield importlib.import_module("accelerator")
    for name in ("accelerator", "accelerator_loops", "accelerator_sections"):
        del sys.modules[name]


@pytest.mark.slow
def test_all_sections_of_the_accelerator_are_measured(
    environment, accelerator, tmp_path
):
    output = tmp_path / "figures.json"
    process = start(environment, "--quick", "--minutes=30", "--output", output)
    assert process.returncode == 0, process.stdout + process.stderr
    report = json.loads(output.read_text())
    assert list(report["sections"]) == list(accelerator.SECTIONS)
    for name, section in report["sections"].items():
        assert not section["error"] and not section["left_out"], name
        for row, figures in section["rows"].items():
            assert figures["figure"] > 0, row
            # What is timed neither compiles nor copies the state.
            assert not figures.get("compiled"), row
            assert figures.get("donated", True), row
            assert row in process.stdout


@pytest.mark.slow
def test_training_on_evidence_is_measured(environment):
    command = [sys.executable, BENCHMARKS / "evidence.py", "--quick"]
    process = subprocess.run(
        [*command, "--networks=leaky_rnn"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    report = json.loads(process.stdout.splitlines()[-1])
    figures = report["networks"]["leaky_rnn"]
    for row in ("ours, five", "ours, one"):
        assert len(figures["rows"][row]["rounds"]) == 2
    assert figures["ratios"]["five / one"]["median"] > 0


def test_needs_an_accelerator(environment, tmp_path):
    output = tmp_path / "figures.json"
    environment["JAX_PLATFORMS"] = "cpu"
    process = start(environment, "--output", output)
    assert process.returncode == 2
    assert process.stdout.splitlines() == [
        "JAX found no accelerator; --quick runs tiny models on a CPU."
    ]
    assert not output.exists()


def fails(quick):
    raise ValueError("for a reason")


def dies(quick):
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(quick):
    return {"quick": lambda: {"figure": 1.0, "unit": "s"}, "hung": signal.pause}


def has_a_bad_row(quick):
    return {"bad": lambda: 1 / 0, "good": lambda: {"figure": 1.0, "unit": "s"}}


@pytest.mark.slow
def test_a_failure_loses_nothing_else(accelerator, tmp_path, capsys):
    output = tmp_path / "figures.json"
    # The first one has 20 seconds of the five minutes.
    shares = {hangs: 1, fails: 5, dies: 5, has_a_bad_row: 4}
    section = importlib.import_module("accelerator_sections").Section
    sections = {rows.__name__: section(rows, shares[rows]) for rows in shares}
    accelerator.run(sections, minutes=5, output=output, quick=True)
    report = json.loads(output.read_text())
    found = report["sections"]
    assert found["fails"]["error"] == "ValueError: for a reason"
    assert found["dies"]["error"] == "its process ended with status -9"
    assert found["has_a_bad_row"]["rows"]["bad"]["error"].startswith(
        "ZeroDivisionError"
    )
    assert found["has_a_bad_row"]["rows"]["good"]["figure"] == 1
    assert found["hangs"]["rows"]["quick"]["figure"] == 1
    assert found["hangs"]["left_out"] == ["hung"]
    assert accelerator.has_failed(report)
    assert "hangs         left out: hung" in capsys.readouterr().out

"""Runs killed by SIGKILL, then resumed, end where uninterrupted ones end."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.conftest import TINY, bindings
from tests.methods.test_train import history, results, state

MEAN = {
    "dataset.name": "'auto'",
    "postprocess.postprocess_fn": "@mean_representation",
    "postprocess.random_seed": "0",
}
DCI = {
    "dataset.name": "'auto'",
    "evaluation.evaluation_fn": "@dci",
    "evaluation.random_seed": "0",
    "dci.num_train": "60",
    "dci.num_test": "30",
}

# What each process does to itself, and when.
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
IN_A_STEP = f"""
    import numpy as np
    from dmt.data import pipeline
    load = pipeline.load_batch
    def load_or_die(dataset, seed, step, batch_size):
        if step == 5:
            import time; time.sleep(1)  # Until the last complete line is written.
            {KILL}
        return load(dataset, seed, step, batch_size)
    pipeline.load_batch = load_or_die
"""
WHILE_SAVING = f"""
    import numpy as np
    savez = np.savez
    def save_half(content, **arrays):
        savez(content, **arrays)
        counters = [v for v in arrays.values() if v.shape == () and v.dtype == "int32"]
        if 4 in counters:
            from dmt.utils import files
            import contextlib
            replacing = files.replacing
            @contextlib.contextmanager
            def replacing_never(path):
                with replacing(path) as temporary:
                    yield temporary
                    with open(temporary, "r+b") as file:
                        file.truncate(1000)
                    {KILL}
            files.replacing = replacing_never
    np.savez = save_half
"""
WHILE_EXPORTING = f"""
    from dmt.methods import gaussian_encoder_model
    def die(*args):
        {KILL}
    gaussian_encoder_model.export_saved_model = die
"""
BEFORE_RESULTS = f"""
    from dmt.utils import results
    save = results.save_dict
    def die(values, path):
        save(values, path)
        {KILL}
    results.save_dict = die
"""


def run(command, flags, gin_lines, trouble=""):
    program = f"import sys; sys.argv[0] = 'dmt_{command}'\n"
    program += textwrap.dedent(trouble)
    program += f"\nfrom dmt import cli\ncli.{command}()\n"
    arguments = [*flags, *(f"--gin_bindings={line}" for line in gin_lines)]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


def check(process, returncode=0):
    assert process.returncode == returncode, process.stderr[-2000:]


@pytest.fixture(scope="module", params=["vae", "factor_vae"])
def uninterrupted(request, tmp_path_factory):
    lines = bindings(TINY, model__model=f"@{request.param}()", factor_vae__gamma="2.0")
    model_dir = tmp_path_factory.mktemp("uninterrupted") / "model"
    check(run("train", [f"--model_dir={model_dir}"], lines))
    return lines, model_dir


@pytest.mark.parametrize(
    "trouble", [IN_A_STEP, WHILE_SAVING, WHILE_EXPORTING, BEFORE_RESULTS]
)
def test_killed_training_resumes_bit_by_bit(uninterrupted, trouble, tmp_path):
    lines, expected = uninterrupted
    model_dir = tmp_path / "model"
    flags = [f"--model_dir={model_dir}", "--resume"]
    check(run("train", flags, lines, trouble), -signal.SIGKILL)
    assert model_dir.exists() and not (model_dir / "results").exists()
    check(run("train", flags, lines))
    assert state(model_dir) == state(expected)
    assert results(model_dir) == results(expected)
    for row, expected_row in zip(history(model_dir), history(expected), strict=True):
        for key in ("step", "loss", "kl_loss"):
            assert row[key] == expected_row[key]


def test_killed_steps_leave_nothing_and_finish_when_resumed(uninterrupted, tmp_path):
    _, model_dir = uninterrupted
    post_dir, eval_dir = tmp_path / "mean", tmp_path / "dci"
    steps = (
        ("postprocess", f"--model_dir={model_dir}", post_dir, MEAN),
        ("evaluate", f"--input_dir={post_dir}", eval_dir, DCI),
    )
    for command, source, output_dir, gin_lines in steps:
        flags = [source, f"--output_dir={output_dir}", "--resume"]
        lines = bindings(gin_lines)
        check(run(command, flags, lines, BEFORE_RESULTS), -signal.SIGKILL)
        assert not output_dir.exists()
        check(run(command, flags, lines))
        assert output_dir.exists()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".tmp")]
    again = tmp_path / "again"
    flags = [f"--input_dir={post_dir}", f"--output_dir={again}"]
    check(run("evaluate", flags, bindings(DCI)))
    found = []
    for directory in (eval_dir, again):
        path = directory / "results/json/evaluation_results.json"
        found.append(json.loads(path.read_text()))
        for key in ("uuid", "elapsed_time"):
            del found[-1][key]
    assert found[0] == found[1]

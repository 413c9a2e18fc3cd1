"""Runs killed by SIGKILL, then resumed, end where uninterrupted ones end."""

import json
import os
import signal

import pytest

from tests.helpers.killed import IN_A_STEP, KILL, check, run
from tests.helpers.runs import TINY, bindings, history, results, state

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

"""Runs killed by SIGKILL, then resumed, end where uninterrupted ones end."""

import os
import signal
from textwrap import dedent

import pytest

from tests.helpers.killed import IN_A_STEP, KILL
from tests.helpers.runs import TINY, bindings, call, history, printed, results, state

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

WHILE_SAVING = dedent(f"""
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
""")
WHILE_EXPORTING = dedent(f"""
    from dmt.methods import gaussian_encoder_model
    def die(*args):
        {KILL}
    gaussian_encoder_model.export_saved_model = die
""")
BEFORE_RESULTS = dedent(f"""
    from dmt.utils import results
    save = results.save_dict
    def die(values, path):
        save(values, path)
        {KILL}
    results.save_dict = die
""")


@pytest.fixture(scope="module")
def step(forks):
    """Runs a step with lines of gin, and code that the process executes first."""

    def run(command, flags, lines=(), code=""):
        gin_flags = (f"--gin_bindings={line}" for line in lines)
        return forks(command, *flags, *gin_flags, code=code)

    return run


def killed(process):
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module", params=["vae", "factor_vae"])
def uninterrupted(request, tmp_path_factory, step):
    lines = bindings(TINY, model__model=f"@{request.param}()", factor_vae__gamma="2.0")
    model_dir = tmp_path_factory.mktemp("uninterrupted") / "model"
    printed(step("dmt_train", [f"--model_dir={model_dir}"], lines))
    return lines, model_dir


@pytest.mark.parametrize(
    "trouble", [IN_A_STEP, WHILE_SAVING, WHILE_EXPORTING, BEFORE_RESULTS]
)
def test_killed_training_resumes_bit_by_bit(uninterrupted, trouble, tmp_path, step):
    lines, expected = uninterrupted
    model_dir = tmp_path / "model"
    flags = [f"--model_dir={model_dir}", "--resume"]
    assert killed(step("dmt_train", flags, lines, trouble))
    assert model_dir.exists() and not (model_dir / "results").exists()
    printed(step("dmt_train", flags, lines))
    assert state(model_dir) == state(expected)
    assert results(model_dir) == results(expected)
    for row, expected_row in zip(history(model_dir), history(expected), strict=True):
        for key in ("step", "loss", "kl_loss"):
            assert row[key] == expected_row[key]


def test_killed_training_with_few_labels_resumes_bit_by_bit(few_labels, world, step):
    # The configuration that a run wrote down is all that it takes to repeat it.
    config = few_labels / "model/results/gin/train.gin"
    model_dir = world / "resumed"
    flags = [f"--model_dir={model_dir}", f"--gin_config={config}", "--resume"]
    assert killed(step("dmt_train_semi_supervised", flags, code=IN_A_STEP))
    assert (model_dir / "tf_checkpoint/checkpoint.npz").exists()
    assert not (model_dir / "results").exists()
    # The last try is a process of its own, as a user would start it.
    printed(call("dmt_train", *flags))
    assert state(model_dir) == state(few_labels / "model")
    assert results(model_dir) == results(few_labels / "model")


def test_killed_steps_leave_nothing_and_finish_when_resumed(
    uninterrupted, tmp_path, step
):
    _, model_dir = uninterrupted
    post_dir, eval_dir = tmp_path / "mean", tmp_path / "dci"
    steps = (
        ("dmt_postprocess", f"--model_dir={model_dir}", post_dir, MEAN),
        ("dmt_evaluate", f"--input_dir={post_dir}", eval_dir, DCI),
    )
    for command, source, output_dir, gin_lines in steps:
        flags = [source, f"--output_dir={output_dir}", "--resume"]
        lines = bindings(gin_lines)
        assert killed(step(command, flags, lines, BEFORE_RESULTS))
        assert not output_dir.exists()
        printed(step(command, flags, lines))
        assert output_dir.exists()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".tmp")]
    again = tmp_path / "again"
    flags = [f"--input_dir={post_dir}", f"--output_dir={again}"]
    printed(step("dmt_evaluate", flags, bindings(DCI)))
    assert results(eval_dir, "evaluation") == results(again, "evaluation")

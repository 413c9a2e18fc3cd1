"""Agents that learned for 20,000 updates, trained and analysed by commands."""

import concurrent.futures

import pytest

from tests.helpers.runs import ROOT, call, check_mistake, printed, results

FOLDER = ROOT / "gin_configs" / "evidence"
# These small networks learn several times faster than on TensorFlow.
JAX = {"KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1"}


def evaluate(model_dir, name, *lines):
    flags = [f"--gin_bindings={line}" for line in lines]
    return call(
        "dmt_evaluate",
        f"--input_dir={model_dir}",
        f"--output_dir={model_dir.parent / name}",
        f"--gin_config={FOLDER / name}.gin",
        *flags,
        **JAX,
    )


def trained(folder, num_tasks):
    model_dir = folder / f"{num_tasks}_tasks" / "model"
    process = call(
        "dmt_train",
        f"--model_dir={model_dir}",
        f"--gin_config={FOLDER / 'leaky_rnn.gin'}",
        f"--gin_bindings=evidence_trials.num_tasks = {num_tasks}",
        **JAX,
    )
    printed(process)
    printed(evaluate(model_dir, "ood_decoding"))
    return model_dir


@pytest.fixture(scope="module")
def model_dirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agents")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        dirs = pool.map(lambda number: trained(folder, number), (2, 24))
        return dict(zip((2, 24), dirs, strict=True))


@pytest.mark.slow
def test_many_tasks_disentangle(model_dirs):
    assert results(model_dirs[24])["task_accuracy"] >= 0.945
    scores = {
        number: results(model_dir.parent / "ood_decoding", "evaluation")
        for number, model_dir in model_dirs.items()
    }
    assert scores[24]["id_r2"] >= 0.95
    assert 0.82 <= scores[24]["ood_r2"] <= 0.96
    assert scores[24]["ood_r2"] - scores[2]["ood_r2"] >= 0.15


@pytest.mark.slow
def test_answers_of_one_task_tell_no_latent(model_dirs):
    name, line = "closed_form_recovery", "evidence_trials.num_tasks = 1"
    process = evaluate(model_dirs[2], name, line)
    check_mistake(process, "at least as many tasks as dimensions")
    assert not (model_dirs[2].parent / name).exists()

"""Heads on frozen codes: what they learn, and what they are told."""

import gin
import numpy as np
import pytest

from dmt.data import tasks
from dmt.data.ground_truth import dsprites_rendered
from dmt.data.tasks import train_and_test_rows
from dmt.evaluation import frozen_heads  # noqa: F401 (registers the heads)
from dmt.evaluation.codes import IndexedData
from dmt.evaluation.metrics.encoding import any_number
from dmt.evaluation.metrics.task_heads import compute_task_heads, task_heads

DATA = dsprites_rendered.dsprites_rendered_small()
RANDOM = np.random.RandomState(0)


@pytest.fixture(autouse=True)
def small_heads(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    gin.bind_parameter("heads.hidden_units", (16,))


def test_regressions_and_classes_are_learned():
    codes = RANDOM.normal(size=(2000, 3)).astype(np.float32)
    targets = np.stack([3 * codes[:, 0] + 1, codes[:, 1] > 0], axis=1)
    scores = task_heads(
        targets[:1500],
        codes[:1500],
        targets[1500:],
        codes[1500:],
        num_classes=[0, 2],
        training_steps=1500,
        learning_rate=1e-2,
    )
    assert scores["test_losses"][0] < 0.05 * targets[:, 0].var()
    assert scores["test_losses"][1] < 0.2  # Guessing has log 2.
    np.testing.assert_allclose(scores["mean_test_loss"], np.mean(scores["test_losses"]))
    assert (scores["num_train"], scores["num_test"]) == (1500, 500)


def run(**options):
    data = IndexedData(DATA)
    seen = []

    @any_number
    def representation(rows):
        seen.append(rows)
        return DATA.factors_at(rows)[:, :2].astype(np.float32)

    scores = compute_task_heads(
        data,
        representation,
        np.random.RandomState(options.pop("seed", 0)),
        tasks=tasks.RandomTasks(num_tasks=2, depth=1, width=4),
        training_steps=options.pop("training_steps", 20),
        **options,
    )
    return scores, seen


def test_images_are_those_of_the_multi_task_split():
    scores, (rows, rows_test) = run(num_train=100, num_test=50, test_share=0.3)
    expected = train_and_test_rows(DATA.size, 0.3, 0)
    np.testing.assert_array_equal(rows, expected[0][:100])
    np.testing.assert_array_equal(rows_test, expected[1][:50])
    assert scores["task_names"] == ["task 0", "task 1"]


def test_same_seed_same_losses():
    first, second, other = run(), run(), run(seed=1)
    assert first[0]["test_losses"] == second[0]["test_losses"]
    assert first[0]["test_losses"] != other[0]["test_losses"]


def test_true_factors_replace_codes():
    options = {"training_steps": 600, "learning_rate": 1e-2}
    on_factors, seen = run(on_factors=True, **options)
    on_codes, _ = run(**options)
    assert not seen
    # The codes lack three of five factors.
    assert on_factors["mean_test_loss"] < 0.5 * on_codes["mean_test_loss"]


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="training_steps=0"):
        run(training_steps=0)

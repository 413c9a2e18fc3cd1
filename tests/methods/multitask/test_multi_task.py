"""Multi-task models and decoders on frozen encoders, as users train them."""

import json

import keras
import numpy as np
import pytest

from dmt.data import pipeline, tasks
from dmt.data.ground_truth import dsprites_rendered, pooled
from dmt.evaluation.evaluate import evaluate_with_gin
from dmt.methods import gaussian_encoder_model
from dmt.methods.run_state import RunState
from dmt.methods.train import train_with_gin
from dmt.postprocessing.postprocess import postprocess_with_gin
from dmt.postprocessing.representation import load_representation
from dmt.utils.compilation import compiled
from dmt.visualize import visualize_model
from tests.helpers.runs import TINY, bindings, history, results

SPRITES = pooled.PooledData(dsprites_rendered.dsprites_rendered_small(), 4)
FACTORS = SPRITES.factors_at(np.arange(SPRITES.size))
MULTI = {
    **TINY,
    "dataset.name": "'pooled'",
    "pooled.base": "'dsprites_rendered_small'",
    "pooled.factor": "4",
    "model.model": "@multi_task()",
    "multi_task.tasks": "@random_tasks()",
    "random_tasks.num_tasks": "3",
    "random_tasks.depth": "2",
    "random_tasks.width": "10",
    "heads.hidden_units": "(8,)",
    "AdamOptimizer.learning_rate": "0.01",
}
LABELS = {
    "multi_task.tasks": "@label_tasks()",
    "label_tasks.regression": "['position x', 'position y']",
    "label_tasks.classification": "['shape', 'position x']",
}
KINDS = {
    "multi": {"multi_task.split_seed": "3", "multi_task.test_share": "0.3"},
    "one": {"multi_task.heads": "'one'", "model.random_seed": "1"},
    "only": {
        "multi_task.only_task": "1",
        "multi_task.max_test_images": "100",
        "encoder.encoder_fn": "@simple_conv64_encoder",
    },
    "untrained": {"model.training_steps": "0"},
    "labels": LABELS,
    "labels_one": {**LABELS, "multi_task.heads": "'one'"},
    "label": {**LABELS, "multi_task.only_task": "3"},
}


@pytest.fixture(scope="module", autouse=True)
def root(tmp_path_factory):
    """Targets are kept in an empty folder."""
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMT_DATA", str(root))
        patch.setenv("HOME", str(root / "home"))
        yield root


def train(model_dir, resume=False, overwrite=False, base=MULTI, **changes):
    lines = bindings(base, **changes)
    train_with_gin(str(model_dir), overwrite, gin_bindings=lines, resume=resume)
    return model_dir


def train_kind(model_dir, kind, **changes):
    return train(model_dir, base={**MULTI, **KINDS[kind]}, **changes)


def weights(model_dir, *names):
    """Weights of some networks of a saved model, as arrays."""
    model = gaussian_encoder_model.load_model(model_dir)
    networks = [getattr(model, name) for name in names]
    return [weight.numpy() for network in networks for weight in network.weights]


def assert_weights_equal(found, expected, **tolerances):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, "atol": 0, **tolerances})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A function that gives the directory of a model of a kind."""
    root = tmp_path_factory.mktemp("trained")

    def get(kind):
        if not (root / kind).exists():
            train_kind(root / kind, kind)
        return root / kind

    return get


@pytest.fixture(scope="module")
def multi_dir(trained):
    return trained("multi")


def all_targets(kind):
    """Targets and numbers of classes of all tasks, learned or not."""
    if "label" not in kind:
        return tasks.RandomTasks(3, 2, 10).targets(SPRITES), [0] * 3
    columns = [SPRITES.factor_names.index(f"position {axis}") for axis in "xy"]
    return FACTORS[:, [*columns, 0, columns[0]]].astype(float), [0, 0, 3, 8]


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_those_of_the_saved_model(kind, trained):
    model_dir = trained(kind)
    found = results(model_dir)
    assert found["global_step"] == (0 if kind == "untrained" else 6)
    assert found["loss"] == pytest.approx(found["task_loss"], rel=1e-5)
    assert (model_dir / "results" / "gin" / "train.gin").exists()
    if kind != "untrained":
        rows = history(model_dir)
        assert [int(row["step"]) for row in rows] == [2, 4, 6]
        for row in rows:
            assert float(row["loss"]) == pytest.approx(float(row["task_loss"]))

    targets, classes = all_targets(kind)
    learned = {"only": [1], "label": [3]}.get(kind, range(len(classes)))
    names = ["task 0", "task 1", "task 2"]
    if "label" in kind:
        names = ["position x", "position y", "shape", "position x"]
    assert found["task_names"] == [names[task] for task in learned]

    share, seed = (0.3, 3) if kind == "multi" else (0.2, 0)
    rows = np.random.RandomState(seed).permutation(SPRITES.size)
    rows = rows[: 100 if kind == "only" else round(share * SPRITES.size)]
    assert found["num_test_images"] == len(rows)
    model = gaussian_encoder_model.load_model(model_dir)
    assert model.decoder is None and model.num_latent == 4
    predictions = compiled(lambda images: model.predict_tasks(model.encode(images)[0]))(
        SPRITES.images_at(rows)
    ).astype(float)
    num_outputs = max([1, *(classes[task] for task in learned)])
    assert predictions.shape == (len(rows), len(learned), num_outputs)
    targets = targets[rows].astype(float)
    losses, accuracies, cross = [], [], []
    for head, task in enumerate(learned):
        outputs, number = predictions[:, head], classes[task]
        if number:
            logits = outputs[:, :number]
            chosen = logits[np.arange(len(rows)), targets[:, task].astype(int)]
            losses.append((np.log(np.exp(logits).sum(axis=1)) - chosen).mean())
            accuracies.append(np.mean(logits.argmax(axis=1) == targets[:, task]))
        else:
            losses.append(np.mean((outputs[:, 0] - targets[:, task]) ** 2))
            accuracies.append(None)
            cross.append(
                [
                    np.mean((outputs[:, 0] - targets[:, other]) ** 2)
                    for other in range(len(classes))
                    if not classes[other]
                ]
            )
    np.testing.assert_allclose(found["task_test_losses"], losses, rtol=1e-4)
    for a, b in zip(found["task_test_accuracies"], accuracies, strict=True):
        assert a == (None if b is None else pytest.approx(b, abs=2e-3))
    assert len(found["cross_task_mse"]) == len(cross)
    np.testing.assert_allclose(found["cross_task_mse"], cross, rtol=1e-4)
    regressions = [task for task, number in enumerate(classes) if not number]
    variances = targets[:, regressions].var(axis=0)
    np.testing.assert_allclose(found["task_variances"], variances, rtol=1e-4)


@pytest.mark.parametrize("kind", ["multi", "labels_one"])
def test_tasks_are_learned(kind, tmp_path):
    train_kind(
        tmp_path / "run",
        kind,
        model__training_steps="200",
        model__log_steps="50",
        model__batch_size="64",
        model__eval_steps="20",
        heads__hidden_units="(32,)",
    )
    rows, found = history(tmp_path / "run"), results(tmp_path / "run")
    assert float(rows[-1]["loss"]) < 0.8 * float(rows[0]["loss"])
    # The loss is the sum of the losses of the tasks.
    assert found["loss"] == pytest.approx(sum(found["task_test_losses"]), rel=0.1)
    variances, heads = found["task_variances"], np.array(found["cross_task_mse"])
    for task, variance in enumerate(variances):
        assert heads[task, task] < 0.8 * variance
        assert heads[task].argmin() == task
    if kind == "labels_one":
        assert found["task_test_accuracies"][3] > 0.3


def test_training_and_test_images_are_apart(tmp_path, monkeypatch):
    seen, learned = {}, []
    examples_at = pipeline.LabelledData.at

    def spy(data, indices):
        rows, examples = data._rows[indices], examples_at(data, indices)
        seen.setdefault(id(data), set()).update(rows.tolist())
        learned.append((rows, examples[1]))
        return examples

    monkeypatch.setattr(pipeline.LabelledData, "at", spy)
    train(
        tmp_path / "run",
        model__batch_size="64",
        model__eval_steps="3",
        multi_task__only_task="2",
    )
    training, evaluation = seen.values()
    order = np.random.RandomState(0).permutation(SPRITES.size)
    test = set(order[: round(0.2 * SPRITES.size)].tolist())
    assert len(training) > 300 and not training & test
    assert len(evaluation) > 100 and evaluation <= test
    targets, _ = all_targets("multi")
    for rows, values in learned:
        np.testing.assert_array_equal(values, targets[rows, 2:])


def test_a_head_for_each_task_or_one_for_all(trained):
    shapes = [w.shape for w in weights(trained("multi"), "heads")]
    assert shapes == [(3, 4, 8), (3, 1, 8), (3, 8, 1), (3, 1, 1)]
    shapes = [w.shape for w in weights(trained("one"), "heads")]
    assert shapes == [(1, 4, 8), (1, 1, 8), (1, 8, 3), (1, 1, 3)]


def test_codes_are_deterministic(multi_dir):
    model = gaussian_encoder_model.load_model(multi_dir)
    mean, logvar = model.encode(SPRITES.images_at(np.arange(3)))
    assert mean.shape == (3, 4)
    np.testing.assert_array_equal(logvar, np.full((3, 4), -30, "float32"))
    assert len(weights(multi_dir, "encoder")) == 2


def test_no_step_leaves_the_first_weights(trained, tmp_path):
    zero_one = train(
        tmp_path / "run", model__training_steps="0", multi_task__heads="'one'"
    )
    first, after = (
        weights(trained(kind), "encoder", "heads") for kind in ("untrained", "multi")
    )
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(first, after, strict=True))
    # The encoder begins with the same weights whatever the heads are.
    assert_weights_equal(weights(zero_one, "encoder"), first[:2])


def test_resident_examples_give_the_same_weights(trained, tmp_path):
    train_kind(
        tmp_path / "run",
        "labels",
        model__resident="True",
        model__steps_per_execution="2",
    )
    assert_weights_equal(
        weights(tmp_path / "run", "encoder", "heads"),
        weights(trained("labels"), "encoder", "heads"),
        rtol=1e-3,
        atol=1e-4,
    )
    losses = [
        results(model_dir)["task_test_losses"]
        for model_dir in (tmp_path / "run", trained("labels"))
    ]
    np.testing.assert_allclose(*losses, rtol=1e-3)


def kill_after(step, monkeypatch):
    """Training ends like a process that is killed after the checkpoint of a step."""
    on_epoch_end = RunState.on_epoch_end

    def die(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        if self.step() == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunState, "on_epoch_end", die)


def checkpoint(model_dir):
    with np.load(model_dir / "tf_checkpoint" / "checkpoint.npz") as values:
        return dict(values)


def check_resumed(model_dir, expected_dir, monkeypatch, **arguments):
    with monkeypatch.context() as patch:
        kill_after(4, patch)
        with pytest.raises(KeyboardInterrupt):
            train(model_dir, **arguments)
    assert not (model_dir / "results").exists()
    train(model_dir, resume=True, **arguments)
    found, expected = checkpoint(model_dir), checkpoint(expected_dir)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    assert results(model_dir) == results(expected_dir)


def test_killed_training_resumes_bit_by_bit(multi_dir, tmp_path, monkeypatch):
    base = {**MULTI, **KINDS["multi"]}
    check_resumed(tmp_path / "run", multi_dir, monkeypatch, base=base)


def test_mixed_precision(tmp_path):
    train_kind(tmp_path / "run", "labels", model__dtype_policy="'mixed_bfloat16'")
    assert np.isfinite(results(tmp_path / "run")["task_test_losses"]).all()
    model = gaussian_encoder_model.load_model(tmp_path / "run")
    mean, _ = model.encode(SPRITES.images_at(np.arange(3)))
    for tensor in (mean, model.predict_tasks(mean)):
        assert keras.backend.standardize_dtype(tensor.dtype) == "float32"
    assert {w.dtype for w in model.heads.weights} == {"float32"}


def test_metrics_of_a_multi_task_model(multi_dir, tmp_path):
    for name in ("mean", "sampled"):
        postprocess_with_gin(
            str(multi_dir),
            str(tmp_path / name),
            gin_bindings=[
                "dataset.name = 'auto'",
                f"postprocess.postprocess_fn = @{name}_representation",
                "postprocess.random_seed = 0",
            ],
        )
    images = SPRITES.images_at(np.arange(0, SPRITES.size, 97))
    mean = compiled(gaussian_encoder_model.load_model(multi_dir).encode)(images)[0]
    for name in ("mean", "sampled"):
        codes = load_representation(tmp_path / name)(images)
        np.testing.assert_allclose(codes, mean, rtol=1e-4, atol=1e-4)
    evaluate_with_gin(
        str(tmp_path / "mean"),
        str(tmp_path / "mig"),
        gin_bindings=[
            "dataset.name = 'auto'",
            "evaluation.evaluation_fn = @mig",
            "evaluation.random_seed = 0",
            "mig.num_train = 300",
            "discretizer.num_bins = 20",
            "discretizer.discretizer_fn = @histogram_discretizer",
        ],
    )
    path = tmp_path / "mig/results/json/evaluation_results.json"
    assert 0 <= json.loads(path.read_text())["discrete_mig"] < 0.5


def test_exported_model_predicts(multi_dir):
    tf = pytest.importorskip("tensorflow")
    signatures = tf.saved_model.load(str(multi_dir / "tfhub")).signatures
    names = {"gaussian_encoder", "predictions"}
    assert set(signatures) - {"serving_default"} == names
    images = SPRITES.images_at(np.arange(5)).astype("float32") / 255
    found = signatures["predictions"](images=tf.constant(images))["predictions"]
    model = gaussian_encoder_model.load_model(multi_dir)
    expected = model.predict_tasks(model.encode(images)[0])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("binding", "value", "message"),
    [
        ("multi_task__tasks", "@random_tasks", "parentheses"),
        ("multi_task__heads", "'two'", "heads='two'"),
        ("multi_task__only_task", "3", "at most 2. Received: only_task=3"),
        ("multi_task__only_task", "-1", "only_task=-1"),
        ("multi_task__test_share", "1.0", "test_share=1.0"),
        ("multi_task__split_seed", "None", "split_seed=None"),
        ("multi_task__max_test_images", "0", "max_test_images=0"),
        ("random_tasks__width", "0", "width=0"),
        ("dataset__name", "'noisy_dsprites_rendered'", "indices"),
        ("heads__kernel_initializer", "'no_such'", "no_such"),
    ],
)
def test_bad_values_are_named_and_nothing_is_written(binding, value, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(tmp_path / "run", **{binding: value})
    assert not (tmp_path / "run").exists()


def test_a_missing_list_of_tasks_is_named(tmp_path):
    base = {k: v for k, v in MULTI.items() if k != "multi_task.tasks"}
    with pytest.raises(ValueError, match="missing: multi_task.tasks"):
        train(tmp_path / "run", base=base)


def decoder_bindings(encoder_dir):
    return {
        **MULTI,
        "model.model": "@decoder_on_frozen_encoder()",
        "decoder_on_frozen_encoder.encoder_dir": repr(str(encoder_dir)),
    }


@pytest.fixture(scope="module")
def decoder_dir(multi_dir):
    model_dir = multi_dir.parent / "decoder"
    return train(model_dir, base=decoder_bindings(multi_dir))


def test_only_the_decoder_moves(multi_dir, decoder_dir, tmp_path):
    assert_weights_equal(weights(decoder_dir, "encoder"), weights(multi_dir, "encoder"))
    base = decoder_bindings(multi_dir)
    train(tmp_path / "zero", base=base, model__training_steps="0")
    before = weights(tmp_path / "zero", "decoder")
    after = weights(decoder_dir, "decoder")
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, after, strict=True))


def test_decoder_learns(multi_dir, tmp_path):
    train(
        tmp_path / "run",
        base=decoder_bindings(multi_dir),
        model__training_steps="60",
        model__log_steps="20",
        reconstruction_loss__loss_fn="@l2_loss",
        model__eval_steps="30",
    )
    rows = history(tmp_path / "run")
    assert float(rows[-1]["loss"]) < 0.8 * float(rows[0]["loss"])
    assert_weights_equal(
        weights(tmp_path / "run", "encoder"), weights(multi_dir, "encoder")
    )
    images = SPRITES.images_at(np.arange(0, SPRITES.size, 11))
    model = gaussian_encoder_model.load_model(tmp_path / "run")
    decoded = compiled(lambda x: model.decode(model.encode(x)[0]))(images)
    errors = (1 + np.tanh(decoded.astype(float) / 2)) / 2 - images / 255
    expected = np.mean(np.sum(errors**2, axis=(1, 2, 3)))
    found = results(tmp_path / "run")
    assert found["reconstruction_loss"] == pytest.approx(expected, rel=0.15)
    assert found["loss"] == pytest.approx(found["reconstruction_loss"], rel=1e-5)


def test_killed_training_of_a_decoder_resumes(
    multi_dir, decoder_dir, tmp_path, monkeypatch
):
    base = decoder_bindings(multi_dir)
    check_resumed(tmp_path / "run", decoder_dir, monkeypatch, base=base)


def test_decoder_on_the_encoder_of_a_vae(tmp_path):
    train(tmp_path / "vae", model__model="@vae()")
    base = decoder_bindings(tmp_path / "vae")
    train(tmp_path / "run", base=base, model__resident="True")
    for name, is_same in (("encoder", True), ("decoder", False)):
        found, expected = (weights(tmp_path / d, name) for d in ("run", "vae"))
        same = [
            a.shape == b.shape and np.array_equal(a, b)
            for a, b in zip(found, expected, strict=False)
        ]
        assert all(same) == is_same


def test_pictures_of_a_decoder_on_a_frozen_encoder(multi_dir, decoder_dir, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="has no decoder") as error:
        visualize_model.visualize(str(multi_dir), str(out))
    assert str(multi_dir) in str(error.value) and "\n" not in str(error.value)
    assert "decoder_on_frozen_encoder" in str(error.value)
    assert not out.exists()
    visualize_model.visualize(str(decoder_dir), str(out), False, 1, 2)
    assert (out / "traversals.png").exists()
    kl = json.loads((out / "kl_per_code.json").read_text())["kl_per_code"]
    assert len(kl) == 4 and min(kl) >= 14.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pooled__factor": "2"},
            r"untrained takes images .*\(16, 16, 1\), .*pooled have \(32, 32, 1\)",
        ),
        (
            {"decoder_on_frozen_encoder__encoder_dir": "'nowhere'"},
            "There is no nowhere.*train the model first",
        ),
    ],
)
def test_encoder_must_be_there_and_fit(changes, message, trained, tmp_path):
    base = decoder_bindings(trained("untrained"))
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        train(tmp_path / "run", base=base, **changes)
    assert "\n" not in str(error.value).split("\n  In call to configurable")[0]
    assert not (tmp_path / "run").exists()


def test_encoder_must_be_named(tmp_path):
    base = decoder_bindings("unused")
    del base["decoder_on_frozen_encoder.encoder_dir"]
    with pytest.raises(ValueError, match="missing: .*on_frozen_encoder.encoder_dir"):
        train(tmp_path / "run", base=base)

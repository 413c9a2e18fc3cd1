"""Codes of a trained model: table, exported models, other backends."""

import json
import os
import subprocess
import sys

import gin
import numpy as np
import pytest

from dmt.data.ground_truth import named_data
from dmt.evaluation.codes import MomentTable, codes_of, write_moments
from dmt.evaluation.evaluate import evaluate_with_gin
from dmt.evaluation.metrics import factor_vae, mig, utils
from dmt.methods import gaussian_encoder_model
from dmt.methods.shared import architectures
from dmt.methods.train import train_with_gin
from dmt.postprocessing.postprocess import postprocess_with_gin
from dmt.postprocessing.representation import load_representation
from dmt.utils.compilation import compiled
from tests.helpers.runs import TINY, bindings

CODES = 4


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    lines = bindings(TINY, encoder__encoder_fn="@conv_encoder")
    train_with_gin(str(root / "model"), gin_bindings=lines)
    for name in ("mean", "sampled"):
        postprocess_with_gin(
            str(root / "model"),
            str(root / name),
            gin_bindings=[
                "dataset.name = 'auto'",
                f"postprocess.postprocess_fn = @{name}_representation",
                "postprocess.random_seed = 0",
            ],
        )
    return root


@pytest.fixture
def dataset():
    return named_data.get_named_ground_truth_data("dsprites_rendered_small")


class Counting:
    """Counts how often each image is asked for."""

    def __init__(self, dataset):
        self._dataset = dataset
        self.asked = np.zeros(dataset.size, dtype=int)

    def __getattr__(self, name):
        return getattr(self._dataset, name)

    def images_at(self, indices):
        np.add.at(self.asked, indices, 1)
        return self._dataset.images_at(indices)


class Inverted(Counting):
    """Black where the dataset is white."""

    def images_at(self, indices):
        return 255 - self._dataset.images_at(indices)


def test_each_image_is_encoded_at_most_once(run_dir, dataset):
    dataset = Counting(dataset)
    data, table = codes_of(dataset, load_representation(run_dir / "mean"))
    gin.parse_config(
        "discretizer.num_bins = 20\ndiscretizer.discretizer_fn = @histogram_discretizer"
    )
    mig.compute_mig(data, table, np.random.RandomState(0), None, 3000)
    factor_vae.compute_factor_vae(
        data, table, np.random.RandomState(1), None, 16, 300, 100, 500
    )
    assert dataset.asked.max() == 1
    assert dataset.asked.sum() > 3000


@pytest.mark.parametrize("kind", ["test", "conv"])
def test_encoders_together_make_what_each_makes(dataset, kind, tmp_path):
    encoders = [
        architectures.make_gaussian_encoder(
            tuple(dataset.observation_shape),
            4,
            getattr(architectures, f"{kind}_encoder"),
        )
        for _ in range(3)
    ]
    rows = np.array([7, 3, 4000, 3])
    alone = [MomentTable(dataset, encoder)(rows) for encoder in encoders]
    together = MomentTable(dataset, encoders)
    assert together(rows).shape == (4, 3, 8)
    for k, expected in enumerate(alone):
        np.testing.assert_allclose(together.of(k)(rows), expected, atol=1e-5)
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    write_moments(dataset, encoders, folders)
    for folder, expected in zip(folders, alone, strict=True):
        (path,) = folder.iterdir()
        np.testing.assert_allclose(np.load(path)[rows], expected, atol=1e-5)


def test_kept_moments_are_those_of_the_dataset(run_dir, dataset, tmp_path):
    mean = load_representation(os.path.join(run_dir, "mean"))
    rows = np.arange(5)
    _, codes = codes_of(dataset, mean)
    expected = codes(rows)
    write_moments(dataset, [mean.encoder], [tmp_path])
    (path,) = tmp_path.iterdir()
    table = np.load(path)
    np.save(path, table + 1)
    _, codes = codes_of(dataset, mean, str(tmp_path))
    np.testing.assert_allclose(codes(rows), expected + 1, atol=1e-5)
    # Other images have another file.
    _, codes = codes_of(Inverted(dataset), mean, str(tmp_path))
    assert np.abs(codes(rows) - expected - 1).max() > 0.1


def test_codes_of_indices_are_codes_of_images(run_dir, dataset):
    representation = load_representation(run_dir / "mean")
    data, table = codes_of(dataset, representation)
    encode = compiled(representation)  # The mean has no randomness.
    results = [
        utils.generate_batch_factor_code(d, f, 700, np.random.RandomState(3), 16)
        for d, f in ((data, table), (dataset, encode))
    ]
    np.testing.assert_array_equal(results[0][1], results[1][1])
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4, atol=1e-5)
    assert results[0][0].shape == (CODES, 700)


def test_mean_representation_is_the_mean(run_dir, dataset):
    images = dataset.images_at(np.arange(0, dataset.size, 100))
    model = gaussian_encoder_model.load_model(run_dir / "model")
    mean, _ = compiled(model.encode)(images)
    codes = compiled(load_representation(run_dir / "mean"))(images)
    np.testing.assert_allclose(codes, mean, rtol=1e-5, atol=1e-6)


def test_sampled_representation_has_the_encoders_moments(run_dir, dataset):
    model = gaussian_encoder_model.load_model(run_dir / "model")
    mean, logvar = compiled(model.encode)(dataset.images_at(np.array([17])))
    index = np.full(4000, 17)

    def draw(times=1):
        table = codes_of(dataset, load_representation(run_dir / "sampled"))[1]
        return [table(index) for _ in range(times)]

    codes, more_codes = draw(2)
    assert len(np.unique(codes[:, 0])) > 3900 and not np.array_equal(codes, more_codes)
    deviation = np.exp(logvar[0] / 2)
    np.testing.assert_allclose(codes.mean(0), mean[0], atol=5 * deviation.max() / 63)
    np.testing.assert_allclose(codes.std(0), deviation, rtol=0.1)
    np.testing.assert_array_equal(draw()[0], codes)


def test_random_pixels_are_encoded_as_images(tmp_path):
    lines = bindings(TINY, dataset__name="'dummy_data'")
    train_with_gin(str(tmp_path / "model"), gin_bindings=lines)
    postprocess_with_gin(
        str(tmp_path / "model"),
        str(tmp_path / "mean"),
        gin_bindings=[
            "dataset.name = 'auto'",
            "postprocess.postprocess_fn = @mean_representation",
            "postprocess.random_seed = 0",
        ],
    )
    evaluate_with_gin(
        str(tmp_path / "mean"),
        str(tmp_path / "mig"),
        gin_bindings=[
            "dataset.name = 'auto'",
            "evaluation.evaluation_fn = @mig",
            "evaluation.random_seed = 0",
            "mig.num_train = 100",
            "discretizer.num_bins = 20",
            "discretizer.discretizer_fn = @histogram_discretizer",
        ],
    )
    path = tmp_path / "mig/results/json/evaluation_results.json"
    found = json.loads(path.read_text())
    assert 0 <= found["discrete_mig"] <= 1 and found["origin"] == "synthetic"


def test_saved_models_have_the_originals_signatures(run_dir, dataset):
    import tensorflow as tf

    images = dataset.images_at(np.array([0, 99, 4000])).astype("float32") / 255
    model = gaussian_encoder_model.load_model(run_dir / "model")
    mean, logvar = compiled(model.encode)(images)
    hub = tf.saved_model.load(str(run_dir / "model/tfhub")).signatures
    found = hub["gaussian_encoder"](images=tf.constant(images))
    np.testing.assert_allclose(found["mean"], mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["logvar"], logvar, rtol=1e-4, atol=1e-5)
    found = hub["decoder"](latent_vectors=tf.constant(mean))["images"]
    np.testing.assert_allclose(
        found, compiled(model.decode)(mean), rtol=1e-4, atol=1e-4
    )
    draws = [
        hub["reconstructions"](images=tf.constant(images))["images"].numpy()
        for _ in range(2)
    ]
    assert draws[0].shape == images.shape and not np.allclose(*draws)
    hub = tf.saved_model.load(str(run_dir / "mean/tfhub")).signatures
    found = hub["representation"](images=tf.constant(images))["default"]
    np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_representation_is_the_same_on_every_backend(run_dir, dataset, backend):
    program = (
        "import sys, numpy as np\n"
        "from dmt.data.ground_truth import named_data\n"
        "from dmt.utils.compilation import compiled\n"
        "from dmt.postprocessing.representation import load_representation\n"
        "data = named_data.get_named_ground_truth_data('dsprites_rendered_small')\n"
        "encode = compiled(load_representation(sys.argv[1]))\n"
        "np.save(sys.argv[2], encode(data.images_at(np.arange(0, 4608, 64))))\n"
    )
    path = run_dir / f"{backend}.npy"
    subprocess.run(
        [sys.executable, "-c", program, run_dir / "mean", path],
        check=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    here = compiled(load_representation(run_dir / "mean"))(
        dataset.images_at(np.arange(0, 4608, 64))
    )
    np.testing.assert_allclose(np.load(path), here, rtol=1e-3, atol=1e-4)


def test_output_may_not_hold_the_input(run_dir):
    with pytest.raises(ValueError, match="holds the input"):
        postprocess_with_gin(
            str(run_dir / "model"),
            str(run_dir),
            overwrite=True,
            gin_bindings=[
                "dataset.name = 'auto'",
                "postprocess.postprocess_fn = @mean_representation",
                "postprocess.random_seed = 0",
            ],
        )
    assert (run_dir / "model" / "model.keras").exists()

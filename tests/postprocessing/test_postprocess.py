"""Representations of a trained model: moments, exported models, other backends."""

import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from dmt.data.ground_truth import named_data
from dmt.evaluation.codes import codes_of
from dmt.methods import gaussian_encoder_model
from dmt.postprocessing.postprocess import postprocess_with_gin
from dmt.postprocessing.representation import Representation, load_representation
from dmt.utils.compilation import compiled


@pytest.fixture
def dataset():
    return named_data.get_named_ground_truth_data("dsprites_rendered_small")


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


def encoder(shape=(64, 64, 1), sizes=(4, 4)):
    images = keras.Input(shape)
    flat = keras.layers.Flatten()(images)
    return keras.Model(images, [keras.layers.Dense(size)(flat) for size in sizes])


def decoder(num_latent=4, shape=(64, 64, 1)):
    codes = keras.Input((num_latent,))
    pixels = keras.layers.Dense(math.prod(shape))(codes)
    return keras.Model(codes, keras.layers.Reshape(shape)(pixels))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (lambda: (), "model.keras is damaged"),
        (lambda: (keras.Sequential([keras.layers.Dense(3)]),), "is damaged"),
        (lambda: (keras.layers.Flatten(), decoder()), "is damaged"),
        (lambda: (encoder(sizes=(4,)), decoder()), "is damaged"),
        (lambda: (encoder(sizes=(4, 5)), None), "is damaged"),
        (lambda: (encoder(), decoder(5)), "is damaged"),
        (lambda: (encoder(), decoder(shape=(64, 64, 3))), "is damaged"),
        (lambda: (encoder(), None, decoder(5)), "is damaged"),
        (
            lambda: (encoder((32, 32, 3)), None),
            r"encodes images of shape \(32, 32, 3\), those .* \(64, 64, 1\)",
        ),
    ],
)
def test_networks_that_do_not_fit_together_are_named(parts, words, tmp_path):
    networks = gaussian_encoder_model.GaussianEncoderModel(*parts())
    networks.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=words) as error:
        gaussian_encoder_model.load_model(str(tmp_path), (64, 64, 1))
    assert str(tmp_path) in str(error.value)
    if networks.encoder is not None:
        representation = Representation(networks.encoder, networks.encoder)
        representation.save(tmp_path / "representation.keras")
        with pytest.raises(ValueError, match="representation.keras is no repres"):
            load_representation(tmp_path)


def test_representations_open_in_keras_alone(run_dir, dataset, tmp_path):
    images = dataset.images_at(np.array([0, 99, 4000]))
    np.save(tmp_path / "images.npy", images.astype("float32") / 255)
    code = f"""
import sys
import keras
import numpy as np

images = np.load({str(tmp_path / "images.npy")!r})
model = keras.saving.load_model({str(run_dir / "mean/representation.keras")!r})
assert not [name for name in sys.modules if name.split(".")[0] == "dmt"]
np.save({str(tmp_path / "codes.npy")!r}, model.predict(images, verbose=0))
import dmt.methods.gaussian_encoder_model
for path in ("model/model.keras", "sampled/representation.keras"):
    keras.saving.load_model(f"{run_dir}/{{path}}")
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    expected = compiled(load_representation(run_dir / "mean"))(images)
    found = np.load(tmp_path / "codes.npy")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

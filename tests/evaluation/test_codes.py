"""Codes of a trained model: each image is encoded once."""

import json
import os

import gin
import numpy as np
import pytest

from dmt.data.ground_truth import named_data
from dmt.evaluation.codes import MomentTable, codes_of, write_moments
from dmt.evaluation.evaluate import evaluate_with_gin
from dmt.evaluation.metrics import factor_vae, mig, utils
from dmt.methods.shared import architectures
from dmt.methods.train import train_with_gin
from dmt.postprocessing.postprocess import postprocess_with_gin
from dmt.postprocessing.representation import load_representation
from dmt.utils import progress
from dmt.utils.compilation import compiled
from tests.helpers.runs import TINY, bindings

CODES = 4


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


def test_moments_that_are_there_are_not_written_again(dataset, tmp_path):
    first, second = (
        architectures.make_gaussian_encoder(
            tuple(dataset.observation_shape), 4, architectures.test_encoder
        )
        for _ in range(2)
    )
    counting = Counting(dataset)
    for encoder in (first, first, second):
        write_moments(counting, [encoder], [tmp_path])
    assert len(list(tmp_path.iterdir())) == 2
    assert counting.asked[1] == 2


def test_encoding_logs_how_much_is_done(run_dir, dataset, monkeypatch, caplog):
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    _, codes = codes_of(dataset, load_representation(run_dir / "mean"))
    with caplog.at_level("INFO", logger="dmt"):
        codes(np.arange(dataset.size))
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("Encoding: 4,096 of 4,608 images, ")
    assert lines[1].startswith("Encoding: 4,608 of 4,608 images, ")


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

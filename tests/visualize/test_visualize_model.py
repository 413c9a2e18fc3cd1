import json
import os

import numpy as np
import pytest
from PIL import Image

from dmt.data.ground_truth import named_data
from dmt.methods import gaussian_encoder_model
from dmt.visualize import visualize_model


def written(directory):
    return {
        os.path.relpath(os.path.join(folder, name), directory)
        for folder, _, names in os.walk(directory)
        for name in names
    }


@pytest.fixture(scope="module")
def pictures(run_dir):
    output_dir = run_dir / "visualizations"
    visualize_model.visualize(
        str(run_dir / "model"), str(output_dir), num_animations=2, num_frames=4
    )
    return output_dir


def test_files(pictures):
    ranges = ("std_gaussian", "fitted_gaussian", "fixed_interval", "conf_interval")
    assert written(pictures) == {
        "reconstructions/reconstructions.jpg",
        "sampled/samples.jpg",
        *(f"traversals/traversals{i}.jpg" for i in range(3)),
        *(
            f"animated_traversals/{name}_cycle{i}.gif"
            for name in (*ranges, "minmax_interval")
            for i in range(2)
        ),
        "interventional_effects/interventional_effect.png",
        "kl_per_code.json",
        "traversals.gif",
        "traversals.png",
    }


def test_animations_have_the_frames_asked_for(pictures):
    film = Image.open(pictures / "animated_traversals" / "fixed_interval_cycle0.gif")
    assert film.n_frames == 4
    assert film.size == (3 * 72 + 8, 72 + 8)
    assert Image.open(pictures / "traversals.gif").n_frames == 4


def test_reconstructions_are_pairs_of_the_first_images_drawn(pictures):
    data = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    images = data.sample_observations(64, np.random.RandomState(0))
    picture = np.asarray(Image.open(pictures / "reconstructions/reconstructions.jpg"))
    cell = 64 + 2 + 64 + 10
    for k in (0, 1, 8, 63):
        top, left = 10 + 74 * (k // 8), 10 + cell * (k % 8)
        real = picture[top : top + 64, left : left + 64] / 255
        assert np.abs(real - images[k, ..., 0]).mean() < 0.02
        reconstruction = picture[top : top + 64, left + 66 : left + 130] / 255
        assert reconstruction.std() < real.std()


def test_kl_per_code_is_that_of_the_model(pictures, run_dir):
    kl = np.array(
        json.loads((pictures / "kl_per_code.json").read_text())["kl_per_code"]
    )
    assert kl.shape == (3,) and (kl >= 0).all()
    model = gaussian_encoder_model.load_model(str(run_dir / "model"))
    data = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    images = data.sample_observations(2000, np.random.RandomState(1))
    mean, logvar = (np.asarray(moment) for moment in model.encode(images))
    expected = 0.5 * (mean**2 + np.exp(logvar) - logvar - 1).mean(axis=0)
    np.testing.assert_allclose(kl, expected, rtol=0.2)


def test_traversals_are_ordered_by_kl(tmp_path):
    def decode(codes):
        """A third of the picture for each code, as bright as its value."""
        stripes = np.repeat(0.5 + codes / 20, [22, 21, 21], axis=1)
        return np.tile(stripes[:, :, None, None], (1, 1, 64, 1))

    means = np.random.RandomState(0).normal(size=(50, 3)) * [0.1, 3.0, 1.0]
    visualize_model._save_traversals(
        means,
        np.zeros_like(means),
        decode,
        lambda name: str(tmp_path / name),
        num_frames=2,
        fps=10,
    )
    picture = np.asarray(Image.open(tmp_path / "traversals.png")).astype(int)
    # One pixel column through the first and one through the last image of each row.
    first, last = (picture[:, -132 * k + 60] for k in (9, 1))
    for row, code in enumerate([1, 2, 0]):
        top = 34 + 4 + 132 * row
        change = (last - first)[[top + 20, top + 64, top + 110]]
        assert np.argmax(change) == code and np.count_nonzero(change) == 1


def test_kl_of_gaussians():
    means = np.array([[0.0, 1.0], [0.0, 3.0]])
    logvars = np.log([[1.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(visualize_model.kl_per_code(means, logvars), [0, 2.5])


def test_samples_of_a_tanh_model_of_random_pixels(dummy_model_dir, tmp_path):
    output_dir = str(tmp_path / "out")
    visualize_model.visualize(dummy_model_dir, output_dir, False, 1, 2)
    random_state = np.random.RandomState(0)
    named_data.get_named_ground_truth_data("dummy_data").sample(64, random_state)
    codes = random_state.normal(0, 1, [64, 3]).astype("float32")
    model = gaussian_encoder_model.load_model(dummy_model_dir)
    decoded = np.asarray(model.decode(codes))[63, ..., 0]
    picture = np.asarray(Image.open(os.path.join(output_dir, "sampled/samples.jpg")))
    pixels = picture[-66:-2, -66:-2] / 255
    # Near 0, tanh(x) / 2 + 0.5 has slope 1/2, the logistic function 1/4.
    slope, middle = np.polyfit(decoded.ravel(), pixels.ravel(), 1)
    assert slope == pytest.approx(0.5, abs=0.05)
    assert middle == pytest.approx(0.5, abs=0.01)


def test_activation_is_the_one_bound(run_dir, tmp_path):
    model_dir = tmp_path / "model"
    gin_dir = model_dir / "results" / "gin"
    gin_dir.mkdir(parents=True)
    os.symlink(run_dir / "model" / "model.keras", model_dir / "model.keras")
    text = (run_dir / "model" / "results" / "gin" / "train.gin").read_text()
    (gin_dir / "train.gin").write_text(text.replace("'logits'", "'softplus'"))
    with pytest.raises(ValueError, match="softplus"):
        visualize_model.visualize(str(model_dir), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_output_is_not_replaced_unasked(pictures, run_dir):
    before = written(pictures)
    with pytest.raises(ValueError, match="exists"):
        visualize_model.visualize(str(run_dir / "model"), str(pictures))
    assert written(pictures) == before


def test_model_must_be_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        visualize_model.visualize(str(tmp_path), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()

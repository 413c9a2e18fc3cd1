"""The codes of all images of a dataset as a file."""

import csv

import numpy as np
import pytest
from PIL import Image

from dmt.evaluation import encode
from dmt.methods import train
from dmt.postprocessing import postprocess
from dmt.postprocessing.representation import load_representation
from dmt.utils import arrays
from tests.helpers.runs import TINY, bindings

PIXELS = np.random.RandomState(0).randint(256, size=(24, 64, 64)).astype(np.uint8)
SIZES = np.random.RandomState(1).random_sample(24).round(3)
COLORS = np.arange(24) % 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A representation of a folder of labelled images, and what belongs to it."""
    folder = tmp_path_factory.mktemp("encode")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMT_DATA", str(folder / "root"))
        (folder / "images").mkdir()
        lines = ["file,color,size"]
        for number, pixels in enumerate(PIXELS):
            Image.fromarray(pixels).save(folder / f"images/{number}.png")
            lines.append(f"{number}.png,{'rgb'[COLORS[number]]},{SIZES[number]}")
        (folder / "table.csv").write_text("\n".join(lines))
        chosen = bindings(
            TINY,
            dataset__name="'image_folder'",
            image_folder__path=f"'{folder}/images'",
            image_folder__csv=f"'{folder}/table.csv'",
            image_folder__grey="True",
        )
        train.train_with_gin(str(folder / "model"), False, [], chosen)
        mean = ["dataset.name = 'auto'", "postprocess.random_seed = 0"]
        mean += ["postprocess.postprocess_fn = @mean_representation"]
        postprocess.postprocess_with_gin(
            str(folder / "model"), str(folder / "mean"), False, [], mean
        )
        yield folder


def encoded(folder, name, *gin_bindings, overwrite=False):
    path = folder / name
    encode.encode_with_gin(str(folder / "mean"), str(path), overwrite, [], gin_bindings)
    return path


def expected(folder):
    representation = load_representation(str(folder / "mean"))
    return np.asarray(representation(PIXELS[..., None].astype("float32") / 255))


def test_npz(folder):
    path = encoded(folder, "codes.npz")
    with np.load(path) as found:
        np.testing.assert_allclose(found["codes"], expected(folder), atol=1e-5)
        factors = np.stack([[2, 1, 0] * 8, SIZES], axis=1)  # In alphabetical order.
        np.testing.assert_array_equal(np.sort(found["factors"]), np.sort(factors))
        assert found["factor_names"].tolist() == ["color", "size"]
        assert found["image_names"].tolist() == [f"{i}.png" for i in range(24)]
    for key in ("codes", "factors"):
        (table,) = arrays.load_tables([f"{path}:{key}"], key)
        assert len(table) == 24


def test_csv(folder):
    with open(encoded(folder, "codes.csv"), newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["image", "color", "size"]
    assert header[3:] == [f"code {number}" for number in range(4)]
    assert [row[0] for row in rows] == [f"{i}.png" for i in range(24)]
    # Numbers of words are whole, measurements are as they were.
    assert {row[1] for row in rows} == {"0", "1", "2"}
    assert [float(row[2]) for row in rows] == SIZES.tolist()
    codes = np.array([row[3:] for row in rows], dtype=float)
    np.testing.assert_allclose(codes, expected(folder), atol=1e-5)


def test_other_images_without_labels(folder):
    np.save(folder / "new.npy", PIXELS[:5])
    bound = ["dataset.name = 'npz_images'", f"npz_images.path = '{folder}/new.npy'"]
    with np.load(encoded(folder, "new.npz", *bound)) as found:
        np.testing.assert_allclose(found["codes"], expected(folder)[:5], atol=1e-5)
        assert found["factors"].shape == (5, 0)
        assert found["image_names"].tolist() == [0, 1, 2, 3, 4]


def test_mistakes(folder):
    with pytest.raises(ValueError, match="as .csv or .npz.*codes.txt"):
        encoded(folder, "codes.txt")
    (folder / "there.csv").write_text("mine")
    with pytest.raises(ValueError, match="there.csv exists. Give --overwrite"):
        encoded(folder, "there.csv")
    assert (folder / "there.csv").read_text() == "mine"
    assert encoded(folder, "there.csv", overwrite=True).read_text() != "mine"
    with pytest.raises(ValueError, match="images have indices.*dummy_data"):
        encoded(folder, "noise.csv", "dataset.name = 'dummy_data'")
    np.save(folder / "small.npy", PIXELS[:, :32, :32])
    bound = ["dataset.name = 'npz_images'", f"npz_images.path = '{folder}/small.npy'"]
    with pytest.raises(ValueError, match=r"\(64, 64, 1\).*\(32, 32, 1\)"):
        encoded(folder, "small.csv", *bound)
    assert not list(folder.glob("noise*")) and not list(folder.glob("small.csv*"))

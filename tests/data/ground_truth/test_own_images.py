"""What arrays and files of images mean, or what the user is asked about them."""

import logging

import numpy as np
import pytest
from PIL import Image

from dmt.data.ground_truth import own_data

PIXELS = np.random.RandomState(0).randint(256, size=(30, 12, 16, 3)).astype(np.uint8)
GREY = PIXELS[..., 0]


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path / "root"))
    return tmp_path / "root"


def opened(tmp_path, images, **bindings):
    np.savez(tmp_path / "mine.npz", images=images)
    data = own_data.npz_images(tmp_path / "mine.npz", **bindings)
    return data.images_at(np.arange(data.size))


def asked(tmp_path, words, images, **bindings):
    with pytest.raises(ValueError, match=words) as error:
        opened(tmp_path, images, **bindings)
    assert "\n" not in str(error.value).split("\n  In call to configurable")[0]
    assert "mine.npz" in str(error.value)


@pytest.mark.parametrize(
    "images, value_range, guess",
    [
        (PIXELS / 255, (0, 1), r"\(0, 1\)"),
        ((PIXELS / 255).astype(np.float32), (0, 1), r"\(0, 1\)"),
        (PIXELS.astype(np.float32), (0, 255), r"\(0, 255\)"),
        (PIXELS.astype(np.int64), (0, 255), r"\(0, 255\)"),
        (PIXELS / 127.5 - 1, (-1, 1), r"\(-1, 1\)"),
        (PIXELS.astype(np.uint16) * 257, (0, 65535), r"\(0, 65535\)"),
        (PIXELS.astype(np.uint16) * 16, (0, 4080), r"\(0, 4095\)"),
        (PIXELS.astype(np.int16) - 128, (-128, 127), r"\(-128, 127\)"),
    ],
)
def test_values_that_are_not_certain_are_asked_about(
    tmp_path, images, value_range, guess
):
    asked(tmp_path, f"bind npz_images.value_range = {guess} or another", images)
    found = opened(tmp_path, images, value_range=value_range)
    np.testing.assert_array_equal(found, PIXELS)
    assert found.dtype == np.uint8


def test_bool_is_certain_and_binary_uint8_is_told(tmp_path, caplog, root):
    binary = PIXELS > 128
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(opened(tmp_path, binary), 255 * binary)
        assert not caplog.messages
        found = opened(tmp_path, binary.astype(np.uint8))
    np.testing.assert_array_equal(found, 255 * binary)
    assert "npz_images.value_range = (0, 255)" in caplog.messages[0]
    # Whoever says so gets nearly black images, without a copy of them.
    copies = len(list(root.rglob("*.npy")))
    found = opened(tmp_path, binary.astype(np.uint8), value_range=(0, 255))
    np.testing.assert_array_equal(found, binary)
    assert len(list(root.rglob("*.npy"))) == copies


@pytest.mark.parametrize(
    "images, words",
    [
        (np.zeros_like(PIXELS), "pixels of all images are 0, .*value_range"),
        (np.full_like(PIXELS, 9), "pixels of all images are 9, .*value_range"),
        (np.full(PIXELS.shape, 0.5), "pixels of all images are 0.5"),
        (PIXELS // 15, r"bind npz_images.value_range = \(0, 17\)"),
        (np.where(PIXELS > 9, np.nan, 0.5), "finite"),
        (np.where(PIXELS > 9, np.inf, 0.5), "finite"),
        (PIXELS * 1j, "must hold numbers.*complex128"),
        (PIXELS.astype("M8[s]"), "must hold numbers.*datetime64"),
        (PIXELS.astype(str), "must hold numbers.*<U"),
    ],
)
def test_values_of_no_images_are_refused(tmp_path, images, words):
    asked(tmp_path, words, images)


def test_values_outside_of_the_range_are_refused(tmp_path, root):
    asked(
        tmp_path,
        r"in npz_images.value_range = \(0, 100\)",
        PIXELS,
        value_range=[0, 100],
    )
    images = np.where(PIXELS > 9, np.nan, 0.5)
    asked(tmp_path, "finite", images, value_range=(0, 1))
    assert not list(root.rglob("*.npy"))
    with pytest.raises(ValueError, match="values of black and white"):
        opened(tmp_path, PIXELS, value_range=255)


@pytest.mark.parametrize(
    "axes, images",
    [
        ("nchw", PIXELS.transpose(0, 3, 1, 2)),
        ("hwcn", PIXELS.transpose(1, 2, 3, 0)),
        ("nwhc", PIXELS.swapaxes(1, 2)),
        ("hwn", GREY.transpose(1, 2, 0)),
    ],
)
def test_axes(tmp_path, axes, images):
    found = opened(tmp_path, images, axes=axes)
    expected = PIXELS if len(axes) == 4 else GREY[..., None]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "images, words",
    [
        (PIXELS.transpose(0, 3, 1, 2), 'axes = "nchw"'),
        (PIXELS[..., :1].transpose(0, 3, 1, 2), 'axes = "nchw"'),
        (PIXELS[..., [0, 1, 2, 0]], 'may be transparency.*axes = "nhwc"'),
        (PIXELS.transpose(1, 2, 3, 0), 'axes = "hwcn"'),
        (PIXELS[..., :2], 'axes = "nhwc"'),
        (GREY[:12], 'axes = "hwn"'),
        (np.zeros((30, 50, 6)), 'sequences .*axes = "nhw"'),
        (np.zeros((30, 12, 100)), 'sequences .*axes = "nhw"'),
        (np.zeros((30, 5, 12, 16, 3)), "Reshape films"),
        (np.zeros(30), "must hold images"),
    ],
)
def test_axes_that_are_not_certain_are_asked_about(tmp_path, images, words):
    asked(tmp_path, words, images)


def test_axes_must_fit(tmp_path):
    asked(tmp_path, "must name the 4 axes.*'nchw'", PIXELS, axes="nhw")
    asked(tmp_path, "must name the 3 axes.*'chw'|'nhw'", GREY, axes="nchw")


def save(folder, *images, suffix="png"):
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        image.save(folder / f"{number}.{suffix}")
    return folder


def photos():
    return [Image.fromarray(pixels) for pixels in PIXELS[:3]]


def test_palettes_and_opaque_images_keep_their_colours(tmp_path):
    first, second, third = photos()
    palette = second.quantize(16)
    folder = save(tmp_path / "a", first, palette, third.convert("RGBA"))
    found = own_data.image_folder(folder).images_at([0, 1, 2])
    np.testing.assert_array_equal(found[0], PIXELS[0])
    np.testing.assert_array_equal(found[1], np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(found[2], PIXELS[2])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_need_a_background(tmp_path, mode):
    image = Image.new("RGBA", (16, 12), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 8, 12))
    folder = save(tmp_path / "a", *photos(), image.convert(mode))
    with pytest.raises(ValueError, match=r'background = "white".*3.png'):
        own_data.image_folder(folder)
    data = own_data.image_folder(folder, background="white")
    assert (data.images_at([3])[0, :, 8:] == 255).all()
    assert data.images_at([3])[0, :, :8].min() < 100
    with pytest.raises(ValueError, match="must be a colour"):
        own_data.image_folder(folder, background="no colour")


def test_dark_and_deep_files_are_asked_about(tmp_path):
    masks = [Image.fromarray((grey > 128).astype(np.uint8)) for grey in GREY[:3]]
    folder = save(tmp_path / "masks", *masks)
    with pytest.raises(ValueError, match=r"image_folder.value_range = \(0, 1\).*0.png"):
        own_data.image_folder(folder)
    data = own_data.image_folder(folder, value_range=(0, 1), grey=True)
    np.testing.assert_array_equal(data.images_at([1])[0, ..., 0], 255 * (GREY[1] > 128))
    deep = [Image.fromarray(grey.astype(np.uint16) * 257) for grey in GREY[:3]]
    folder = save(tmp_path / "deep", *deep)
    with pytest.raises(ValueError, match=r"8 bits.*value_range = \(0, 65535\).*0.png"):
        own_data.image_folder(folder)
    data = own_data.image_folder(folder, value_range=(0, 65535), grey=True)
    np.testing.assert_array_equal(data.images_at([1])[0, ..., 0], GREY[1])
    folder = save(tmp_path / "black", *[Image.new("L", (16, 12))] * 2)
    with pytest.raises(ValueError, match="nothing to learn.*0.png"):
        own_data.image_folder(folder)


def test_turned_and_moving_pictures(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn by 90 degrees to the right.
    folder = tmp_path / "a"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(PIXELS[number]).save(folder / f"{number}.png", exif=exif)
    found = own_data.image_folder(folder).images_at([1])[0]
    np.testing.assert_array_equal(found, np.rot90(PIXELS[1], -1))
    first, *others = photos()
    first.save(folder / "2.gif", save_all=True, append_images=others)
    with pytest.raises(ValueError, match="2.gif with 3 images"):
        own_data.image_folder(folder)

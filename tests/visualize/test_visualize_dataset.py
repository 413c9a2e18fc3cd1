import numpy as np
import pytest
from PIL import Image

from dmt.data.ground_truth import named_data
from dmt.visualize.visualize_dataset import visualize_dataset


@pytest.mark.parametrize(
    "name, num_factors", [("dsprites_rendered_small", 5), ("dummy_data", 10)]
)
def test_files(tmp_path, name, num_factors):
    visualize_dataset(name, str(tmp_path), num_animations=2, num_frames=3)
    expected = {f"variations_of_factor{i}.png" for i in range(num_factors)}
    expected |= {"animation0.gif", "animation1.gif", "factors.png"}
    assert {path.name for path in (tmp_path / name).iterdir()} == expected
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_pictures_follow_the_reference_order_of_draws(tmp_path):
    name = "dsprites_rendered_small"
    visualize_dataset(name, str(tmp_path), num_animations=0)
    data = named_data.get_named_ground_truth_data(name)
    random_state = np.random.RandomState(0)
    for i in range(data.num_factors):
        factors = data.sample_factors(16, random_state)
        factors[1:, :i], factors[1:, i + 1 :] = factors[0, :i], factors[0, i + 1 :]
        images = data.images_at(data.indices_of(factors))[..., 0]
        path = tmp_path / name / f"variations_of_factor{i}.png"
        picture = np.asarray(Image.open(path))
        for k, image in enumerate(images):
            top, left = (2 + 66 * place for place in divmod(k, 4))
            np.testing.assert_array_equal(
                picture[top : top + 64, left : left + 64], image
            )


def test_unknown_dataset_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="dsprites_ful"):
        visualize_dataset("dsprites_ful", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()

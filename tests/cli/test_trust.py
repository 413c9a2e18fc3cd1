"""Commands run code of other people's directories only if they are told to."""

import shutil

import pytest

from tests.helpers.runs import check_mistake, printed

MODULE = """
import gin

print("stolen_module runs")


@gin.register("stolen")
def stolen():
    return 1
"""


@pytest.fixture
def theirs(pairs, tmp_path):
    """A model directory of somebody else, whose gin file imports a module."""
    path = tmp_path / "theirs" / "model"
    for name in ("model.keras", "results/gin/train.gin"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes((pairs / "model" / name).read_bytes())
    gin_file = path / "results/gin/train.gin"
    gin_file.write_text("import stolen_module\n" + gin_file.read_text())
    (tmp_path / "stolen_module.py").write_text(MODULE)
    return path


def test_trust(theirs, forks, tmp_path):
    def draw(*flags):
        return forks(
            "dmt_visualize_model",
            f"--model_dir={theirs}",
            f"--output_dir={tmp_path / 'out'}",
            *flags,
            code=f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
        )

    process = draw()
    lines = check_mistake(process, str(theirs), "stolen_module", "would run", "--trust")
    assert len(lines) == 1 and process.stdout == "" and not (tmp_path / "out").exists()
    assert "stolen_module runs" in printed(draw("--trust"))
    assert (tmp_path / "out" / "traversals.png").exists()


def test_trust_of_a_representation(few_labels, forks, tmp_path):
    mean = tmp_path / "theirs"
    shutil.copytree(few_labels / "postprocessed" / "mean", mean)
    gin_file = mean / "results" / "gin" / "postprocess.gin"
    gin_file.write_text("import stolen_module\n" + gin_file.read_text())
    (tmp_path / "stolen_module.py").write_text(MODULE)

    def encode(*flags):
        return forks(
            "dmt_encode",
            f"--input_dir={mean}",
            f"--output_path={tmp_path / 'codes.csv'}",
            *flags,
            code=f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
        )

    check_mistake(encode(), str(mean), "stolen_module", "would run", "--trust")
    assert not (tmp_path / "codes.csv").exists()
    assert "stolen_module runs" in printed(encode("--trust"))
    assert (tmp_path / "codes.csv").exists()

"""Models of disentanglement_lib."""

import pytest

from tests.helpers.commands import contents, has_results, names
from tests.helpers.runs import check_mistake, printed


@pytest.fixture(scope="module")
def original(world):
    """A model directory of disentanglement_lib."""
    from tests.helpers import original_modules as modules

    folder = world / "original"
    networks = (modules.conv_encoder, modules.deconv_decoder)
    modules.write_module(str(folder / "tfhub"), *networks)
    modules.write_results(folder)
    return folder


def test_import(original, world, run):
    flags = ("--model_dir=original", "--output_dir=imported")
    printed(run("dmt_import", *flags))
    imported = world / "imported"
    assert names(imported) == {"model.keras", "tfhub", "results"}
    assert has_results(imported, "train")
    config = "results/gin/train.gin"
    assert (imported / config).read_bytes() == (original / config).read_bytes()

    before = contents(world)
    lines = check_mistake(run("dmt_import", *flags), "imported exists", "--overwrite")
    assert "--resume" not in lines[0] and contents(world) == before
    printed(run("dmt_import", *flags, "--overwrite"))
    assert names(imported) == {"model.keras", "tfhub", "results"}

    variables = original / "tfhub/variables/variables.data-00000-of-00001"
    content = variables.read_bytes()
    variables.write_bytes(content[: len(content) // 2])
    before = contents(world)
    process = run("dmt_import", *flags, "--overwrite")
    check_mistake(process, "original/tfhub/variables/variables.* cannot be read")
    assert contents(world) == before

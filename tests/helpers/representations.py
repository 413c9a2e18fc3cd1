"""Representations for tests: a tiny model, postprocessed in two ways."""

from dmt.methods.train import train_with_gin
from dmt.postprocessing.postprocess import postprocess_with_gin
from tests.helpers.runs import TINY, bindings


def make(root, **changes):
    """Trains `root/model` and writes its representations `root/mean`, `root/sampled`.

    Args:
        root: an empty directory.
        **changes: bindings of the training, names written with __ for the dot.
    """
    train_with_gin(str(root / "model"), gin_bindings=bindings(TINY, **changes))
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

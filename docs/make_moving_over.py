"""Writes the list at the end of docs/moving_over.md: disentanglement_lib's names.

    python docs/make_moving_over.py

A test compares the list with what this program would write now.
"""

import functools
import importlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# Where the list begins.
BEGIN = "Methods and properties that are not listed are like their class.\n\n"
# [module, name, kind, parameters] of the public names of its last version.
NAMES = json.loads((ROOT / "tests" / "golden" / "dlib_paths.json").read_text())

_TF1 = "a part of TensorFlow 1's Estimators"
_REASONING = (
    "the second stage of this study is not part of this package; the first is, see "
    "`abstract_reasoning_study_v1`"
)
# Reasons by module, or by "module.name".
DROPPED = {
    "evaluation.abstract_reasoning.models": _REASONING,
    "evaluation.abstract_reasoning.pgm_data": _REASONING,
    "evaluation.abstract_reasoning.pgm_utils": _REASONING,
    "evaluation.abstract_reasoning.reason": _REASONING,
    "evaluation.abstract_reasoning.relational_layers": _REASONING,
    "evaluation.udr.evaluate.FLAGS": "the flags belong to the command `dmt_udr`",
    "methods.semi_supervised.semi_supervised_vae.mine": (
        "it returns an operation of a TensorFlow 1 graph; use "
        "`dmt.methods.semi_supervised.mine.EstimatorNetworks`"
    ),
    "methods.semi_supervised.semi_supervised_vae.make_metric_fn": _TF1,
    "methods.unsupervised.vae.make_metric_fn": _TF1,
    "methods.weak.weak_vae.make_metric_fn": _TF1,
    "utils.convolute_hub": (
        "TensorFlow Hub modules are graphs of TensorFlow 1; `dmt_postprocess` writes "
        "`representation.keras` and a SavedModel"
    ),
    "visualize.visualize_util.add_below": "it adds the logo of disentanglement_lib",
}
_NETWORK = "makes a `keras.Model` for a shape, instead of applying one to a tensor"
_METHODS = {
    "model_fn": f"{_TF1}; define `call` and `batch_loss`",
    "gaussian_encoder": "use `encode(images)`; define `make_networks`",
}
# What is different about names that have other arguments, or are attributes.
CHANGED = {
    "data.ground_truth.util.SplitDiscreteStateSpace.num_latent_factors": "",
    "methods.shared.architectures.make_decoder": _NETWORK,
    "methods.shared.architectures.make_discriminator": _NETWORK,
    "methods.shared.architectures.make_gaussian_encoder": _NETWORK,
    "methods.unsupervised.gaussian_encoder_model.GaussianEncoderModel.decode": (
        "takes codes only"
    ),
    "methods.unsupervised.gaussian_encoder_model.GaussianEncoderModel"
    ".sample_from_latent_distribution": "`BaseVAE` has it",
    "methods.unsupervised.vae.BaseVAE.decode": "takes codes only",
}


def status(module: str, name: str) -> tuple[str, str]:
    """Whether a name is the same, moved or dropped, and a remark."""
    for key in (f"{module}.{name}", module):
        if key in DROPPED:
            return "dropped", DROPPED[key]
    if "." in name and name.rpartition(".")[2] in _METHODS:
        return "dropped", _METHODS[name.rpartition(".")[2]]
    imported = importlib.import_module(f"dmt.{module}")
    in_compat = imported.__name__.startswith("dmt.compat.")
    first = name.partition(".")[0]
    if not in_compat and first in vars(imported):
        return "same", CHANGED.get(f"{module}.{name}", "")
    place = "" if "." in name else _place(found(module, name))
    return "moved", CHANGED.get(f"{module}.{name}", place)


def found(module: str, name: str):
    """The object of a name, for example of "DSprites.num_factors"."""
    imported = importlib.import_module(f"dmt.{module}")
    return functools.reduce(getattr, name.split("."), imported)


def _place(item):
    module = getattr(item, "__module__", None) or ""
    if not module.startswith("dmt.") or module.startswith("dmt.compat."):
        return ""
    return f"`{module}.{item.__qualname__}`" if hasattr(item, "__qualname__") else ""


def names() -> str:
    """The list: a table for each module."""
    lines = []
    for module in dict.fromkeys(entry[0] for entry in NAMES):
        lines += [f"### {module}", ""]
        if module in DROPPED:
            lines += [f"Dropped: {DROPPED[module]}.", ""]
        lines += ["| name | status | remark |", "|---|---|---|"]
        lines += [
            _row(module, name, kind)
            for own, name, kind, _ in NAMES
            if own == module and _is_listed(module, name)
        ]
        lines.append("")
    return "\n".join(lines)


def _is_listed(module, name):
    """Whether a name is no method, or one that its class does not speak for."""
    owner = name.rpartition(".")[0]
    alike = status(module, name)[0] == status(module, owner)[0] if owner else False
    return not alike or f"{module}.{name}" in CHANGED


def _row(module, name, kind):
    call = "()" if kind in ("function", "method") else ""
    word, remark = status(module, name)
    remark = "" if module in DROPPED else remark
    return f"| {' | '.join((f'`{name}{call}`', word, remark))} |"


if __name__ == "__main__":
    path = ROOT / "docs" / "moving_over.md"
    text, _, _ = path.read_text(encoding="utf-8").partition(BEGIN)
    path.write_text(text + BEGIN + names(), encoding="utf-8")

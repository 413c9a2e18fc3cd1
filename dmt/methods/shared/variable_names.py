"""Names of the variables of a model that are the same in every process.

Keras numbers layers without a name, and optimisers, by process: the path of a variable
may begin with `dense` or with `dense_7`. Here they are numbered within their model.
"""

import re
from collections.abc import Iterable

import keras

from dmt.methods.shared import optimizers

MODEL, OPTIMIZER = "model/", "optimizer/"


def weights(model: keras.Model) -> dict[str, keras.Variable]:
    """Weights and counters by the paths of their layers, as in "model/encoder/e1/bias".

    Args:
        model: an initialised model, or one that was read from a file.
    """
    return _unique(zip(_paths(model), model.variables, strict=True))


def state(model: keras.Model) -> dict[str, keras.Variable]:
    """Everything that an update changes: weights, counters, noise, optimiser.

    Variables of the model have the prefix `MODEL`, those of the optimiser `OPTIMIZER`.
    What the optimiser keeps for a weight begins with the name of the weight.

    Args:
        model: a compiled model, whose optimiser is built.
    """
    named = list(weights(model).items())
    # Keras joins the path of a weight and the name of what it keeps for it.
    prefixes = {
        f"{variable.path.replace('/', '_')}_": name.removeprefix(MODEL)
        for name, variable in named
    }
    parts = [model.optimizer, *optimizers.parts_of(model.optimizer)]
    numbering = _Numbering(map(type, parts))
    for variable in model.optimizer.variables:
        kept_for = [p for p in prefixes if variable.name.startswith(p)]
        if kept_for:
            prefix = max(kept_for, key=len)
            name = f"{prefixes[prefix]}/{variable.name.removeprefix(prefix)}"
        else:
            name = numbering(variable.path)
        named.append((OPTIMIZER + name, variable))
    return _unique(named)


def _paths(model):
    layers = [model, *model._flatten_layers(include_self=False)]
    types = [keras.Variable, keras.random.SeedGenerator, *map(type, layers)]
    numbering = _Numbering(types)
    own = f"{model.name}/"
    return [MODEL + numbering(v.path.removeprefix(own)) for v in model.variables]


class _Numbering:
    """Numbers the names that Keras gave to objects of some types, in their order."""

    def __init__(self, types: Iterable[type]) -> None:
        self._given = {kind.__name__.lower() for kind in types}
        self._seen: dict[tuple[str, str], list[str]] = {}

    def __call__(self, path: str) -> str:
        parent = ""
        for part in path.split("/"):
            # Keras made "simple_rnn_1" of SimpleRNN.
            base = re.sub(r"_\d+$", "", part)
            if base.replace("_", "").lower() in self._given:
                seen = self._seen.setdefault((parent, base), [])
                if part not in seen:
                    seen.append(part)
                number = seen.index(part)
                part = f"{base}_{number}" if number else base
            parent = f"{parent}/{part}" if parent else part
        return parent


def _unique(named):
    """{name: variable}, with numbers after names that occur several times."""
    result: dict[str, keras.Variable] = {}
    for name, variable in named:
        free, number = name, 1
        while free in result:
            free, number = f"{name}:{number}", number + 1
        result[free] = variable
    return result

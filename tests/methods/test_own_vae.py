"""VAEs as users of disentanglement_lib write them, and mistakes in them."""

import numpy as np
import pytest

from dmt.methods import gaussian_encoder_model
from dmt.methods.population import train_population
from dmt.methods.population.population import Population
from dmt.methods.train import train_with_gin
from tests.helpers.runs import TINY, bindings, results

HEAD = """
import dataclasses

import gin
import keras
import numpy as np
from keras import ops

from dmt.methods.shared.training import TrainableModel
from dmt.methods.unsupervised.vae import BaseVAE, BetaVAE


def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
    return self.gamma * kl_loss
"""
CLASS = """

{decorator}
class {name}({base}):
    def __init__({arguments}):
        {body}

    {regularizer}
"""


def written(
    name,
    decorator="@gin.configurable",
    base="BaseVAE",
    arguments="self, gamma=gin.REQUIRED",
    body="self.gamma = gamma",
    regularizer="regularizer = regularizer",
):
    return CLASS.format(**locals())


def returning(expression):
    arguments = "self, kl_loss, z_mean, z_logvar, z_sampled"
    return f"def regularizer({arguments}): return {expression}"


FORMS = {
    "Plain": written("Plain", '@gin.configurable("Plain")'),
    "Registered": written("Registered", '@gin.register("Registered")'),
    "First": written("First", body="super().__init__(); self.gamma = gamma"),
    "Last": written(
        "Last",
        body="self.layer = keras.layers.Dense(1); self.gamma = gamma; "
        "super().__init__()",
    ),
    "KeywordOnly": written("KeywordOnly", "@gin.register", arguments="self, *, gamma"),
    "Varying": written(
        "Varying",
        base="Plain",
        arguments="self, *args, **kwargs",
        body="super().__init__(*args, **kwargs)",
    ),
    "Child": written(
        "Child",
        base="Plain",
        arguments="self, gamma, other=2",
        body="super().__init__(gamma); self.other = other",
    ),
    "Dataclass": "\n\n@gin.register\n@dataclasses.dataclass(eq=False)\n"
    "class Dataclass(BaseVAE):\n    gamma: float\n    regularizer = regularizer\n",
    "Number": written("Number", regularizer=returning("np.float64(1)")),
}
# Mistakes, with words of the message.
MISTAKES = {
    "Nothing": (written("Nothing", regularizer=returning("None")), "Received: None"),
    "Vector": (
        written("Vector", regularizer=returning("ops.sum(z_mean ** 2, axis=1)")),
        r"Vector.regularizer must return a scalar.*shape \(8,\)",
    ),
    "Words": (
        written("Words", regularizer=returning("kl_loss / 'a'")),
        r"my_vaes.py, line \d+, in regularizer: .*TypeError",
    ),
    "Raising": (
        written("Raising", body="raise KeyError('abc')"),
        r"my_vaes.py, line \d+, in __init__: 'abc' .KeyError.",
    ),
    "Missing": (written("Missing", regularizer=""), "Missing must define regularizer"),
    "Signature": (
        written("Signature", regularizer="def regularizer(self, kl_loss): return 1"),
        r"Signature.regularizer\(\) takes 2",
    ),
    "Estimator": (
        written("Estimator") + "    def model_fn(self): pass\n",
        "Estimator defines model_fn",
    ),
    "Noise": (
        written("Noise", body="self.gamma = gamma; self.noise = 0.1").replace(
            "gin.REQUIRED", "gin.REQUIRED, noise=0.1"
        ),
        "Noise keeps its argument noise",
    ),
    "Equal": (
        "\n\n@gin.configurable\n@dataclasses.dataclass\n"
        "class Equal(BaseVAE):\n    gamma: float\n    regularizer = regularizer\n",
        r"@dataclasses.dataclass\(eq=False\) above the class Equal",
    ),
    "Stranger": (written("Stranger", base="object"), "derives from BaseVAE"),
}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    classes = [*FORMS.values(), *(code for code, _ in MISTAKES.values())]
    (folder / "my_vaes.py").write_text(HEAD + "".join(classes))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


def lines(name, gamma="2.0", **changes):
    own = {"model__model": f"@{name}()", f"{name}__gamma": gamma}
    if name in ("Varying", "Missing"):
        # A method that takes anything has no parameter that gin could bind.
        own = {
            "model__model": f"@{name}()",
            "Plain__gamma": gamma,
            **({"Missing__gamma": gamma} if name == "Missing" else {}),
        }
    base = {**TINY, "model.training_steps": "2"}
    return ["import my_vaes", *bindings(base, **{**own, **changes})]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The results of the beta-VAE that all of these models are."""
    model_dir = tmp_path_factory.mktemp("expected") / "run"
    changes = {"model__training_steps": "2", "vae__beta": "2.0"}
    train_with_gin(str(model_dir), gin_bindings=bindings(TINY, **changes))
    return results(model_dir)


@pytest.mark.parametrize("name", FORMS)
def test_model_trains_as_it_is_written(name, expected, tmp_path):
    train_with_gin(str(tmp_path / "run"), gin_bindings=lines(name))
    if name != "Number":
        assert results(tmp_path / "run") == expected
    codes = gaussian_encoder_model.load_model(str(tmp_path / "run"))
    assert codes.encode(np.zeros((1, 64, 64, 1), "uint8"))[0].shape == (1, 4)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_named_and_nothing_is_written(name, tmp_path):
    with pytest.raises(ValueError, match=MISTAKES[name][1]):
        train_with_gin(str(tmp_path / "run"), gin_bindings=lines(name))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["Plain", "Last", "Dataclass"])
def test_models_that_differ_in_a_number_are_one_program(name, tmp_path, monkeypatch):
    sizes = []

    def spy(members, **settings):
        sizes.append(len(members))
        return Population(members, **settings)

    monkeypatch.setattr(train_population, "Population", spy)
    train_population.train_population_with_gin(
        [(str(tmp_path / gamma), [], lines(name, gamma)) for gamma in ("1.0", "3.0")]
    )
    assert sizes == [2]
    losses = [results(tmp_path / gamma)["loss"] for gamma in ("1.0", "3.0")]
    assert losses[0] < losses[1]

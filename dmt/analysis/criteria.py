"""Criteria for ranking models with no labels or with few labels.

The evidence lower bound and the reconstruction loss are results of the training.
Unsupervised Disentanglement Ranking measures how well the codes of models agree if the
models differ only in their seeds (Duan et al., 2020, https://arxiv.org/abs/1905.12614).
A metric on a few labelled images needs only these labels (Locatello et al., 2020,
https://arxiv.org/abs/1905.01258).
"""

import collections
import dataclasses
import functools
import logging
import os
from collections.abc import Callable

import gin
import numpy as np

from dmt.analysis import configurations
from dmt.data.ground_truth import named_data
from dmt.evaluation.codes import IndexedData
from dmt.evaluation.evaluate import run_metric
from dmt.evaluation.metrics.encoding import any_number
from dmt.evaluation.udr import evaluate as udr
from dmt.evaluation.udr.metrics.udr import compute_udr_sklearn
from dmt.utils import checks, configuration, stages
from dmt.validation.validate import scores_on_labels

logger = logging.getLogger(__name__)


@dataclasses.dataclass
class Candidate:
    """A trained model that is to be ranked.

    Attributes:
        name: directory of its run below that of the study.
        model_dir: directory of the model.
        bindings: {name of a binding of the training: value}.
        dataset: the items of `bindings` that can change the images.
        losses: numbers among the results of the evaluation after training.
        values: {name of a criterion: value, None if the model has none}.
    """

    name: str
    model_dir: str
    bindings: dict[str, float | str]
    dataset: frozenset
    losses: dict[str, float]
    values: dict[str, float | None] = dataclasses.field(default_factory=dict)


@gin.configurable("few_labels", denylist=["data", "codes", "seed", "num_labels"])
def few_label_score(
    data, codes, seed, num_labels, validation_fn=gin.REQUIRED, score=gin.REQUIRED
):
    """Score of codes by a metric on few labelled images.

    Args:
        data: a `GroundTruthData`. The gin configurable `labeller` labels its images.
        codes: function from observations to codes of shape (n, num_codes).
        seed: integer in [0, 2**32), seed of the labelled images and of the metric.
        num_labels: number of labelled images.
        validation_fn: the metric; see `dmt.validation.validate.validate`.
        score: name of the metric's result to return. Larger values must be better.

    Raises:
        ValueError: if the metric has no such result.
    """
    found = scores_on_labels(data, codes, validation_fn, seed, num_labels)
    if not isinstance(found.get(score), float):
        known = [name for name, value in found.items() if isinstance(value, float)]
        raise ValueError(
            f"few_labels.score must be one of {', '.join(known)}. "
            f"Received: score={score!r}"
        )
    return found[score]


def _elbo(models, num_labels, seed):
    for model in models:
        # FactorVAE reports the two terms, but not their sum.
        terms = [model.losses.get(key) for key in ("reconstruction_loss", "kl_loss")]
        model.values["elbo"] = None if None in terms else -sum(terms)


def _reconstruction(models, num_labels, seed):
    for model in models:
        model.values["reconstruction"] = model.losses.get("reconstruction_loss")


def _udr(models, num_labels, seed):
    dataset, data = _data_of(models)
    groups = collections.defaultdict(list)
    for model in models:
        learned = frozenset(
            (name, value)
            for name, value in model.bindings.items()
            if configurations.is_learned(name) and not configurations.is_seed(name)
        )
        groups[learned].append(model)
    if alone := [group[0].name for group in groups.values() if len(group) == 1]:
        names = configurations.some(alone)
        logger.warning("No UDR, because no other run differs in seeds only: %s", names)
    evaluate = functools.partial(compute_udr_sklearn, include_raw_correlations=False)
    for group in groups.values():
        scores = [None]
        if len(group) > 1:
            logger.info("UDR of %d models like %s.", len(group), group[0].name)
            functions = [
                _loaded_when_called(udr.mean_and_kl_of, model.model_dir, dataset)
                for model in group
            ]
            scores = run_metric(evaluate, data, functions, seed)["model_scores"]
        for model, value in zip(group, scores, strict=True):
            model.values["udr"] = value


def _few_labels(models, num_labels, seed):
    dataset, data = _data_of(models)
    for model in models:
        moments = _loaded_when_called(udr.moments_of, model.model_dir, dataset)

        @any_number
        def means(observations, moments=moments):
            return np.split(moments(observations), 2, axis=1)[0]

        value = few_label_score(data, means, seed, num_labels)
        model.values["few_labels"] = value if checks.is_number(value) else None
        logger.info("%s: %.4f on %d labels.", model.name, value, num_labels)


def _loaded_when_called(load, model_dir, dataset):
    """Like `load(model_dir, dataset)`; the model is in memory only during a call."""
    import keras

    @any_number
    def function(observations):
        try:
            return load(model_dir, dataset)(observations)
        finally:
            keras.backend.clear_session()

    return function


def _data_of(models):
    """The dataset that gin configures, and what to sample observations from."""
    folders = [os.path.join(model.model_dir, "results", "gin") for model in models]
    gin_files = [os.path.join(folder, "train.gin") for folder in folders]
    configuration.resolve_auto_dataset(gin_files[0])
    for path in gin_files:
        # Models may need layers of the user's own.
        configuration.import_modules_of(path)
    dataset = named_data.get_named_ground_truth_data()
    return dataset, dataset if dataset.size is None else IndexedData(dataset)


@dataclasses.dataclass(frozen=True)
class Criterion:
    """A criterion that models are ranked by.

    Attributes:
        compute: function of models of one dataset, the number of labelled images and a
            seed; adds the value of each model to its `values`.
        larger_is_better: whether the model with the largest value is the best.
        depends_on_loss: whether values can be compared only between models with the
            same reconstruction loss.
    """

    compute: Callable[[list[Candidate], int, int], None]
    larger_is_better: bool = True
    depends_on_loss: bool = False


# In the order of computation. Criteria that detect mistakes early come first.
CRITERIA = {
    "elbo": Criterion(_elbo, depends_on_loss=True),
    "reconstruction": Criterion(
        _reconstruction, larger_is_better=False, depends_on_loss=True
    ),
    "few_labels": Criterion(_few_labels),
    "udr": Criterion(_udr),
}


def check_losses(models: list[Candidate]) -> None:
    """Checks that the losses of models of one dataset can be compared.

    Raises:
        ValueError: if the models were trained with different reconstruction losses.
    """
    losses = []
    for model in models:
        if loss_fn := model.bindings.get("reconstruction_loss.loss_fn"):
            own = ("reconstruction_loss", str(loss_fn).lstrip("@"))
            items = model.bindings.items()
            losses.append({k: v for k, v in items if stages.configurable_of(k) in own})
    keys = configurations.differing(losses)
    if keys:
        raise ValueError(
            "ELBO and reconstruction loss cannot be compared if runs of one dataset "
            f"differ in {', '.join(keys)}: leave these criteria out (--criteria=udr)."
        )

"""Published studies: from the number of a model to its training and its metrics.

Numbers, order and values of `unsupervised_study_v1`, `fairness_study_v1` and
`abstract_reasoning_study_v1` are disentanglement_lib's: model 10,800 here is model
10,800 there. The module `reproduce` plans the steps of a model.
"""

import dataclasses
import functools
import os
from collections.abc import Callable

from dmt.studies.published.sweeps import (
    chain,
    fixed,
    product,
    sweep,
    to_bindings,
    zip_together,
)
from dmt.utils.configuration import shipped

POSTPROCESSING = ("postprocess/mean.gin", "postprocess/sampled.gin")
METRICS = (
    "metrics/beta_vae_sklearn.gin",
    "metrics/dci.gin",
    "metrics/downstream_task_boosted_trees.gin",
    "metrics/downstream_task_logistic_regression.gin",
    "metrics/factor_vae_metric.gin",
    "metrics/mig.gin",
    "metrics/modularity_explicitness.gin",
    "metrics/sap_score.gin",
    "metrics/unsupervised.gin",
)
ARCHITECTURE = zip_together(
    fixed("encoder.encoder_fn", "@conv_encoder"),
    fixed("decoder.decoder_fn", "@deconv_decoder"),
)


_DISCRIMINATOR = fixed("discriminator.discriminator_fn", "@fc_discriminator")
# Strengths of regularization of a beta-VAE, a FactorVAE, a DIP-VAE and a beta-TC-VAE.
_BETAS = [1.0, 2.0, 4.0, 6.0, 8.0, 16.0]
_GAMMAS = [10.0, 20.0, 30.0, 40.0, 50.0, 100.0]
_LAMBDAS = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
_TC_BETAS = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0]


@dataclasses.dataclass(frozen=True)
class PublishedStudy:
    """A sweep, and the gin files that all its models share.

    Attributes:
        name: name of the study.
        sweep: function that returns the list of settings; see `sweeps`.
        model_file: path of the gin file of the training.
        postprocess_files: paths of gin files, one for each representation.
        evaluation_files: paths of gin files, one for each metric.
    """

    name: str
    sweep: Callable
    model_file: str = shipped("studies/shared.gin")
    postprocess_files: tuple = tuple(map(shipped, POSTPROCESSING))
    evaluation_files: tuple = tuple(map(shipped, METRICS))

    @functools.cached_property
    def settings(self):
        """The settings of all models, {gin binding: value} by number."""
        return self.sweep()

    def model_bindings(self, model_num):
        """Lines of gin of a model, which override the file of the training.

        Raises:
            ValueError: if there is no such model.
        """
        if not 0 <= model_num < len(self.settings):
            raise ValueError(
                f"{self.name} has models 0 to {len(self.settings) - 1}. "
                f"Received: model_num={model_num}"
            )
        return to_bindings(self.settings[model_num])


def unsupervised_models():
    """Six methods with six strengths of regularization each.

    Locatello et al. (2019), "Challenging common assumptions in the unsupervised
    learning of disentangled representations", https://arxiv.org/abs/1811.12359.
    """

    def method(name, *settings):
        return zip_together(fixed("model.name", name), *settings)

    def dip_vae(dip_type, lambda_d_factor):
        return method(
            f"dip_vae_{dip_type}",
            fixed("model.model", "@dip_vae()"),
            sweep("dip_vae.lambda_od", _LAMBDAS),
            fixed("dip_vae.lambda_d_factor", lambda_d_factor),
            fixed("dip_vae.dip_type", dip_type),
        )

    return chain(
        method("beta_vae", sweep("vae.beta", _BETAS), fixed("model.model", "@vae()")),
        method(
            "factor_vae",
            sweep("factor_vae.gamma", _GAMMAS),
            fixed("model.model", "@factor_vae()"),
            _DISCRIMINATOR,
        ),
        dip_vae("i", 10.0),
        dip_vae("ii", 1.0),
        method(
            "beta_tc_vae",
            fixed("model.model", "@beta_tc_vae()"),
            sweep("beta_tc_vae.beta", _TC_BETAS),
        ),
        method(
            "annealed_vae",
            sweep("annealed_vae.c_max", [5.0, 10.0, 25.0, 50.0, 75.0, 100.0]),
            fixed("annealed_vae.iteration_threshold", 100000),
            fixed("annealed_vae.gamma", 1000),
            fixed("model.model", "@annealed_vae()"),
        ),
    )


def unsupervised_sweep(datasets, num_seeds):
    """Datasets, the 36 `unsupervised_models` and seeds; the seed varies fastest."""
    return product(
        sweep("dataset.name", datasets),
        ARCHITECTURE,
        unsupervised_models(),
        sweep("model.random_seed", range(num_seeds)),
    )


def weakly_supervised_sweep():
    """6,000 models: datasets, kinds of pairs, methods, betas and seeds.

    After Locatello et al. (2020), "Weakly-supervised disentanglement without
    compromises", https://arxiv.org/abs/2002.02886. Between the images of a pair
    a fixed number of factors changes, from one to all but one, or a number that is
    drawn for each pair. Group VAE and ML-VAE are told which factor changed, or estimate
    it (Ada-GVAE, Ada-ML-VAE). The betas are those that
    Traeuble et al. (2021), https://arxiv.org/abs/2006.07886, sweep for the Ada-GVAE.
    The datasets, the number of seeds and the order are this package's.
    """
    num_factors = dict(dsprites_full=5, cars3d=3, smallnorb=4, shapes3d=6, mpi3d_real=7)

    def pairs(name, number):
        return product(
            fixed("dataset.name", name), sweep("dynamics.k", [*range(1, number), -1])
        )

    def method(name, base):
        return zip_together(
            fixed("model.name", name),
            sweep(f"{base}.beta", _BETAS),
            fixed("model.model", f"@{name}()"),
        )

    return product(
        chain(*(pairs(*item) for item in num_factors.items())),
        ARCHITECTURE,
        chain(
            method("group_vae_labels", "group_vae"),
            method("group_vae_argmax", "group_vae"),
            method("mlvae_labels", "mlvae"),
            method("mlvae_argmax", "mlvae"),
        ),
        sweep("model.random_seed", range(10)),
    )


def few_labels_sweep():
    """23,040 models: datasets, labels, methods, pairs of strengths, and seeds.

    Based on Locatello et al. (2020), "Disentangling factors of variation using few
    labels", https://arxiv.org/abs/1905.01258. The strengths of the unsupervised terms
    are those of the unsupervised study. The weights of the supervised term, which are
    the same numbers, and the seeds are this package's.
    """

    def method(name, strength, values, *others):
        return product(
            fixed("model.name", name),
            fixed("model.model", f"@{name}"),
            *others,
            sweep(f"{name}.{strength}", values),
            sweep(f"{name}.gamma_sup", values),
        )

    seeds = ("model_seed", "unsupervised_data_seed", "supervised_data_seed")
    return product(
        sweep("dataset.name", ["dsprites_full", "cars3d", "smallnorb", "shapes3d"]),
        ARCHITECTURE,
        sweep("model.num_labelled_samples", [100, 1000]),
        sweep(
            "labeller.labeller_fn",
            [f"@{kind}_labeller" for kind in ("perfect", "bin", "noisy", "partial")],
        ),
        chain(
            method("s2_vae", "beta", _BETAS),
            method("s2_factor_vae", "gamma", _GAMMAS, _DISCRIMINATOR),
            method(
                "s2_dip_vae",
                "lambda_od",
                _LAMBDAS,
                fixed("s2_dip_vae.lambda_d_factor", 10.0),
                fixed("s2_dip_vae.dip_type", "i"),
            ),
            method("s2_beta_tc_vae", "beta", _TC_BETAS),
        ),
        zip_together(*(sweep(f"model.{seed}", range(5)) for seed in seeds)),
    )


_FAIRNESS_METRICS = sorted(
    (*METRICS, "more_metrics/fairness.gin"), key=os.path.basename
)
# 12,600 models, the 50 seeds of a model one after the other.
_unsupervised = functools.partial(
    unsupervised_sweep,
    (
        "dsprites_full",
        "color_dsprites",
        "noisy_dsprites",
        "scream_dsprites",
        "smallnorb",
        "cars3d",
        "shapes3d",
    ),
    50,
)
# 360 models. Van Steenkiste et al. (2019), "Are disentangled representations helpful
# for abstract visual reasoning?", https://arxiv.org/abs/1905.12506.
_abstract_reasoning = functools.partial(
    unsupervised_sweep, ("shapes3d", "abstract_dsprites"), 5
)

STUDIES = {
    study.name: study
    for study in (
        PublishedStudy("unsupervised_study_v1", _unsupervised),
        PublishedStudy("abstract_reasoning_study_v1", _abstract_reasoning),
        # Locatello et al. (2019), "On the fairness of disentangled representations".
        PublishedStudy(
            "fairness_study_v1",
            _unsupervised,
            evaluation_files=tuple(map(shipped, _FAIRNESS_METRICS)),
        ),
        PublishedStudy("weakly_supervised_study", weakly_supervised_sweep),
        PublishedStudy(
            "few_labels_study",
            few_labels_sweep,
            model_file=shipped("studies/few_labels.gin"),
        ),
    )
}


def find(name):
    """The study with this name.

    Raises:
        ValueError: if there is none.
    """
    if name not in STUDIES:
        raise ValueError(
            f"--study must be one of {', '.join(STUDIES)}. Received: {name}"
        )
    return STUDIES[name]

"""From a representation to its scores on a few labelled images.

Such scores can select models if the factors of most images are not known (Locatello et
al., 2020, https://arxiv.org/abs/1905.01258, Section 3.2). The gin configurable
`labeller` makes the labels.
"""

import time
from collections.abc import Callable
from typing import Any

import gin
import numpy as np

from dmt.data.labellers import sample_supervised_data
from dmt.evaluation.evaluate import encoded_data, plain_scores, write_evaluation
from dmt.utils import checks, configuration, locks, stages


@locks.holding("output_dir")
@stages.configurable(
    "validation",
    "evaluation",
    denylist=[
        "model_dir",
        "output_dir",
        "overwrite",
        "resume",
        "shared_codes",
        "moments_dir",
    ],
)
def validate(
    model_dir: str,
    output_dir: str,
    overwrite: bool = False,
    validation_fn: Callable[..., dict[str, Any]] = gin.REQUIRED,
    random_seed: int = gin.REQUIRED,
    num_labelled_samples: int = gin.REQUIRED,
    name: str = "",
    resume: bool = False,
    shared_codes: dict | None = None,
    moments_dir: str | None = None,
) -> None:
    """Scores a representation with one metric on labelled images.

    Writes `results/` to `output_dir`, whole or not at all.

    Args:
        model_dir: directory that `postprocess` wrote.
        output_dir: directory to write.
        overwrite: whether to replace `output_dir` if it exists.
        validation_fn: the metric, a function `(observations, labels,
            representation_function) -> dict` of labels (num_labels, n), for example
            `mig_validation`.
        random_seed: integer in [0, 2**32), seed of the labelled images and the metric.
        num_labelled_samples: number of labelled images.
        name: label, recorded in the results.
        resume: whether to do nothing if the step is complete.
        shared_codes: see `dmt.evaluation.evaluate.evaluate`.
        moments_dir: see `dmt.evaluation.evaluate.evaluate`.

    Raises:
        FileNotFoundError: if `model_dir` holds no representation.
        ValueError: if `output_dir` exists and may not be replaced, or another process
            writes it.
    """
    checks.seed("validation.random_seed", random_seed)
    if configuration.is_done(
        output_dir, "validation", overwrite, resume, inputs=[model_dir]
    ):
        return
    start = time.time()
    dataset, data, codes = encoded_data(model_dir, shared_codes, moments_dir)

    def run(artifact_dir):
        del artifact_dir
        return scores_on_labels(
            data, codes, validation_fn, random_seed, num_labelled_samples
        )

    write_evaluation(
        run, model_dir, output_dir, name, dataset, start, step="validation"
    )


validate_with_gin = configuration.with_gin(validate)


def scores_on_labels(data, codes, validation_fn, random_seed, num_labelled_samples):
    """Results of a metric on labelled images of a `GroundTruthData`; see `validate`."""
    observations, labels, sizes = sample_supervised_data(
        random_seed, data, num_labelled_samples
    )
    if 0 in sizes:
        data.check_factors(getattr(validation_fn, "gin_name", validation_fn.__name__))
    # scikit-learn breaks ties between splits with NumPy's global generator.
    np.random.seed(random_seed)
    return plain_scores(validation_fn(observations, labels.T, codes))

"""From a trained model to a representation: images -> codes."""

import os
import time
from collections.abc import Callable

import gin
import keras
import numpy as np

from dmt.data.ground_truth import named_data
from dmt.methods import gaussian_encoder_model
from dmt.postprocessing import methods  # noqa: F401 (registers the methods)
from dmt.postprocessing.representation import Representation, save_representation
from dmt.utils import checks, configuration, files, locks, results


@locks.holding("output_dir")
@gin.configurable(
    "postprocess", denylist=["model_dir", "output_dir", "overwrite", "resume"]
)
def postprocess(
    model_dir: str,
    output_dir: str,
    overwrite: bool = False,
    postprocess_fn: Callable = gin.REQUIRED,
    random_seed: int = gin.REQUIRED,
    name: str = "",
    resume: bool = False,
) -> None:
    """Extracts the representation of a trained model.

    Writes `tfhub/` (SavedModel, signature `representation`: images -> default),
    `representation.keras` and `results/` to `output_dir`, whole or not at all.

    Args:
        model_dir: directory that `train` wrote.
        output_dir: directory to write.
        overwrite: whether to replace `output_dir` if it exists.
        postprocess_fn: for example `mean_representation`.
        random_seed: integer in [0, 2**32), seed of the method.
        name: label, recorded in the results.
        resume: whether to do nothing if the step is complete.

    Raises:
        FileNotFoundError: if `model_dir` holds no trained model.
        ValueError: if `output_dir` exists and may not be replaced, or another process
            writes it.
    """
    del name
    checks.seed("postprocess.random_seed", random_seed)
    if configuration.is_done(
        output_dir, "postprocess", overwrite, resume, inputs=[model_dir]
    ):
        return
    start = time.time()
    configuration.resolve_auto_dataset(
        os.path.join(model_dir, "results", "gin", "train.gin")
    )
    dataset = named_data.get_named_ground_truth_data()
    model = gaussian_encoder_model.load_model(model_dir, dataset.observation_shape)
    with files.replacing(output_dir) as directory:
        os.makedirs(directory)
        transform_fn, _ = postprocess_fn(
            dataset, model.encode, np.random.RandomState(random_seed), directory
        )
        representation = Representation(model.encoder, _as_model(transform_fn, model))
        save_representation(representation, directory)
        files.write_saved_model(
            os.path.join(directory, "tfhub"),
            [representation.encoder, representation.transform],
            {
                "representation": (
                    lambda images: {"default": representation(images)},
                    ("images", (None, *model.observation_shape)),
                )
            },
        )
        results.update_result_directory(
            os.path.join(directory, "results"),
            "postprocess",
            {"elapsed_time": time.time() - start},
            os.path.join(model_dir, "results"),
        )


postprocess_with_gin = configuration.with_gin(postprocess)


def _as_model(transform_fn, model):
    moments = [
        keras.Input((model.num_latent,), name="mean"),
        keras.Input((model.num_latent,), name="logvar"),
    ]
    return keras.Model(moments, transform_fn(*moments), name="transform")

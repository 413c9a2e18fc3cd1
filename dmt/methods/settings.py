"""The settings of training, `model.*` in gin files."""

import dataclasses
import inspect
from typing import Any

import gin
import numpy as np

from dmt.methods.shared.training import TrainableModel
from dmt.utils import checks

DTYPE_POLICIES = ("float32", "mixed_bfloat16")  # float16 would need its loss scaled.
_MOST = 2**31 - 1  # What a counter of steps holds.
LABELLED_SEEDS = ("unsupervised_data_seed", "supervised_data_seed", "model_seed")


@gin.configurable("model")
@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained.

    Attributes:
        model: an uninitialised model, for example `vae()`. In semi-supervised training
            it is the class itself (`@s2_vae` without parentheses in gin), even if the
            model makes no use of labels (`@vae`).
        training_steps: number of steps, which are updates unless the model counts an
            update as several steps; 0 leaves the model as it was initialised.
        batch_size: number of examples per update.
        random_seed: integer in [0, 2**32). The weights, the batches and the noise all
            follow from it. Semi-supervised training has three seeds instead.
        model_seed: integer in [0, 2**32), seed of the weights and the noise.
        unsupervised_data_seed: integer in [0, 2**32), seed of the batches.
        supervised_data_seed: integer in [0, 2**32), seed of labelled images and labels.
        num_labelled_samples: number of labelled images.
        train_percentage: share of the labelled images that is trained on. The model is
            evaluated on the others.
        eval_steps: number of batches of the evaluation after training.
        name: label, recorded in the results.
        model_num: number of the model in a study, recorded in the results.
        log_steps: number of steps between two lines of the learning curve.
        checkpoint_seconds: a checkpoint is written with a line of the learning curve
            if the last checkpoint is at least this old.
        resident: whether to keep all examples on the device and gather batches there
            instead of on the host. The batches are the same. Examples that are random
            numbers are drawn there.
        dtype_policy: "float32" or "mixed_bfloat16" (computations in bfloat16; weights,
            losses and codes in float32).
        jit_compile: True, False or "auto"; see `keras.Model.compile`.
        steps_per_execution: number of updates per call of the compiled function; must
            divide log_steps.

    Raises:
        ValueError: if a setting is missing or out of range.
    """

    # What is trained, and for how long.
    model: Any = gin.REQUIRED
    training_steps: int = gin.REQUIRED
    batch_size: int = gin.REQUIRED
    # Unsupervised and weakly supervised training.
    random_seed: int | None = None
    # Semi-supervised training.
    model_seed: int | None = None
    unsupervised_data_seed: int | None = None
    supervised_data_seed: int | None = None
    num_labelled_samples: int | None = None
    train_percentage: float | None = None
    # What is written.
    eval_steps: int = 1000
    name: str = ""
    model_num: int | None = None
    log_steps: int = 1000
    checkpoint_seconds: float = 60.0
    # How it is computed.
    resident: bool = False
    dtype_policy: str = "float32"
    jit_compile: bool | str = "auto"
    steps_per_execution: int = 1

    def __post_init__(self):
        self._check_supervision()
        for name, low in (
            ("training_steps", 0),
            ("batch_size", 1),
            ("eval_steps", 1),
            ("log_steps", 1),
            ("steps_per_execution", 1),
        ):
            checks.integer(f"model.{name}", getattr(self, name), low, _MOST)
        checks.number("model.checkpoint_seconds", self.checkpoint_seconds, 0)
        checks.boolean("model.resident", self.resident)
        checks.one_of("model.dtype_policy", self.dtype_policy, DTYPE_POLICIES)
        checks.one_of("model.jit_compile", self.jit_compile, (True, False, "auto"))
        if self.log_steps % self.steps_per_execution:
            raise ValueError(
                "model.log_steps must be a multiple of model.steps_per_execution. "
                f"Received: log_steps={self.log_steps}, "
                f"steps_per_execution={self.steps_per_execution}"
            )

    @staticmethod
    def updates(steps: int, model: TrainableModel) -> int:
        """The number of updates that make at least so many steps."""
        return -(-steps // model.steps_per_update)

    @property
    def is_semi_supervised(self) -> bool:
        """Whether the model is also trained on labelled images."""
        return self.model_seed is not None

    def make_model(self) -> TrainableModel:
        """The model to train, not yet initialised."""
        if not self.is_semi_supervised:
            return self.model
        return self.model.of_labelled_data(
            self.supervised_data_seed, self.num_labelled_samples, self.train_percentage
        )

    def seeds(self) -> tuple[Any, Any, Any]:
        """Seeds of the model, of the batches to train on and of those to evaluate on.

        They are disentanglement_lib's, except that it evaluates a semi-supervised model
        on the batches that it was trained on.
        """
        if self.is_semi_supervised:
            random_state = np.random.RandomState(self.unsupervised_data_seed)
            evaluation_seed = random_state.randint(2**32)
            return self.model_seed, self.unsupervised_data_seed, evaluation_seed
        random_state = np.random.RandomState(self.random_seed)
        data_seed, evaluation_seed = random_state.randint(2**32, size=2)
        return self.random_seed, int(data_seed), int(evaluation_seed)

    def _check_supervision(self):
        """Checks that all settings agree on whether training is semi-supervised."""
        names = (*LABELLED_SEEDS, "num_labelled_samples", "train_percentage")
        missing = [f"model.{name}" for name in names if getattr(self, name) is None]
        if len(missing) < len(names) or getattr(self.model, "takes_labels", False):
            self._check_semi_supervised(missing)
        elif self.random_seed is None:
            raise ValueError(
                "Required gin bindings are missing: model.random_seed; semi-supervised "
                f"training has {', '.join(missing)} instead. Received: random_seed=None"
            )
        elif not isinstance(self.model, TrainableModel):
            raise ValueError(
                "model.model must be a model, written with parentheses as in @vae(), "
                "of a class that derives from BaseVAE or TrainableModel. "
                f"Received: model={self.model!r}"
            )
        else:
            checks.seed("model.random_seed", self.random_seed)

    def _check_semi_supervised(self, missing):
        model = self.model
        if not (inspect.isclass(model) and issubclass(model, TrainableModel)):
            raise ValueError(
                "In semi-supervised training model.model must be a class, written "
                f"without parentheses as in @s2_vae. Received: model={model!r}"
            )
        if self.random_seed is not None:
            raise ValueError(
                "Semi-supervised training has model.model_seed and "
                "model.unsupervised_data_seed in place of model.random_seed. Received: "
                f"random_seed={self.random_seed!r}"
            )
        if missing:
            raise ValueError(
                "Required gin bindings are missing, all for semi-supervised training: "
                f"{', '.join(missing)}."
            )
        for name in LABELLED_SEEDS:
            checks.seed(f"model.{name}", getattr(self, name))
        checks.integer(
            "model.num_labelled_samples", self.num_labelled_samples, 1, _MOST
        )
        checks.number("model.train_percentage", self.train_percentage, 0)

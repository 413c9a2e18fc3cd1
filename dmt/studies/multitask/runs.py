"""Does learning many tasks disentangle? The study of Maziarka et al. (2021).

"On the relationship between disentanglement and multi-task learning",
https://arxiv.org/abs/2110.03498. Encoders are trained on all random tasks together, on
one task at a time, or not at all. Decoders are then trained on their frozen codes, and
heads on the codes of auto-encoders. Each model is trained with several seeds.
"""

import dataclasses
import functools
import os

import gin

from dmt.data.ground_truth import named_data
from dmt.data.tasks import RandomTasks, train_and_test_rows
from dmt.runs.runner import Run
from dmt.runs.steps import Step, scoring
from dmt.studies.multitask.paper import DECODED_ENCODERS
from dmt.utils import configuration
from dmt.utils.configuration import shipped

TEST_SHARE = 0.2
SUBSETS = ("random", "halves")
# Lines of gin of the auto-encoders.
AUTOENCODER_BINDINGS = {
    "autoencoder": (),
    "vae": ("model.model = @vae()", "vae.beta = 1.0"),
    "factor_vae": ("model.model = @factor_vae()", "factor_vae.gamma = 10.0"),
}
# Gin files of the metrics.
METRIC_FILES = {
    "mig": "metrics/mig.gin",
    "factor_vae_score": "metrics/factor_vae_metric.gin",
    "sap_score": "metrics/sap_score.gin",
    "dci": "metrics/dci.gin",
    "component_retrieval": "more_metrics/component_retrieval.gin",
}
# Passes over the images, batch sizes and learning rates of the paper.
EPOCHS = {"tasks": 200, "decoder": 500, "autoencoder": 100, "heads": 30}
BATCH_SIZES = {"tasks": 256, "decoder": 64, "autoencoder": 64, "heads": 64}
LEARNING_RATES = {"tasks": 1e-3, "decoder": 2e-4, "autoencoder": 1e-4, "heads": 1e-4}


@gin.configurable("multitask_study", denylist=["dataset"])
@dataclasses.dataclass
class Study:
    """What is trained and how long, as in gin_configs/multitask/{small,paper}.gin.

    A binding of a dictionary replaces the whole dictionary of the gin file.

    Attributes:
        dataset: name of an indexable dataset with all combinations of factors.
        seeds: seeds of the models, at least two. Tasks are the same for all seeds.
        num_tasks: number of tasks of all encoders but those of `nums_of_tasks`.
        nums_of_tasks: other numbers of tasks, which a table compares.
        pooling: side of the square of pixels that is averaged to one pixel.
        max_steps: {key of `EPOCHS`: largest number of updates}.
        batch_sizes: {key of `EPOCHS`: batch size, if it is not the paper's}.
        learning_rates: {key of `EPOCHS`: learning rate, if it is not the paper's}.
        hidden_units: sizes of the hidden layers of each head.
        decoder: gin name of the architecture of the decoders.
        activation: activation function of the auto-encoders.
        num_images: largest number of images to train heads with, None for all.
        num_test_images: number of images of the test losses of tasks, None for all.
        model_bindings: lines of gin for every training.
        metric_bindings: {name in `METRIC_FILES`: lines of gin}.
    """

    dataset: str
    seeds: tuple = (0, 1, 2)
    num_tasks: int = 10
    nums_of_tasks: tuple = (5, 20, 30, 40, 50)
    pooling: int = 1
    max_steps: dict = dataclasses.field(default_factory=dict)
    batch_sizes: dict = dataclasses.field(default_factory=dict)
    learning_rates: dict = dataclasses.field(default_factory=dict)
    hidden_units: tuple = (300, 300, 300)
    decoder: str = "simple_conv64_decoder"
    activation: str = "tanh"
    num_images: int | None = None
    num_test_images: int | None = None
    model_bindings: tuple = ()
    metric_bindings: dict = dataclasses.field(default_factory=dict)
    # Set by `open_study`: the text that tells studies apart.
    configuration = ""

    def __post_init__(self):
        """Checks the values and opens the dataset."""
        if len(self.seeds) < 2:
            raise ValueError(
                "multitask_study.seeds needs two seeds for standard deviations. "
                f"Received: seeds={self.seeds!r}"
            )
        names = ("max_steps", "batch_sizes", "learning_rates")
        keys = {**dict.fromkeys(names, EPOCHS), "metric_bindings": METRIC_FILES}
        for name, known in keys.items():
            unknown = sorted(set(getattr(self, name)) - set(known))
            if unknown:
                raise ValueError(
                    f"The keys of multitask_study.{name} are among {', '.join(known)}. "
                    f"Received: {', '.join(map(repr, unknown))}"
                )
        self._data = named_data.open_dataset(self.dataset)
        if self._data.size is None or not self._data.has_all_combinations:
            raise ValueError(
                "The study needs a dataset with all combinations of factors whose "
                f"images have indices. Received: dataset={self.dataset!r}"
            )

    def prepare(self) -> None:
        """Computes the targets of all tasks, so that runs only need to read them."""
        most = max([self.num_tasks, *self.nums_of_tasks])
        RandomTasks(num_tasks=most).targets(self._data)
        for subset in SUBSETS:
            tasks = RandomTasks(num_tasks=self.num_tasks, factor_subset=subset)
            tasks.targets(self._data)

    def stages(self, output_dir: str) -> list[list[Run]]:
        """The encoders, then the decoders of their codes."""
        autoencoders, encoders, decoders = [], [], []
        for seed in self.seeds:
            run = functools.partial(self._run, output_dir, seed)
            for name, own in AUTOENCODER_BINDINGS.items():
                scores = self._evaluations() | self._heads(name, seed)
                bindings = self._autoencoder()
                autoencoders.append(run(name, "autoencoder", bindings, own, scores))
            for name, own in self.task_encoders().items():
                scores, bindings = self._evaluations(), self._task_model()
                encoders.append(run(name, "multi_head", bindings, own, scores))
            for name in DECODED_ENCODERS:
                encoder_dir = f"{output_dir}/{name}/seed_{seed}/model"
                own = (f"decoder_on_frozen_encoder.encoder_dir = {encoder_dir!r}",)
                name = f"{name}_decoder"
                decoders.append(run(name, "decoder", self._decoder(), own))
        # Auto-encoders take longest, so they come first.
        return [[*autoencoders, *encoders], decoders]

    def _run(self, output_dir, seed, name, gin_file, bindings, own, evaluations=None):
        """A run: `bindings` are those of a kind of model, `own` those of this model."""
        directory = os.path.join(output_dir, f"{name}/seed_{seed}")
        lines = (
            *bindings,
            *self._dataset(),
            f"model.random_seed = {seed}",
            *self.model_bindings,
            *own,
        )
        gin_files = (shipped(f"multitask/{gin_file}.gin"),)
        model_dir = os.path.join(directory, "model")
        training = Step("train", model_dir, None, gin_files, lines)
        following = scoring(directory, evaluations) if evaluations else []
        return Run(f"{name}/seed_{seed}", directory, (training, *following))

    def write_page(self, output_dir: str) -> str:
        """Writes tables, figures and the page of the complete study."""
        from dmt.studies.multitask import page

        return page.write(self, output_dir)

    def single_tasks(self):
        """Names of the encoders that are trained on one task each."""
        return [f"single_task_{task}" for task in range(self.num_tasks)]

    def numbers_of_tasks(self):
        """Names of the multi-head encoders by number of tasks."""
        names = {number: f"multi_head_{number}_tasks" for number in self.nums_of_tasks}
        return dict(sorted({**names, self.num_tasks: "multi_head"}.items()))

    def task_encoders(self):
        """Lines of gin of each encoder that is trained on tasks, or not at all."""
        encoders = {
            "random": ("model.training_steps = 0",),
            "multi_head": (),
            "one_head": ('multi_task.heads = "one"',),
        }
        for task, name in enumerate(self.single_tasks()):
            encoders[name] = (f"multi_task.only_task = {task}",)
        for number, name in self.numbers_of_tasks().items():
            encoders.setdefault(name, (f"random_tasks.num_tasks = {number}",))
        for subset in SUBSETS:
            encoders[f"multi_head_{subset}_factors"] = (
                f"random_tasks.factor_subset = {subset!r}",
            )
        return encoders

    def _dataset(self):
        if self.pooling == 1:
            return (f"dataset.name = {self.dataset!r}",)
        return (
            'dataset.name = "pooled"',
            f"pooled.base = {self.dataset!r}",
            f"pooled.factor = {self.pooling}",
        )

    def _training(self, kind):
        """Number of updates, batch size and learning rate of a kind of training."""
        size = self._data.size
        if kind in ("tasks", "heads"):
            size = len(train_and_test_rows(size, TEST_SHARE, 0)[0])
        batch_size = self.batch_sizes.get(kind, BATCH_SIZES[kind])
        steps = max(1, round(EPOCHS[kind] * size / batch_size))
        return (
            min(steps, self.max_steps.get(kind, steps)),
            batch_size,
            self.learning_rates.get(kind, LEARNING_RATES[kind]),
        )

    def _schedule(self, kind, rate):
        """Lines of gin of the length of a training; `rate` binds its learning rate."""
        steps, batch_size, learning_rate = self._training(kind)
        return (
            f"model.training_steps = {steps}",
            f"model.batch_size = {batch_size}",
            f"model.log_steps = {min(steps, 1000)}",
            "model.eval_steps = 50",
            f"{rate} = {learning_rate}",
        )

    def _task_model(self):
        return (
            *self._schedule("tasks", "AdamOptimizer.learning_rate"),
            f"random_tasks.num_tasks = {self.num_tasks}",
            f"heads.hidden_units = {self.hidden_units}",
            f"multi_task.test_share = {TEST_SHARE}",
            f"multi_task.max_test_images = {self.num_test_images}",
        )

    def _autoencoder(self):
        return (
            *self._schedule("autoencoder", "vae/AdamOptimizer.learning_rate"),
            f"decoder.decoder_fn = @{self.decoder}",
            f"simple_conv64_encoder.activation = {self.activation!r}",
            f"simple_conv64_decoder.activation = {self.activation!r}",
        )

    def _decoder(self):
        steps, _, _ = self._training("decoder")
        return (
            *self._schedule("decoder", "exponential_decay.learning_rate"),
            f"decoder.decoder_fn = @{self.decoder}",
            f"exponential_decay.decay_steps = {-(-steps // 5)}",
        )

    def _evaluations(self):
        return {
            name: ((shipped(path),), tuple(self.metric_bindings.get(name, ())))
            for name, path in METRIC_FILES.items()
        }

    def _heads(self, name, seed):
        """Heads on the codes, and once, with the auto-encoder, on the true factors."""
        steps, batch_size, learning_rate = self._training("heads")
        bindings = (
            f"evaluation.random_seed = {seed}",
            f"random_tasks.num_tasks = {self.num_tasks}",
            f"task_heads.training_steps = {steps}",
            f"task_heads.batch_size = {batch_size}",
            f"task_heads.learning_rate = {learning_rate}",
            f"task_heads.test_share = {TEST_SHARE}",
            f"task_heads.num_train = {self.num_images}",
            f"task_heads.num_test = {self.num_test_images}",
            f"heads.hidden_units = {self.hidden_units}",
        )
        files = (shipped("multitask/task_heads.gin"),)
        heads = {"task_heads": (files, bindings)}
        if name == "autoencoder":
            on_factors = (*bindings, "task_heads.on_factors = True")
            heads["task_heads_on_factors"] = (files, on_factors)
        return heads


def open_study(
    name: str, gin_bindings: tuple[str, ...], dataset: str, scale: str
) -> Study:
    """Opens the study with the options that `dmt.studies.multitask` registers."""
    gin_file = shipped(f"multitask/{scale}.gin")
    with configuration.gin_configuration([gin_file], gin_bindings):
        study = Study(dataset)
        study.configuration = f"# {name} {dataset}\n{gin.config_str()}"
    return study

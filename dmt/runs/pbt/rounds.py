"""Members on disk, and what worker processes do in a round: train and score them."""

import dataclasses
import os
from contextlib import AbstractContextManager
from typing import Any

import gin
import keras
import numpy as np

from dmt.evaluation.codes import MomentTable
from dmt.methods import train
from dmt.methods.population import sizes
from dmt.methods.population.population import PopulationSettings
from dmt.methods.population.train_population import train_prepared
from dmt.methods.run_state import InfiniteLoss
from dmt.methods.settings import TrainingSettings
from dmt.methods.shared import optimizers
from dmt.runs.pbt.settings import PBT, Member, best_of
from dmt.runs.runner import logged_to
from dmt.utils import configuration, files, results


@dataclasses.dataclass(frozen=True)
class Members:
    """The members of a population on disk.

    The result of a member's round depends only on the checkpoint of its parent, its
    hyperparameters and its seeds, and is written to its own directory. Rounds can
    therefore be killed and repeated at any point, and end with the same scores and
    weights.

    Attributes:
        settings: the settings of the population.
        output_dir: directory of the population.
        gin_files: paths of the gin files of the training.
        gin_bindings: lines of gin that override the files.
    """

    settings: PBT
    output_dir: str
    gin_files: tuple[str, ...]
    gin_bindings: tuple[str, ...]

    def configuration(
        self, member: Member, model: int = 0, steps: int = 1
    ) -> AbstractContextManager:
        """The gin configuration of a model of a member; see `bindings`."""
        bindings = self.bindings(member, model, steps)
        return configuration.gin_configuration(self.gin_files, bindings)

    def bindings(self, member: Member, model: int = 0, steps: int = 1) -> list[str]:
        """Lines of gin of a model of a member, trained for a number of steps."""
        hyperparameters = member["hyperparameters"]
        seeds = np.random.SeedSequence([self.settings.seed, member["member"], model])
        return [
            *self.gin_bindings,
            *(f"{name} = {value!r}" for name, value in hyperparameters.items()),
            f"model.random_seed = {int(seeds.generate_state(1)[0])}",
            f"model.training_steps = {steps}",
        ]

    def directory(self, number: int, member: int) -> str:
        """Directory of the round `number` of a member."""
        return os.path.join(self.output_dir, f"round_{number}", f"member_{member}")

    def model_dir(self, number: int, member: int, model: int) -> str:
        """Directory of a model of a member in a round."""
        return os.path.join(self.directory(number, member), f"model_{model}")

    def score_path(self, number: int, member: int) -> str:
        """File with the score of a member, written when its round is complete."""
        return os.path.join(self.directory(number, member), "score.json")

    def score(self, number: int, member: int) -> dict[str, Any]:
        """The score of a member whose round is complete."""
        return results.load_json(self.score_path(number, member))

    def first_step(self, number: int, member: Member) -> int:
        """Number of steps before a round."""
        if member["parent"] is None:
            return 0
        return self.score(number - 1, member["parent"])["step"]

    def remove_checkpoints(self, lineage: list[list[Member]]) -> None:
        """Deletes the models that neither a later round nor the best model needs."""
        best = best_of(lineage)
        for number, plan in enumerate(lineage[:-1]):
            for member in plan:
                if (number, member["member"]) == (best["round"], best["member"]):
                    continue
                folder = self.directory(number, member["member"])
                for name in os.listdir(folder):
                    if name.startswith("model_"):
                        files.discard(os.path.join(folder, name))


def most_at_once(members: Members, member: Member) -> int:
    """See `sizes.most_at_once`. It is here so that the process knows `pbt` in gin."""
    return sizes.most_at_once(members.gin_files, members.bindings(member))


def train_and_score(
    members: Members, number: int, plan: list[Member], together: bool
) -> None:
    """Trains and scores some members in a round unless this is done.

    Batches of the members have the same size. If `together`, all of their models are
    trained as one program.
    """
    paths = [members.score_path(number, member["member"]) for member in plan]
    if all(map(os.path.exists, paths)):
        return
    num_models = members.settings.models_per_member
    step = _last_step(members, number, plan[0])
    models = [(member, model) for member in plan for model in range(num_models)]
    runs = _prepare_all(members, number, models, step)
    population = None
    if together:
        with members.configuration(*models[0], step):
            population = PopulationSettings()
    if together and len({run.state.step() for run in runs}) > 1:
        # The round was killed while checkpoints were written. In other groups members
        # would be rounded differently, so all start again.
        for run in runs:
            files.discard(run.model_dir)
        runs = _prepare_all(members, number, models, step)
    # All models of a member see the same batches.
    seeds = [int(runs[i - i % num_models].data_seed) for i in range(len(runs))]
    with logged_to(members.directory(number, plan[0]["member"])):
        failed = _fit(runs, seeds, population)
    trained = [run for run in runs if run.model_dir not in failed]
    tables = {}
    if together and trained:
        table = MomentTable(runs[0].data, [run.model.encoder for run in trained])
        tables = {run.model_dir: table.of(k) for k, run in enumerate(trained)}
    for i, (member, path) in enumerate(zip(plan, paths, strict=True)):
        own = runs[i * num_models : (i + 1) * num_models]
        score = {"score": 0.0, "model": 0, "step": step, "failed": True}
        if not failed.intersection(run.model_dir for run in own):
            with members.configuration(member, 0, step):
                score |= _score_models(members.settings.seed, own, tables)
        results.save_dict(path, score)
    keras.backend.clear_session()


def write_best(members: Members, best: Member) -> None:
    """Writes the model that `best_of` found to `model/`, as `dmt_train` does."""
    model_dir = os.path.join(members.output_dir, "model")
    if results.is_complete(model_dir, "train"):
        return
    number, member, model = best["round"], best["member"], best["model"]
    if not os.path.exists(model_dir):
        with files.replacing(model_dir) as directory:
            files.copy_tree(members.model_dir(number, member, model), directory)
    with members.configuration(best, model, best["step"]):
        run = _prepare(model_dir)
    train.finish(run)


def _last_step(members, number, member):
    """Number of steps at the end of a round."""
    with members.configuration(member):
        settings = TrainingSettings()
    updates = max(1, round(members.settings.images_per_round / settings.batch_size))
    steps = updates * settings.model.steps_per_update
    return members.first_step(number, member) + steps


def _prepare_all(members, number, models, step):
    """Prepares the training of models, list of (member, number of the model)."""
    runs = []
    for member, model in models:
        model_dir = members.model_dir(number, member["member"], model)
        checkpoint = None
        if member["parent"] is not None:
            parent_dir = members.model_dir(number - 1, member["parent"], model)
            checkpoint = os.path.join(parent_dir, "tf_checkpoint", "checkpoint.npz")
        with members.configuration(member, model, step):
            runs.append(_prepare(model_dir, checkpoint))
    dataset = runs[0].data
    if dataset.size is None:
        raise ValueError(
            "Members are scored on images that have indices. "
            f"Received: {dataset.name}, which draws random pixels"
        )
    return runs


def _prepare(model_dir, checkpoint=None):
    """Prepares training from its own checkpoint, or else from that of the parent."""
    run = train.prepare(model_dir, resume=True)
    if checkpoint and run.state.step() == 0:
        # The optimizer state is the parent's, except for the learning rate.
        rates = [(o, o.learning_rate) for o in optimizers.parts_of(run.model.optimizer)]
        rates = [(o, float(r)) for o, r in rates if isinstance(r, keras.Variable)]
        run.state.restore(checkpoint)
        for optimizer, rate in rates:
            optimizer.learning_rate = rate
    return run


def _fit(runs, seeds, population):
    """Trains models; returns the directories of those whose loss became infinite.

    With `PopulationSettings`, they are trained as one program.
    """
    if population is not None:
        return set(train_prepared(runs, population, seeds))
    failed = set()
    for run, seed in zip(runs, seeds, strict=True):
        try:
            train.fit(run, run.model, run.state, run.training_data, seed)
        except InfiniteLoss:  # The learning rate was too large.
            failed.add(run.model_dir)
    return failed


def _score_models(seed, runs, tables):
    """Score of a member and number of its best model, {} if its codes are infinite.

    `tables` has the `MomentTable` of models whose codes are computed together.
    """
    data = runs[0].data
    own = [tables.get(r.model_dir) or MomentTable(data, r.model.encoder) for r in runs]
    score_fn = gin.get_bindings("pbt")["score_fn"]
    try:
        score, model = score_fn(data, own, np.random.RandomState(seed))
    except ValueError as error:
        if "finite" not in str(error):
            raise
        return {}
    if not np.isfinite(score):
        return {}
    return {"score": float(score), "model": model, "failed": False}

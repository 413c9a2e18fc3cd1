"""Population-based training with synchronous truncation selection.

Jaderberg et al. (2017), "Population based training of neural networks", as Estermann,
Marks and Yanik (2020), "Robust disentanglement of a few factors at a time"
(https://arxiv.org/abs/2010.13527), use it: every round all members train on as many
images and are scored; the worst take over weights, optimiser state and hyperparameters
of the best and perturb the hyperparameters.

A member's round is a function of its parent's checkpoint, its hyperparameters and
seeds, kept in a directory of its own: rounds can be killed and started again at any
point, and end with the same lineage and weights.
"""

import contextlib
import functools
import math
import os
import shutil

import gin
import keras
import numpy as np

from dmt.evaluation.codes import MomentTable
from dmt.methods import train
from dmt.methods.population import sizes
from dmt.methods.population.population import PopulationSettings
from dmt.methods.population.train_population import (
    shared_configuration,
    train_prepared,
)
from dmt.methods.run_state import InfiniteLoss
from dmt.methods.shared import optimizers
from dmt.runs import pbt_scores  # noqa: F401 (registers the scores)
from dmt.utils import configuration, files, processes, results
from dmt.utils.processes import Task

SCORE_FILE = "score.json"


def train_with_gin(
    output_dir,
    gin_files,
    gin_bindings,
    num_workers=0,
    population="auto",
    engine="local",
):
    """Trains a population as gin configures it, see `PBT`.

    Args:
        output_dir: directory to write or to finish.
        gin_files: paths of gin files: `pbt.*` and those of the training.
        gin_bindings: lines of gin that override them.
        num_workers: number of processes, 0 for one per core (one if there is a GPU).
        population: number of models to train as one program, or "auto"; models of a
            member are never divided. Members of one program have one size of batches
            and made as many updates.
        engine: what the processes belong to, see `processes.executors`.

    Returns:
        Directory of the best model.
    """
    num_workers = processes.number_of(num_workers)
    population = processes.population_of(population)
    output_dir = os.path.abspath(output_dir)
    gin_files = tuple(map(os.path.abspath, gin_files))
    with configuration.gin_configuration(gin_files, gin_bindings):
        settings = PBT()
    settings.run(
        output_dir,
        gin_files,
        tuple(gin_bindings),
        num_workers,
        population,
        engine,
    )
    return os.path.join(output_dir, "model")


@gin.configurable("pbt")
class PBT:
    """The settings of population-based training."""

    def __init__(
        self,
        population_size=gin.REQUIRED,
        num_rounds=gin.REQUIRED,
        images_per_round=gin.REQUIRED,
        hyperparameters=gin.REQUIRED,
        score_fn=gin.REQUIRED,
        seed=gin.REQUIRED,
        limits=None,
        models_per_member=1,
        cut=0.2,
        factors=(2, 1.2, 0.8, 0.5),
        halve_after_first_round=False,
    ):
        """Checks the settings.

        Args:
            population_size: number of members.
            num_rounds: number of rounds of training and scoring.
            images_per_round: images that each model sees in a round.
            hyperparameters: {name of a gin binding: list of values}; the first values
                are drawn from the list. If all are integers, later ones are too.
            score_fn: function (dataset, models, random_state) -> (score, number of the
                best model), for example `pbt_mig`; larger is better.
            seed: integer, at least 0.
            limits: {name of a gin binding: (smallest, largest)}, for those that have.
            models_per_member: models with the same hyperparameters and other seeds.
            cut: share of the members that is replaced after each round, in (0, 0.5].
            factors: what a copied hyperparameter is multiplied by, drawn uniformly.
            halve_after_first_round: whether only the better half goes on after the
                first round.

        Raises:
            ValueError: if a setting is out of range.
        """
        for name, value in (
            ("population_size", population_size),
            ("num_rounds", num_rounds),
            ("images_per_round", images_per_round),
            ("models_per_member", models_per_member),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"pbt.{name} must be an integer, at least 1. "
                    f"Received: {name}={value!r}"
                )
        if not callable(score_fn):
            raise ValueError(
                "pbt.score_fn must be a score, as in @pbt_mig. "
                f"Received: score_fn={score_fn!r}"
            )
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(
                f"pbt.seed must be an integer, at least 0. Received: seed={seed!r}"
            )
        if not 0 < cut <= 0.5:
            raise ValueError(f"pbt.cut must be in (0, 0.5]. Received: cut={cut!r}")
        if not isinstance(hyperparameters, dict) or not all(hyperparameters.values()):
            raise ValueError(
                "pbt.hyperparameters is a dictionary from gin bindings to lists of "
                f"values. Received: hyperparameters={hyperparameters!r}"
            )
        unknown = set(limits or {}) - set(hyperparameters)
        if unknown:
            raise ValueError(
                f"pbt.limits names what is no hyperparameter: {sorted(unknown)}."
            )
        self.population_size = population_size
        self.num_rounds = num_rounds
        self.images_per_round = images_per_round
        self.hyperparameters = hyperparameters
        self.seed = seed
        self.limits = limits or {}
        self.models_per_member = models_per_member
        self.cut = cut
        self.factors = factors
        self.halve_after_first_round = halve_after_first_round

    def run(
        self,
        output_dir,
        gin_files,
        gin_bindings,
        num_workers,
        population="auto",
        engine="local",
    ):
        """Makes the rounds that are missing, then `model/` and `lineage.json`.

        Args:
            output_dir: directory to write or to finish.
            gin_files: paths of gin files of the training.
            gin_bindings: lines of gin that override them.
            num_workers: number of processes.
            population: see `train_with_gin`.
            engine: see `processes.executors`.

        Raises:
            ValueError: if the directory holds rounds of other settings.
        """
        plan, lineage = self.first_plan(), []
        for member in plan:
            # A binding that gin refuses must not leave a directory.
            bindings = _bindings(self, gin_bindings, member, 0, 1)
            with configuration.gin_configuration(gin_files, bindings):
                pass
        shared = (self, gin_files, gin_bindings, output_dir)
        with (
            processes.only_in(output_dir),
            processes.executors(num_workers, engine) as (executor, _, num_trainers),
        ):
            with configuration.gin_configuration(gin_files, gin_bindings):
                configuration.check_same(
                    os.path.join(output_dir, "config.gin"),
                    gin.config_str(),
                    f"{output_dir} was begun with another configuration; give the same "
                    "one or another directory.",
                )
            groups_of = _Groups(*shared, executor, population, num_trainers)
            for number in range(self.num_rounds):
                if lineage:
                    plan = self.next_plan(plan, number - 1)
                tasks = {}
                for members, together in groups_of(plan, number):
                    numbers = ", ".join(str(member["member"]) for member in members)
                    tasks[f"round {number}, member {numbers}"] = Task(
                        executor,
                        _train_and_score,
                        (*shared, number, members, together),
                    )
                progress = processes.Progress(len(tasks))
                processes.run_all(tasks.items(), progress.end)
                for member in plan:
                    member |= _score(output_dir, number, member["member"])
                lineage.append(plan)
                results.save_dict(
                    {"rounds": lineage}, os.path.join(output_dir, "lineage.json")
                )
                _remove_checkpoints(output_dir, lineage)
            task = Task(executor, _write_best, (*shared, best_of(lineage)))
            processes.run_all([("best model", task)], processes.Progress(1).end)

    def first_plan(self):
        """The members of the first round, with hyperparameters drawn for each."""
        random_state = np.random.RandomState([self.seed, 0])
        return [
            {
                "member": member,
                "parent": None,
                "hyperparameters": {
                    name: values[random_state.randint(len(values))]
                    for name, values in self.hyperparameters.items()
                },
            }
            for member in range(self.population_size)
        ]

    def next_plan(self, plan, number):
        """The members of the next round: who goes on from whom, and how.

        Args:
            plan: members of this round with their scores.
            number: of this round, from 0 on.
        """
        random_state = np.random.RandomState([self.seed, number + 1])
        order = sorted(plan, key=lambda member: member["score"])
        if number == 0 and self.halve_after_first_round:
            order = order[len(order) // 2 :]
        # One alone has nobody to learn from.
        num_replaced = math.ceil(self.cut * len(order)) if len(order) > 1 else 0
        able = [member for member in order if not member["failed"]]
        if not able:
            raise ValueError(
                f"All members failed in round {number}: lower the learning rates in "
                "pbt.hyperparameters or set pbt.limits."
            )
        top = able[-num_replaced:] if num_replaced else able
        following = []
        for place, member in enumerate(order):
            parent = member
            if place < num_replaced or member["failed"]:
                parent = top[random_state.randint(len(top))]
            changed = parent["hyperparameters"]
            if parent is not member:
                changed = {
                    name: self._perturbed(name, value, random_state)
                    for name, value in changed.items()
                }
            following.append(
                {
                    "member": member["member"],
                    "parent": parent["member"],
                    "hyperparameters": changed,
                }
            )
        return sorted(following, key=lambda member: member["member"])

    def _perturbed(self, name, value, random_state):
        changed = value * self.factors[random_state.randint(len(self.factors))]
        low, high = self.limits.get(name, (-math.inf, math.inf))
        changed = min(max(changed, low), high)
        if all(isinstance(first, int) for first in self.hyperparameters[name]):
            changed = math.ceil(changed)
        return changed


def best_of(lineage):
    """The member of all rounds with the best score, and its round."""
    ranked = [
        (member["score"], -number, -member["member"], member)
        for number, plan in enumerate(lineage)
        for member in plan
        if not member["failed"]
    ]
    if not ranked:
        raise ValueError("All members failed in all rounds; see lineage.json.")
    _, number, _, member = max(ranked, key=lambda entry: entry[:3])
    return {**member, "round": -number}


def _member_dir(output_dir, number, member):
    return os.path.join(output_dir, f"round_{number}", f"member_{member}")


def _model_dir(output_dir, number, member, model):
    return os.path.join(_member_dir(output_dir, number, member), f"model_{model}")


def _score(output_dir, number, member):
    """What a member's round wrote when it was complete."""
    folder = _member_dir(output_dir, number, member)
    return results.load_json(os.path.join(folder, SCORE_FILE))


def _checkpoint(model_dir):
    return os.path.join(model_dir, "tf_checkpoint", "checkpoint.npz")


def _remove_checkpoints(output_dir, lineage):
    """Deletes the checkpoints that no later round, and no best model, needs."""
    best = best_of(lineage)
    last = len(lineage) - 1
    for number, plan in enumerate(lineage[:last]):
        for member in plan:
            if (number, member["member"]) != (best["round"], best["member"]):
                folder = _member_dir(output_dir, number, member["member"])
                for name in os.listdir(folder):
                    if name.startswith("model_"):
                        files.remove(os.path.join(folder, name))


def _seed(settings, member, model):
    sequence = np.random.SeedSequence([settings.seed, member, model])
    return int(sequence.generate_state(1)[0])


def _bindings(settings, gin_bindings, member, model, steps):
    hyperparameters = member["hyperparameters"]
    return [
        *gin_bindings,
        *(f"{name} = {value!r}" for name, value in hyperparameters.items()),
        f"model.random_seed = {_seed(settings, member['member'], model)}",
        f"model.training_steps = {steps}",
    ]


def _prepare(model_dir, checkpoint=None):
    """A `train.Training`, at the step of its own checkpoint or else of another's."""
    run = train.prepare(model_dir, resume=True)
    if checkpoint and run.state.step() == 0:
        rates = [(o, o.learning_rate) for o in optimizers.parts_of(run.model.optimizer)]
        rates = [(o, float(r)) for o, r in rates if isinstance(r, keras.Variable)]
        run.state.restore(checkpoint)
        for optimizer, rate in rates:
            optimizer.learning_rate = rate
    return run


class _Groups:
    """Which members are trained by one process, and whether as one program."""

    def __init__(
        self,
        settings,
        gin_files,
        gin_bindings,
        output_dir,
        executor,
        population,
        num_trainers,
    ):
        self._settings = settings
        self._gin_files = gin_files
        self._gin_bindings = gin_bindings
        self._output_dir = output_dir
        self._executor = executor
        self._population = population
        self._num_trainers = num_trainers
        self._most = {}

    def __call__(self, plan, number):
        """Groups of a round, list of (list of members, whether together).

        They are kept on disk: in other groups, members would be rounded otherwise.

        Args:
            plan: the members.
            number: of the round.
        """
        path = os.path.join(self._output_dir, f"round_{number}", "groups.json")
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            results.save_dict({"groups": self._divide(plan, number)}, path)
        members = {member["member"]: member for member in plan}
        return [
            ([members[number] for number in numbers], together)
            for numbers, together in results.load_json(path)["groups"]
        ]

    def _divide(self, plan, number):
        models, alike, groups = self._settings.models_per_member, {}, []
        for member in plan:
            bindings = _bindings(self._settings, self._gin_bindings, member, 0, 1)
            # One program makes a number of updates of one kind.
            start = _first_step(self._output_dir, number, member)
            key = (shared_configuration(self._gin_files, bindings), start)
            alike.setdefault(key, []).append((member["member"], bindings))
        for (kind, _), members in alike.items():
            size = sizes.size_of(
                len(members) * models,
                self._population,
                self._num_trainers,
                functools.partial(self._limit, kind, members[0][1]),
            )
            step = max(1, size // models)
            numbers = [number for number, _ in members]
            for first in range(0, len(numbers), step):
                part = numbers[first : first + step]
                groups.append((part, size > 1 and len(part) * models > 1))
        return groups

    def _limit(self, kind, bindings):
        if kind not in self._most:
            future = processes.submit(
                self._executor, _most_at_once, self._gin_files, bindings
            )
            self._most[kind] = sizes.limit_of(future)
        return self._most[kind]


def _most_at_once(gin_files, gin_bindings):
    # Called through this module, in which `pbt.*` is registered.
    return sizes.most_at_once(gin_files, gin_bindings)


def _first_step(output_dir, number, member):
    """Number of updates before the round."""
    parent = member["parent"]
    return 0 if parent is None else _score(output_dir, number - 1, parent)["step"]


def _train_and_score(
    settings, gin_files, gin_bindings, output_dir, number, members, together
):
    """The round of members whose batches have one size, as far as it is not complete.

    Args:
        settings: the `PBT`.
        gin_files: paths of gin files of the training.
        gin_bindings: lines of gin that override them.
        output_dir: directory of the population.
        number: of the round.
        members: list of members.
        together: whether all their models are one program.
    """
    folders = [_member_dir(output_dir, number, member["member"]) for member in members]
    paths = [os.path.join(folder, SCORE_FILE) for folder in folders]
    if all(map(os.path.exists, paths)):
        return
    start = _first_step(output_dir, number, members[0])
    bindings = _bindings(settings, gin_bindings, members[0], 0, 0)
    with configuration.gin_configuration(gin_files, bindings):
        batch_size = gin.query_parameter("model.batch_size")
    step = start + max(1, round(settings.images_per_round / batch_size))
    planned = [
        (
            _model_dir(output_dir, number, member["member"], model),
            member["parent"] is not None
            and _checkpoint(
                _model_dir(output_dir, number - 1, member["parent"], model)
            ),
            _bindings(settings, gin_bindings, member, model, step),
        )
        for member in members
        for model in range(settings.models_per_member)
    ]
    runs = _prepare_all(planned, gin_files)
    if together and len({run.state.step() for run in runs}) > 1:
        # Killed while they were saved: in other groups they would round otherwise.
        for model_dir, _, _ in planned:
            files.remove(model_dir)
        runs = _prepare_all(planned, gin_files)
    # All models of a member see the same batches.
    models = settings.models_per_member
    seeds = [int(runs[i - i % models].data_seed) for i in range(len(runs))]
    with (
        open(os.path.join(folders[0], "train.log"), "a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
    ):
        all_bindings = [bindings for _, _, bindings in planned]
        failed = _fit(runs, seeds, gin_files, all_bindings, together)
    trained = [run for run in runs if run.model_dir not in failed]
    tables = {}
    if together and trained:
        table = MomentTable(runs[0].data, [run.model.encoder for run in trained])
        tables = {run.model_dir: table.of(k) for k, run in enumerate(trained)}
    for i, path in enumerate(paths):
        own = runs[i * models : (i + 1) * models]
        score = {"score": 0.0, "model": 0, "step": step, "failed": True}
        if not failed.intersection(run.model_dir for run in own):
            with configuration.gin_configuration(gin_files, all_bindings[i * models]):
                score |= _score_models(settings, own, tables)
        results.save_dict(score, path)
    keras.backend.clear_session()


def _prepare_all(planned, gin_files):
    runs = []
    for model_dir, checkpoint, bindings in planned:
        with configuration.gin_configuration(gin_files, bindings):
            runs.append(_prepare(model_dir, checkpoint))
    if runs[0].data.size is None:
        raise ValueError(
            "Members are scored on images that have indices. "
            f"Received: {runs[0].data.name}, which draws random pixels"
        )
    return runs


def _fit(runs, seeds, gin_files, bindings, together):
    """Trains models; returns the directories of those whose loss became infinite."""
    if together:
        with configuration.gin_configuration(gin_files, bindings[0]):
            population = PopulationSettings()
        return set(train_prepared(runs, population, seeds))
    failed = set()
    for run, seed in zip(runs, seeds, strict=True):
        try:
            train.fit(run, run.model, run.state, run.training_data, seed)
        except InfiniteLoss:  # Of a learning rate that was too large.
            failed.add(run.model_dir)
    return failed


def _score_models(settings, runs, tables):
    """Score of a member, the number of its best model, whether it is usable."""
    dataset = runs[0].data
    own = [
        tables.get(run.model_dir) or MomentTable(dataset, run.model.encoder)
        for run in runs
    ]
    # The binding's own function; a reference to it would not reach a process.
    score_fn = gin.get_bindings("pbt")["score_fn"]
    try:
        score, model = score_fn(dataset, own, np.random.RandomState(settings.seed))
    except ValueError as error:
        # Codes that overflowed.
        if "finite" not in str(error):
            raise
        return {}
    if not np.isfinite(score):
        return {}
    return {"score": float(score), "model": model, "failed": False}


def _write_best(settings, gin_files, gin_bindings, output_dir, best):
    """Writes the best model of all rounds, from its directory, as `train` does."""
    model_dir = os.path.join(output_dir, "model")
    if results.is_complete(model_dir, "train"):
        return
    number, member, model = best["round"], best["member"], best["model"]
    if not os.path.exists(model_dir):
        with files.replacing(model_dir) as directory:
            shutil.copytree(_model_dir(output_dir, number, member, model), directory)
    bindings = _bindings(settings, gin_bindings, best, model, best["step"])
    with configuration.gin_configuration(gin_files, bindings):
        train.finish(_prepare(model_dir))

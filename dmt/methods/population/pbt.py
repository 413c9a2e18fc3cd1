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
import math
import os
import shutil

import gin
import keras
import numpy as np

from dmt.methods import train
from dmt.methods.shared import optimizers
from dmt.utils import configuration, files, processes, results

SCORE_FILE = "score.json"


def train_with_gin(output_dir, gin_files, gin_bindings, num_workers=0):
    """Trains a population as gin configures it, see `PBT`.

    Args:
        output_dir: directory to write or to finish.
        gin_files: paths of gin files: `pbt.*` and those of the training.
        gin_bindings: lines of gin that override them.
        num_workers: number of processes, 0 for one per core (one if there is a GPU).

    Returns:
        Directory of the best model.
    """
    num_workers = processes.number_of(num_workers)
    _register_scores()
    output_dir = os.path.abspath(output_dir)
    with configuration.gin_configuration(gin_files, gin_bindings):
        settings = PBT()
    settings.run(output_dir, tuple(gin_files), tuple(gin_bindings), num_workers)
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

    def run(self, output_dir, gin_files, gin_bindings, num_workers):
        """Makes the rounds that are missing, then `model/` and `lineage.json`.

        Args:
            output_dir: directory to write or to finish.
            gin_files: paths of gin files of the training.
            gin_bindings: lines of gin that override them.
            num_workers: number of processes.

        Raises:
            ValueError: if the directory holds rounds of other settings.
        """
        plan, lineage = self.first_plan(), []
        for member in plan:
            # A binding that gin refuses must not leave a directory.
            bindings = _bindings(self, gin_bindings, member, 0, 1)
            with configuration.gin_configuration(gin_files, bindings):
                pass
        with (
            processes.only_in(output_dir),
            processes.workers(num_workers) as executor,
        ):
            with configuration.gin_configuration(gin_files, gin_bindings):
                configuration.check_same(
                    os.path.join(output_dir, "config.gin"),
                    f"{output_dir} was begun with another configuration; give the same "
                    "one or another directory.",
                )
            for number in range(self.num_rounds):
                processes.run_all(
                    executor,
                    _train_and_score,
                    {
                        f"round {number}, member {member['member']}": (
                            self,
                            gin_files,
                            gin_bindings,
                            output_dir,
                            number,
                            member,
                        )
                        for member in plan
                    },
                )
                for member in plan:
                    member |= _score(output_dir, number, member["member"])
                lineage.append(plan)
                results.save_dict(
                    {"rounds": lineage}, os.path.join(output_dir, "lineage.json")
                )
                _remove_checkpoints(output_dir, lineage)
                plan = self.next_plan(plan, number)
            best = best_of(lineage)
            arguments = (self, gin_files, gin_bindings, output_dir, best)
            processes.run_all(executor, _write_best, {"best model": arguments})

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
        top = able[-num_replaced:] if num_replaced else able
        following = []
        for place, member in enumerate(order):
            parent = member
            if top and (place < num_replaced or member["failed"]):
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


def _register_scores():
    # Evaluation comes after the methods; here its scores choose among models.
    import dmt.evaluation.model_scores  # noqa: F401


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
    """A `train.Run`, at the step of its own checkpoint or else of another's."""
    runs = []
    train.train(model_dir, resume=True, population=runs)
    run = runs[0]
    if checkpoint and run.state.step() == 0:
        rates = [(o, o.learning_rate) for o in optimizers.parts_of(run.model.optimizer)]
        rates = [(o, float(r)) for o, r in rates if isinstance(r, keras.Variable)]
        run.state.restore(checkpoint)
        for optimizer, rate in rates:
            optimizer.learning_rate = rate
    return run


def _train_and_score(settings, gin_files, gin_bindings, output_dir, number, member):
    """A member's round; does nothing if it is complete."""
    _register_scores()
    folder = _member_dir(output_dir, number, member["member"])
    path = os.path.join(folder, SCORE_FILE)
    if os.path.exists(path):
        return
    parent, start = member["parent"], 0
    if parent is not None:
        start = _score(output_dir, number - 1, parent)["step"]
    bindings = _bindings(settings, gin_bindings, member, 0, 0)
    with configuration.gin_configuration(gin_files, bindings):
        batch_size = gin.query_parameter("model.batch_size")
    step = start + max(1, round(settings.images_per_round / batch_size))
    runs = []
    try:
        for model in range(settings.models_per_member):
            checkpoint = parent is not None and _checkpoint(
                _model_dir(output_dir, number - 1, parent, model)
            )
            bindings = _bindings(settings, gin_bindings, member, model, step)
            # The loss reads its configuration when it is compiled.
            with configuration.gin_configuration(gin_files, bindings):
                run = _prepare(os.path.join(folder, f"model_{model}"), checkpoint)
                runs.append(run)
                log_path = os.path.join(folder, "train.log")
                with (
                    open(log_path, "a", encoding="utf-8") as log,
                    contextlib.redirect_stdout(log),
                ):
                    # All models of a member see the same batches.
                    train.fit(run, run.model, run.state, run.training_data, int(runs[0].data_seed))
        with configuration.gin_configuration(gin_files, bindings):
            # The binding's own function; a reference to it would not reach a process.
            score_fn = gin.get_bindings("pbt")["score_fn"]
            random_state = np.random.RandomState(settings.seed)
            models = [run.model for run in runs]
            score, chosen = score_fn(runs[0].dataset, models, random_state)
        failed = not np.isfinite(score)
    except ValueError as error:
        # A learning rate that was too large: losses, or codes, that are not finite.
        if "The loss is" not in str(error) and "finite" not in str(error):
            raise
        failed = True
    if failed:
        score, chosen = 0.0, 0
    results.save_dict(
        {"score": float(score), "model": chosen, "step": step, "failed": failed}, path
    )
    keras.backend.clear_session()


def _write_best(settings, gin_files, gin_bindings, output_dir, best):
    """Writes the best model of all rounds, from its directory, as `train` does."""
    _register_scores()
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

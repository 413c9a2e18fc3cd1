"""The settings of population-based training, and the selection of members."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import gin
import numpy as np

from dmt.runs.pbt import scores  # noqa: F401 (registers the scores)
from dmt.utils import checks

# A member in a round: its number, the number of its parent, its hyperparameters and,
# after the round, its score.
Member = dict[str, Any]


@gin.configurable("pbt")
@dataclasses.dataclass
class PBT:
    """The settings of population-based training.

    Attributes:
        population_size: number of members.
        num_rounds: number of rounds of training and scoring.
        images_per_round: number of images that each model sees in a round.
        hyperparameters: {name of a gin binding: list of values}. The first values are
            drawn from the list. If all of them are integers, later values are too.
        score_fn: score of a member, for example `pbt_mig`; see `dmt.runs.pbt.scores`.
        seed: integer in [0, 2**32).
        limits: {name of a gin binding: (smallest, largest)} for some hyperparameters.
        models_per_member: number of models that differ in their seeds only.
        cut: share of the members that is replaced after each round, in (0, 0.5].
        factors: a hyperparameter that is copied is multiplied by a random one of them.
        halve_after_first_round: whether the worse half is removed after the first
            round.

    Raises:
        ValueError: if a setting is out of range.
    """

    population_size: int
    num_rounds: int
    images_per_round: int
    hyperparameters: dict[str, list]
    # A gin reference cannot be sent to another process, so it is not kept.
    score_fn: dataclasses.InitVar[Callable]
    seed: int
    limits: dict[str, tuple[float, float]] | None = None
    models_per_member: int = 1
    cut: float = 0.2
    factors: tuple[float, ...] = (2, 1.2, 0.8, 0.5)
    halve_after_first_round: bool = False

    def __post_init__(self, score_fn):
        sizes = ("population_size", "num_rounds", "images_per_round")
        for name in (*sizes, "models_per_member"):
            checks.integer(f"pbt.{name}", getattr(self, name), low=1)
        if not callable(score_fn):
            raise ValueError(
                "pbt.score_fn must be a score, as in @pbt_mig. "
                f"Received: score_fn={score_fn!r}"
            )
        checks.seed("pbt.seed", self.seed)
        checks.number("pbt.cut", self.cut, above=0, high=0.5)
        checks.boolean("pbt.halve_after_first_round", self.halve_after_first_round)
        names = self.hyperparameters
        if not isinstance(names, dict) or not all(names.values()):
            raise ValueError(
                "pbt.hyperparameters must be a dictionary of gin bindings and lists of "
                f"values. Received: hyperparameters={names!r}"
            )
        self.limits = self.limits or {}
        unknown = sorted(set(self.limits) - set(names))
        if unknown:
            raise ValueError(
                "pbt.limits has keys that are no hyperparameter: "
                f"{unknown}. The keys of pbt.hyperparameters are {sorted(names)}."
            )

    def first_plan(self) -> list[Member]:
        """The members of the first round, with hyperparameters drawn for each."""
        random_state = np.random.RandomState([self.seed, 0])
        plan = []
        for member in range(self.population_size):
            hyperparameters = {
                name: values[random_state.randint(len(values))]
                for name, values in self.hyperparameters.items()
            }
            origin = {"parent": None, "hyperparameters": hyperparameters}
            plan.append({"member": member, **origin})
        return plan

    def next_plan(self, plan: list[Member], number: int) -> list[Member]:
        """The members of the next round: their parents and their hyperparameters.

        Args:
            plan: members of this round, with their scores.
            number: number of this round, from 0.

        Raises:
            ValueError: if all members failed.
        """
        random_state = np.random.RandomState([self.seed, number + 1])
        order = sorted(plan, key=lambda member: member["score"])
        if number == 0 and self.halve_after_first_round:
            order = order[len(order) // 2 :]
        # A single member has no other one to learn from.
        num_replaced = math.ceil(self.cut * len(order)) if len(order) > 1 else 0
        able = [member for member in order if not member["failed"]]
        if not able:
            raise ValueError(
                f"All members failed in round {number}: lower the learning rates in "
                "pbt.hyperparameters or set pbt.limits."
            )
        best = able[-num_replaced:] if num_replaced else able
        following = []
        for rank, member in enumerate(order):
            parent, hyperparameters = member, member["hyperparameters"]
            if rank < num_replaced or member["failed"]:
                parent = best[random_state.randint(len(best))]
            if parent is not member:
                hyperparameters = {
                    name: self._perturbed(name, value, random_state)
                    for name, value in parent["hyperparameters"].items()
                }
            origin = {"parent": parent["member"], "hyperparameters": hyperparameters}
            following.append({"member": member["member"], **origin})
        return sorted(following, key=lambda member: member["member"])

    def _perturbed(self, name, value, random_state):
        changed = value * self.factors[random_state.randint(len(self.factors))]
        low, high = self.limits.get(name, (-math.inf, math.inf))
        changed = min(max(changed, low), high)
        if all(isinstance(first, int) for first in self.hyperparameters[name]):
            # The upper limit may be a fraction.
            rounded = math.ceil(changed)
            return rounded if rounded <= high else math.floor(high)
        return changed


def best_of(lineage: list[list[Member]]) -> Member:
    """The member with the best score, or the first of several, with its round.

    Args:
        lineage: members of each round, with their scores.

    Raises:
        ValueError: if all members failed in all rounds.
    """
    able = [
        {**member, "round": number}
        for number, plan in enumerate(lineage)
        for member in plan
        if not member["failed"]
    ]
    if not able:
        raise ValueError("All members failed in all rounds; see lineage.json.")
    return max(able, key=lambda member: member["score"])

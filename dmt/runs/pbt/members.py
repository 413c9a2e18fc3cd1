"""The members of a population: where they are on disk, and what configures them."""

import dataclasses
import os
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from dmt.runs.pbt.settings import PBT, Member, best_of
from dmt.utils import configuration, files, results


@dataclasses.dataclass(frozen=True)
class Members:
    """The members of a population on disk.

    The round of a member follows from the checkpoint of its parent, its hyperparameters
    and its seeds, and is written to a directory of its own. Rounds can therefore be
    killed and repeated at any point, and end with the same scores and weights.

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
        """Lines of gin of the model of this number, trained for so many steps."""
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
                        files.remove(os.path.join(folder, name))

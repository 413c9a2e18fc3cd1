"""What analyses of agents that accumulate evidence get from `dmt_evaluate`."""

import os

import numpy as np

from dmt.data.evidence.latents import EvidenceData
from dmt.data.evidence.trials import EvidenceTrials
from dmt.methods.evidence import trained
from dmt.utils import configuration, results


class AgentCodes:
    """Function from the inputs of trials to the states after their last step.

    Args:
        agent: a `dmt.methods.evidence.trained.TrainedAgent`.

    Attributes:
        agent: the same.
    """

    takes_any_number = True

    def __init__(self, agent: trained.TrainedAgent):
        self.agent = agent

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """States (n, units) of inputs (n, steps, channels)."""
        return self.agent.last_states(observations)

    def restart(self) -> None:
        """Does nothing, because states are not random."""


def is_agent(model_dir: str) -> bool:
    """Whether a directory holds a trained model that was not postprocessed."""
    folder = os.path.join(model_dir, "results", "gin")
    return os.path.exists(os.path.join(folder, "train.gin")) and not os.path.exists(
        os.path.join(folder, "postprocess.gin")
    )


def bind_trials(model_dir: str) -> None:
    """Binds `evidence_trials` as an agent was trained; bindings that are there stay.

    Args:
        model_dir: directory that `train` wrote.

    Raises:
        ValueError: if another model was trained there.
    """
    gin_file = os.path.join(model_dir, "results", "gin", "train.gin")
    trials = results.bindings_of(gin_file).get("evidence_accumulation.trials")
    if trials != "@evidence_trials()":
        raise ValueError(
            f"{model_dir} is neither a representation nor an agent that was trained on "
            "@evidence_trials(). Postprocess the model first (dmt_postprocess)."
        )
    configuration.bind_dataset(gin_file)


def trials_of(model_dir: str) -> EvidenceTrials:
    """The trials on which an agent was trained; see `bind_trials`."""
    with configuration.gin_configuration((), ()):
        bind_trials(model_dir)
        return EvidenceTrials()


def trials_and_agent(
    user: str, data: EvidenceData, codes: AgentCodes
) -> tuple[EvidenceTrials, trained.TrainedAgent]:
    """The trials and the agent that an analysis needs.

    Args:
        user: gin name of the analysis, for the message.
        data: the dataset that it got.
        codes: the representation function that it got.

    Raises:
        ValueError: if they are those of another kind of model.
    """
    if not isinstance(data, EvidenceData) or not isinstance(codes, AgentCodes):
        raise ValueError(
            f"{user} analyses agents that accumulate evidence. Give it the directory "
            "that dmt_train wrote for an evidence_accumulation model."
        )
    return data.trials, codes.agent

"""A trained `evidence_accumulation` model, applied to trials."""

from dmt.methods import model_file
from dmt.methods.evidence import (  # noqa: F401 (Keras files need their layers)
    encoder,
    recurrent,
    transformer,
)
from dmt.utils.compilation import compiled


class TrainedAgent:
    """Outputs and states of a trained network; trials may have any number of steps.

    Args:
        network: `keras.Model` that `EvidenceAccumulation` exports.

    Raises:
        ValueError: if the network has no outputs and states.

    Attributes:
        network: the same, from trials (batch, steps, channels) to a dictionary of
            "outputs" and "states". Its layer "head" has the weights of the outputs.
    """

    def __init__(self, network):
        found = getattr(network, "output", None)
        if not isinstance(found, dict) or found.keys() != {"outputs", "states"}:
            raise ValueError(
                "The network must be that of an evidence_accumulation model, with "
                f"outputs and states. Received: {network!r}"
            )
        self.network = network
        self._apply = compiled(lambda trials: network(trials, training=False))
        self._last = compiled(
            lambda trials: {
                name: values[:, -1]
                for name, values in network(trials, training=False).items()
            }
        )

    def states(self, inputs):
        """States after every step, float32 (n, steps, units).

        Args:
            inputs: float32 array (n, steps, channels), as in batches of the trials.
        """
        return self._apply(inputs)["states"]

    def last_states(self, inputs):
        """States after the last step, float32 (n, units); see `states`."""
        return self._last(inputs)["states"]

    def last_outputs(self, inputs):
        """Outputs after the last step, float32 (n, num_tasks); see `outputs`."""
        return self._last(inputs)["outputs"]

    def outputs(self, inputs):
        """Outputs after every step, float32 (n, steps, num_tasks).

        They are logits, or within [-bound, bound] with free reaction times.

        Args:
            inputs: float32 array (n, steps, channels), as in batches of the trials.
        """
        return self._apply(inputs)["outputs"]


def load(model_dir):
    """Reads the agent that was trained in a directory.

    Args:
        model_dir: directory of the run.

    Raises:
        FileNotFoundError: if the directory holds no trained model.
        ValueError: if the file is damaged, or holds another kind of network.
    """
    return TrainedAgent(model_file.load(model_dir))

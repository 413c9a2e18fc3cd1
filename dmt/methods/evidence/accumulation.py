"""Networks that accumulate evidence and answer many tasks at every step.

Vafidis, Bhargava and Rangel, "Disentangling Representations through Multi-task
Learning" (ICLR 2025), https://arxiv.org/abs/2407.11249. In each trial an agent gets
noisy evidence about a latent point. A frozen random network mixes the evidence. A
trained network learns on which side of each of many boundaries the point lies.
"""

import gin
import keras
from keras import layers, ops

from dmt.data import pipeline
from dmt.data.evidence import trials as _  # noqa: F401 (registers the trials)
from dmt.methods.evidence.encoder import fan_in_uniform
from dmt.methods.shared import optimizers
from dmt.methods.shared.training import TrainableModel
from dmt.utils import checks


@gin.register("evidence_accumulation")
class EvidenceAccumulation(TrainableModel):
    """An encoder that is not trained, a network on its features, and a linear head.

    The exported network maps trials to a dictionary of "outputs" (batch, steps,
    num_tasks) and "states" (batch, steps, units), for any number of steps; see
    `dmt.methods.evidence.trained`. Its outputs are logits, and the loss is the mean
    cross-entropy over batch, steps and tasks, in nats. Results are the loss, the
    cross-entropy of the last step (`decision_loss`), and the share of tasks that are
    answered correctly at the last step (`task_accuracy`).

    Trials whose attribute `mode` is "free" have free reaction times: they have no
    fixation channel, and targets are in [-trials.bound, trials.bound]. Outputs are
    bound * tanh(logits) then, and losses are mean squared errors. Trials whose
    attribute `noise_site` is "features" have `trials.num_features` more channels, which
    are added to the features of the evidence.

    Args:
        trials: `Examples` whose batches begin with inputs and targets, for example
            `evidence_trials()`. Inputs (batch, steps, channels) are a fixation channel,
            which bypasses the encoder, and the evidence; targets (batch, steps,
            num_tasks) are in [0, 1]. Other parts of a batch are not used.
        network_fn: makes the network that is trained, for example `leaky_rnn`: a
            Keras layer from (batch, steps, features) to (batch, steps, units).
        encoder_fn: makes the encoder, for example `random_encoder`: a Keras layer from
            (batch, steps, dimensions) to (batch, steps, features).
        loss_steps: the steps that the loss is about, "all" or "last".

    Raises:
        ValueError: if an argument is out of range.
    """

    result_keys = ("decision_loss", "task_accuracy")

    def __init__(self, trials, network_fn, encoder_fn, loss_steps="all"):
        super().__init__()
        if not hasattr(trials, "load_batch"):
            raise ValueError(
                "evidence_accumulation.trials must be trials, written with parentheses "
                f"as in @evidence_trials(). Received: trials={trials!r}"
            )
        for name, value in (("network_fn", network_fn), ("encoder_fn", encoder_fn)):
            if isinstance(value, layers.Layer) or not callable(value):
                raise ValueError(
                    f"evidence_accumulation.{name} must be a class or function that "
                    "makes a Keras layer, written without parentheses as in "
                    f"@leaky_rnn. Received: {name}={value!r}"
                )
        checks.one_of("evidence_accumulation.loss_steps", loss_steps, ("all", "last"))
        self.trials = trials
        self.network_fn = network_fn
        self.encoder_fn = encoder_fn
        self.loss_steps = loss_steps
        is_free = getattr(trials, "mode", "fixed") == "free"
        self.bound = trials.bound if is_free else None
        has_noise = getattr(trials, "noise_site", "input") == "features"
        self.noise_channels = trials.num_features if has_noise else 0

    def open_data(self):
        """The trials."""
        return self.trials

    def make_networks(self, data):
        """Makes encoder, network and head; see `TrainableModel.make_networks`.

        Raises:
            ValueError: if trials or layers have wrong shapes.
        """
        inputs, targets = pipeline.load_batch(data, seed=0, step=0, batch_size=1)[:2]
        num_fixation = 1 if self.bound is None else 0
        num_other = num_fixation + self.noise_channels
        if inputs.ndim != 3 or inputs.shape[-1] <= num_other:
            raise ValueError(
                "Trials must have inputs (batch, steps, channels) with more than "
                f"{num_other} channels. Received: inputs of shape {inputs.shape}"
            )
        # Networks can be applied to any number of steps.
        trials = keras.Input((None, inputs.shape[-1]), name="trials")
        end = inputs.shape[-1] - self.noise_channels
        features = self._encode(trials[:, :, num_fixation:end])
        if self.noise_channels:
            features = features + trials[:, :, end:]
        if num_fixation:
            features = ops.concatenate([trials[:, :, :1], features], axis=-1)
        states = _apply(_made("network_fn", self.network_fn), features, "network_fn")
        units = states.shape[-1]
        head = layers.Dense(
            targets.shape[-1],
            kernel_initializer=fan_in_uniform(units),
            bias_initializer=fan_in_uniform(units),
            # Losses and decisions are in float32 under every policy.
            dtype="float32",
            name="head",
        )
        outputs = head(states)
        if self.bound is not None:
            outputs = self.bound * ops.tanh(outputs)
        self.network = keras.Model(
            trials, {"outputs": outputs, "states": states}, name="agent"
        )

    def _encode(self, evidence):
        encoder = _made("encoder_fn", self.encoder_fn)
        encoder.trainable = False
        features = _apply(encoder, evidence, "encoder_fn")
        if self.noise_channels not in (0, features.shape[-1]):
            raise ValueError(
                f"The encoder has {features.shape[-1]} features, and trials must have "
                "as many channels of noise at the features. "
                f"Received: num_features={self.noise_channels}"
            )
        return features

    def make_optimizer(self):
        """Adam with learning rate 0.001, unless gin binds `evidence_optimizer`."""
        return optimizers.make_evidence_optimizer()

    def call(self, inputs, training=None):
        """Outputs (batch, steps, num_tasks) of trials (batch, steps, channels)."""
        return self.network(inputs, training=training)["outputs"]

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        """The mean loss of the chosen steps; see `TrainableModel.batch_loss`."""
        del sample_weight, training
        y = ops.cast(y, "float32")
        if self.bound is None:
            # Cross-entropy without the logarithm of a probability that may be 0.
            losses = ops.softplus(y_pred) - y * y_pred
            threshold = 0.5
        else:
            losses = ops.square(y_pred - y)
            threshold = 0.0
        is_correct = (y_pred[:, -1] > 0) == (y[:, -1] > threshold)
        decision_loss = ops.mean(losses[:, -1])
        self.record(
            ops.shape(y)[0],
            decision_loss=decision_loss,
            task_accuracy=ops.mean(ops.cast(is_correct, "float32")),
        )
        return ops.mean(losses) if self.loss_steps == "all" else decision_loss


def _made(name, make_layer):
    layer = make_layer()
    if not isinstance(layer, layers.Layer):
        raise ValueError(
            f"evidence_accumulation.{name} must make a Keras layer. Received: {layer!r}"
        )
    return layer


def _apply(layer, sequences, name):
    """Outputs of a layer for symbolic sequences (batch, steps, features)."""
    outputs = layer(sequences)
    shape = getattr(outputs, "shape", ())
    if len(shape) != 3 or shape[1] is not None or shape[2] is None:
        raise ValueError(
            f"evidence_accumulation.{name} must make a layer whose outputs have shape "
            "(batch, steps, units), as with return_sequences=True. Received: "
            f"{type(layer).__name__} with outputs {outputs!r}"
        )
    return outputs

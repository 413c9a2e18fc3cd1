"""Representations: functions from images to codes, which postprocessing writes."""

import os

import keras

from dmt.methods.shared.layers import as_images
from dmt.utils import files

REPRESENTATION_FILE = "representation.keras"


@keras.saving.register_keras_serializable("dmt")
class Representation(keras.Model):
    """Images -> moments of the codes' distribution -> codes.

    Args:
        encoder: keras.Model from images to [means, log_var], (batch, num_latent) each.
        transform: keras.Model from [means, log_var] to codes (batch, num_codes).
    """

    def __init__(self, encoder, transform, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.transform = transform
        self.built = True

    def call(self, images):
        """Codes (batch, num_codes) of images, float in [0, 1] or uint8."""
        return self.transform(self.encoder(as_images(images)))

    def get_config(self):
        """The serialised networks."""
        return {
            "name": self.name,
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "transform": keras.saving.serialize_keras_object(self.transform),
        }

    @classmethod
    def from_config(cls, config):
        """The model with freshly initialised networks."""
        networks = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("encoder", "transform")
        }
        return cls(**networks, name=config["name"])


def load_representation(directory, dtype_policy=None):
    """Reads the `Representation` that postprocessing wrote, on any backend.

    Args:
        directory: what postprocessing wrote.
        dtype_policy: Keras dtype policy of the encoder's layers, as saved if None.

    Raises:
        FileNotFoundError: if the directory holds no representation.
        ValueError: if the file is damaged.
    """
    representation = files.load_keras(
        os.path.join(directory, REPRESENTATION_FILE),
        "postprocess the model first (dmt_postprocess)",
    )
    if dtype_policy is not None:
        representation.encoder = _with_policy(representation.encoder, dtype_policy)
    return representation


def _with_policy(network, dtype_policy):
    """A copy of a functional network whose hidden layers compute in another dtype.

    The layers that give the outputs keep their dtype, so that codes are not rounded.
    """
    last = {tensor._keras_history.operation.name for tensor in network.outputs}

    def clone(layer):
        config = layer.get_config()
        if layer.name not in last:
            config["dtype"] = dtype_policy
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=clone)
    copy.set_weights(network.get_weights())
    return copy

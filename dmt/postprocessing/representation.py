"""Representations: functions from images to codes, which postprocessing writes."""

import os

import keras

from dmt.methods import model_file
from dmt.methods.shared import layers
from dmt.utils import keras_files, processor

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
        return self.transform(self.encoder(layers.as_images(images)))

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


def save_representation(representation, directory):
    """Writes a `Representation` as a network of plain Keras layers where possible.

    `keras.saving.load_model` then reads it without this package, as a model from images
    in [0, 1] to codes. A sampled representation and layers of users keep their classes.

    Args:
        representation: a `Representation`.
        directory: directory to write to.
    """
    encoder = _copy(representation.encoder, _as_plain)
    images = keras.Input(encoder.inputs[0].shape[1:], name="images")
    codes = representation.transform(encoder(images))
    network = keras.Model(images, codes, name="representation")
    network.save(os.path.join(directory, REPRESENTATION_FILE))


def load_representation(directory, dtype_policy=None):
    """Reads the `Representation` that postprocessing wrote, on any backend.

    Args:
        directory: what postprocessing wrote.
        dtype_policy: Keras dtype policy of the encoder's layers, as saved if None.

    Raises:
        FileNotFoundError: if the directory holds no representation.
        ValueError: if the file is damaged, holds something else, or holds code and is
            not trusted.
    """
    path = os.path.join(directory, REPRESENTATION_FILE)
    network = keras_files.load(path, "postprocess the model first (dmt_postprocess)")
    if isinstance(network, Representation):  # An earlier version wrote it.
        parts = [network.encoder, network.transform]
    else:
        parts = [part for part in network.layers if isinstance(part, keras.Model)]
    shapes = [shape for part in parts for shape in model_file.shapes(part)]
    ranks = [[len(shape) for shape in group] for group in shapes]
    if (
        [len(group) for group in ranks[:1]] != [1]  # Not only images can be encoded.
        or ranks[1:] != [[2, 2], [2, 2], [2]]
        or shapes[1] != shapes[2]
    ):
        raise ValueError(
            f"{path} is no representation, which has an encoder and a transform of its "
            "codes. Postprocess the model again (dmt_postprocess)."
        )
    representation = Representation(*parts)
    if dtype_policy is not None:
        processor.warn_of_emulation("evaluation.dtype_policy", dtype_policy)
        representation.encoder = _with_policy(representation.encoder, dtype_policy)
    return representation


def _as_plain(layer):
    """A copy of Keras's own class if that computes the same, or else the layer."""
    plain = {
        layers.Conv2D: keras.layers.Conv2D,
        layers.Conv2DTranspose: keras.layers.Conv2DTranspose,
    }
    if type(layer) in plain:
        return plain[type(layer)].from_config(layer.get_config())
    return layer


def _copy(network, clone):
    copy = keras.models.clone_model(network, clone_function=clone)
    copy.set_weights(network.get_weights())
    return copy


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

    return _copy(network, clone)

"""What a trained model is to the rest of the package: an encoder and a decoder."""

import os

import keras
from keras import ops

from dmt.methods.shared.layers import Sampling, as_images
from dmt.utils import files

MODEL_FILE = "model.keras"


@keras.saving.register_keras_serializable("dmt")
class GaussianEncoderModel(keras.Model):
    """Encoder to a diagonal Gaussian over codes, and decoder from codes.

    Args:
        encoder: keras.Model from images (batch, height, width, channels) in [0, 1] to
            [means, log_var], each (batch, num_latent).
        decoder: keras.Model from codes (batch, num_latent) to pre-activation images.
    """

    def __init__(self, encoder=None, decoder=None, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.built = encoder is not None

    @property
    def num_latent(self):
        """Number of codes."""
        return self.encoder.outputs[0].shape[-1]

    @property
    def observation_shape(self):
        """(height, width, channels) of the images."""
        return tuple(self.encoder.inputs[0].shape[1:])

    def encode(self, images):
        """Mean and log-variance of the codes, float32, each (batch, num_latent).

        Args:
            images: (batch, height, width, channels), float in [0, 1] or uint8.
        """
        mean, logvar = self.encoder(as_images(images))
        return ops.cast(mean, "float32"), ops.cast(logvar, "float32")

    def decode(self, codes):
        """Pre-activation images, float32, of codes (batch, num_latent)."""
        return ops.cast(self.decoder(codes), "float32")

    def call(self, images):
        """Mean and log-variance of the codes; see `encode`."""
        return self.encode(images)

    def get_config(self):
        """The serialised networks."""
        return {
            "name": self.name,
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
        }

    @classmethod
    def from_config(cls, config):
        """The model with freshly initialised networks."""
        networks = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("encoder", "decoder")
        }
        return cls(**networks, name=config["name"])


def save_model(model, model_dir):
    """Writes the networks of `model` as `<model_dir>/model.keras`."""
    networks = GaussianEncoderModel(model.encoder, model.decoder)
    with files.replacing(os.path.join(model_dir, MODEL_FILE)) as path:
        networks.save(path)


def load_model(model_dir):
    """Reads the `GaussianEncoderModel` that `save_model` wrote, on any backend.

    Raises:
        FileNotFoundError: if the directory holds no trained model.
        ValueError: if the file is damaged.
    """
    return files.load_keras(
        os.path.join(model_dir, MODEL_FILE), "train the model first (dmt_train)"
    )


def export_saved_model(model, export_dir):
    """Writes a TensorFlow SavedModel with the original's three signatures.

    `gaussian_encoder` (images -> mean, logvar), `reconstructions` (images -> images,
    decoded from a sampled code) and `decoder` (latent_vectors -> images). Images that
    come out are pre-activation.
    """
    sample = Sampling()

    def encoder(images):
        mean, logvar = model.encode(images)
        return {"mean": mean, "logvar": logvar}

    def reconstructions(images):
        codes = sample(*model.encode(images))
        return {"images": model.decode(codes)}

    def decoder(latent_vectors):
        return {"images": model.decode(latent_vectors)}

    images = ("images", (None, *model.observation_shape))
    files.write_saved_model(
        export_dir,
        [model.encoder, model.decoder, sample],
        {
            "gaussian_encoder": (encoder, images),
            "reconstructions": (reconstructions, images),
            "decoder": (decoder, ("latent_vectors", (None, model.num_latent))),
        },
    )

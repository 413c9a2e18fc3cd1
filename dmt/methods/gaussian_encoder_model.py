"""Trained models as other modules use them: an encoder, a decoder and heads."""

import os
from collections.abc import Sequence

import keras
from keras import ops

from dmt.methods import model_file
from dmt.methods.shared.layers import Sampling, as_images
from dmt.utils import files


@keras.saving.register_keras_serializable("dmt")
class GaussianEncoderModel(keras.Model):
    """Encoder to a diagonal Gaussian over codes; decoder and heads if there are any.

    Args:
        encoder: keras.Model from images (batch, height, width, channels) in [0, 1] to
            [means, log_var], each (batch, num_latent).
        decoder: keras.Model from codes (batch, num_latent) to pre-activation images.
        heads: keras.Model from codes to predictions (batch, num_tasks, num_outputs).
    """

    def __init__(self, encoder=None, decoder=None, heads=None, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.heads = heads
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

    def predict_tasks(self, codes):
        """Predictions, float32 (batch, num_tasks, num_outputs), of codes."""
        return ops.cast(self.heads(codes), "float32")

    def call(self, images):
        """Mean and log-variance of the codes; see `encode`."""
        return self.encode(images)

    def get_config(self):
        """The serialised networks."""
        names = ("name", "encoder", "decoder", "heads")
        config = {name: getattr(self, name) for name in names}
        return keras.saving.serialize_keras_object(config)

    @classmethod
    def from_config(cls, config):
        """The model with freshly initialised networks."""
        return cls(**keras.saving.deserialize_keras_object(config))


def save_model(model, model_dir: str) -> None:
    """Writes the networks of `model` as `<model_dir>/model.keras`."""
    networks = GaussianEncoderModel(model.encoder, model.decoder, model.heads)
    model_file.save(networks, model_dir)


def export(model, model_dir: str) -> None:
    """Writes `<model_dir>/model.keras` and `<model_dir>/tfhub/`."""
    save_model(model, model_dir)
    export_saved_model(model, os.path.join(model_dir, "tfhub"))


def load_model(
    model_dir: str, observation_shape: Sequence[int] | None = None
) -> GaussianEncoderModel:
    """Reads the `GaussianEncoderModel` that `save_model` wrote, on any backend.

    Args:
        model_dir: directory that training wrote.
        observation_shape: (height, width, channels) of the images that the model is to
            encode; None for any.

    Raises:
        FileNotFoundError: if the directory holds no trained model.
        ValueError: if the file is damaged, the model has no encoder, or encodes images
            of another shape.
    """
    model = model_file.load(model_dir)
    if not isinstance(model, GaussianEncoderModel):
        raise ValueError(
            f"The model {os.path.join(model_dir, model_file.NAME)} has no encoder, so "
            "there are no codes to postprocess or evaluate. Name the directory of "
            "another model. The training results of this one are in results/."
        )
    if not _fit_together(model):
        raise ValueError(
            f"{os.path.join(model_dir, model_file.NAME)} is damaged: its networks are "
            "not an encoder, and a decoder and heads of its codes. Train "
            "the model again."
        )
    if observation_shape and not _same(model.observation_shape, observation_shape):
        raise ValueError(
            f"The model {model_dir} encodes images of shape {model.observation_shape}, "
            f"those of the dataset have {tuple(observation_shape)}."
        )
    return model


def _fit_together(model):
    """Whether decoder and heads take the codes of the encoder."""
    images, codes = model_file.shapes(model.encoder)
    takers = [part for part in (model.decoder, model.heads) if part is not None]
    return (
        len(images) == 1
        and [len(shape) for shape in codes] == [2, 2]
        and codes[0] == codes[1]
        and all(model_file.shapes(part)[0] == codes[:1] for part in takers)
        and (
            model.decoder is None
            or all(map(_same, model_file.shapes(model.decoder)[1], images))
        )
    )


def _same(shape, other):
    """Whether two shapes are equal but for axes of any size."""
    return len(shape) == len(other) and all(
        None in (a, b) or a == b for a, b in zip(shape, other, strict=True)
    )


def export_saved_model(model, export_dir):
    """Writes a TensorFlow SavedModel with the signatures of disentanglement_lib.

    `gaussian_encoder` (images -> mean, logvar), and with a decoder `reconstructions`
    (images -> images, decoded from a sampled code) and `decoder` (latent_vectors ->
    images). Images that come out are pre-activation. With heads, `predictions`
    (images -> predictions) is added.
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

    def predictions(images):
        return {"predictions": model.predict_tasks(model.encode(images)[0])}

    images = ("images", (None, *model.observation_shape))
    networks, signatures = [model.encoder], {"gaussian_encoder": (encoder, images)}
    if model.decoder is not None:
        networks += [model.decoder, sample]
        signatures["reconstructions"] = (reconstructions, images)
        latent_vectors = ("latent_vectors", (None, model.num_latent))
        signatures["decoder"] = (decoder, latent_vectors)
    if model.heads is not None:
        networks.append(model.heads)
        signatures["predictions"] = (predictions, images)
    files.write_saved_model(export_dir, networks, signatures)

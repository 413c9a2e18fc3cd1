"""disentanglement_lib's path of the base class of models with an encoder."""

from dmt.methods.encoders import TrainableEncoder as GaussianEncoderModel
from dmt.methods.gaussian_encoder_model import export_saved_model

__all__ = ["GaussianEncoderModel", "export_as_tf_hub"]


def export_as_tf_hub(
    gaussian_encoder_model,
    observation_shape,
    checkpoint_path,
    export_path,
    drop_collections=None,
):
    """Writes a TensorFlow SavedModel; see `export_saved_model`.

    Args:
        gaussian_encoder_model: a trained model, which holds its own weights.
        observation_shape: unused, because the model knows it.
        checkpoint_path: unused, because the model has weights.
        export_path: directory to write.
        drop_collections: unused.
    """
    del observation_shape, checkpoint_path, drop_collections
    export_saved_model(gaussian_encoder_model, export_path)

"""Trained models that have an encoder."""

from typing import Any

from dmt.methods import gaussian_encoder_model
from dmt.methods.shared.training import TrainableModel


class TrainableEncoder(TrainableModel, gaussian_encoder_model.GaussianEncoderModel):
    """A trained model with an encoder, and a decoder and heads if there are any.

    `make_networks` sets `encoder`, `decoder` and `heads`, see `GaussianEncoderModel`.
    They are exported, so that the model can be postprocessed, evaluated and drawn.
    """

    def export(self, model_dir: str, training_data: Any) -> None:
        """Writes `model.keras` and `tfhub/`; see `TrainableModel.export`."""
        del training_data
        gaussian_encoder_model.export(self, model_dir)

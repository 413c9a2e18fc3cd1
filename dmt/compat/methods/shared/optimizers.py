"""Names of disentanglement_lib for `dmt.methods.shared.optimizers`."""

from dmt.methods.shared.optimizers import make_vae_optimizer

__all__ = ["make_optimizer"]


def make_optimizer(optimizer_fn, learning_rate):
    """Builds an optimiser; see `make_vae_optimizer`, which reads gin as well."""
    return make_vae_optimizer(optimizer_fn, learning_rate)

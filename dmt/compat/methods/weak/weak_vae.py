"""Names of disentanglement_lib for `dmt.methods.weak.weak_vae`."""

from keras import ops

from dmt.methods.weak import weak_vae
from dmt.methods.weak.weak_vae import MLVAE as MLVae
from dmt.methods.weak.weak_vae import GroupVAE as GroupVAEBase
from dmt.methods.weak.weak_vae import MLVAEArgmax as MLVaeArgmax
from dmt.methods.weak.weak_vae import MLVAELabels as MLVaeLabels

__all__ = [
    "GroupVAEBase",
    "MLVae",
    "MLVaeArgmax",
    "MLVaeLabels",
    "aggregate_argmax",
    "aggregate_labels",
    "discretize_in_bins",
]


def aggregate_labels(z_mean, z_logvar, new_mean, new_log_var, labels, kl_per_point):
    """Mean and log-variance of codes, of which one is known not to be shared.

    For the arguments see `WeakVAE.aggregate`; `kl_per_point` is not used.
    """
    del kl_per_point
    own = ops.equal(labels, ops.max(labels, axis=1, keepdims=True))
    return ops.where(own, z_mean, new_mean), ops.where(own, z_logvar, new_log_var)


def aggregate_argmax(z_mean, z_logvar, new_mean, new_log_var, labels, kl_per_point):
    """Mean and log-variance of codes; those with a large divergence are not shared.

    For the arguments see `WeakVAE.aggregate`; `labels` are not used.
    """
    del labels
    own = weak_vae.is_in_upper_half(kl_per_point)
    return ops.where(own, z_mean, new_mean), ops.where(own, z_logvar, new_log_var)


def discretize_in_bins(x):
    """1 for the values in the upper half of their range, else 0; int32 (n,)."""
    return ops.cast(weak_vae.is_in_upper_half(ops.convert_to_tensor(x)), "int32")

"""Pictures of a trained model: reconstructions, samples, traversals of codes."""

import functools
import os

import gin
import numpy as np

from dmt.data.ground_truth import named_data
from dmt.evaluation.codes import kl_per_code
from dmt.methods import gaussian_encoder_model
from dmt.methods.shared import losses
from dmt.utils import configuration, files, locks, pictures, results
from dmt.utils.compilation import compiled
from dmt.visualize import pages

_NUM_PICTURES = 64
# Number of images for the statistics of the codes.
_NUM_POINTS = 4096
_NUM_BINS = 10


@locks.holding("output_dir")
def visualize(
    model_dir,
    output_dir,
    overwrite=False,
    num_animations=5,
    num_frames=20,
    fps=10,
    num_points_irs=_NUM_POINTS,
    *,
    gin_config_files=(),
    gin_bindings=(),
):
    """Draws what a model learned.

    Writes the same files as disentanglement_lib to `output_dir`, with the same random
    numbers. If there is an error, none is written. Images are reconstructed from the
    means of their codes, not from samples.

        reconstructions/reconstructions.jpg        pairs of image and reconstruction
        sampled/samples.jpg                        images decoded from the prior
        traversals/traversals<i>.jpg               a row per code, from -1 to 1
        animated_traversals/<range>_cycle<i>.gif   each code in turn through a range
        interventional_effects/interventional_effect.png
                                                   mean of each code given a factor,
                                                   if there are factors

    Three more files give an overview. In `traversals.png` and `traversals.gif`, codes
    are ordered by their mean KL divergence from the prior, and each varies by two
    standard deviations around its mean over the data. `kl_per_code.json` has the
    divergence of each code in nats.

    Args:
        model_dir: directory that `train` wrote.
        output_dir: directory to write.
        overwrite: whether to replace `output_dir` if it exists.
        num_animations: number of animations of each range, from different images.
        num_frames: number of frames of an animation.
        fps: number of frames per second.
        num_points_irs: number of images for the statistics of the codes.
        gin_config_files: paths of gin files that override the configuration of the
            training, for example to draw with another dataset.
        gin_bindings: lines of gin that override the files.

    Raises:
        FileNotFoundError: if `model_dir` holds no trained model.
        ValueError: if `output_dir` exists and may not be replaced, gin refuses a line,
            or the model has no decoder.
    """
    configuration.is_done(output_dir, "visualization", overwrite, inputs=[model_dir])
    config_path = os.path.join(model_dir, "results", "gin", "train.gin")
    data = named_data.dataset_of(config_path, gin_config_files, gin_bindings)
    with configuration.gin_configuration(gin_config_files, gin_bindings):
        bound = results.parse_bindings(gin.config_str())
    bound = {**results.bindings_of(config_path), **bound}
    activation = results.text_of(bound.get("reconstruction_loss.activation", "logits"))
    num_latent, encode, decode = _open_model(
        model_dir, activation, data.observation_shape
    )
    random_state = np.random.RandomState(0)
    with files.replacing(output_dir) as directory:
        path = functools.partial(os.path.join, directory)
        images = data.sample_observations(_NUM_PICTURES, random_state)
        pictures.save_image(
            _pairs(images, decode(encode(images)[0])),
            path("reconstructions", "reconstructions.jpg"),
        )
        codes = random_state.normal(0, 1, [_NUM_PICTURES, num_latent])
        pictures.save_image(
            pictures.image_grid(decode(codes.astype(np.float32))),
            path("sampled", "samples.jpg"),
        )

        means, logvars = encode(data.sample_observations(_NUM_PICTURES, random_state))
        values = np.linspace(-1, 1, 11)
        for i, base in enumerate(means[:num_latent]):
            rows = np.concatenate(images_by_code(decode, base, [values] * num_latent))
            pictures.save_image(
                pictures.image_grid(rows, len(values)),
                path("traversals", f"traversals{i}.jpg"),
            )
        for name, cycle in _cycles(means, logvars, num_frames).items():
            for i, base in enumerate(means[:num_animations]):
                cycles = [cycle(j, value) for j, value in enumerate(base)]
                frames = images_by_code(decode, base, cycles).swapaxes(0, 1)
                pictures.save_animation(
                    [pictures.image_grid(frame, padding=8) for frame in frames],
                    path("animated_traversals", f"{name}_cycle{i}.gif"),
                    fps,
                )

        factors = data.sample_factors(num_points_irs, random_state)
        means, logvars = encode(
            data.sample_observations_from_factors(factors, random_state)
        )
        kl = kl_per_code(means, logvars)
        results.save_dict(path("kl_per_code.json"), {"kl_per_code": kl})
        _save_traversals(means, logvars, decode, path, num_frames, fps)
        if data.num_factors:
            effects = path("interventional_effects", "interventional_effect.png")
            _save_effects(
                data.factor_names,
                data.continuous_factors,
                factors,
                means,
                np.argsort(-kl),
                effects,
            )


def _open_model(model_dir, activation, observation_shape):
    """Number of codes, and the functions images -> moments and codes -> images."""
    model = gaussian_encoder_model.load_model(model_dir, observation_shape)
    if model.decoder is None:
        raise ValueError(
            f"The model in {model_dir} has no decoder to draw with. Train one on its "
            "encoder: model.model = @decoder_on_frozen_encoder(), "
            f"decoder_on_frozen_encoder.encoder_dir = {model_dir!r}"
        )
    decode = compiled(lambda codes: losses.activate(model.decode(codes), activation))
    return model.num_latent, compiled(model.encode), decode


def aggregate_moments(means, logvars):
    """Mean and standard deviation of each code over all images, (num_codes,) each."""
    return means.mean(0), np.sqrt(np.exp(logvars).mean(0) + means.var(0))


def _pairs(images, reconstructions):
    gap = np.ones_like(images[:, :, :2])
    pairs = np.concatenate([images, gap, reconstructions], axis=2)
    return pictures.image_grid(pairs, 8, padding=10)


def images_by_code(decode, base, values):
    """Draws codes that differ from `base` in one code at a time.

    Args:
        decode: function of codes (n, num_codes) that returns images (n, *image shape).
        base: (num_codes,).
        values: (num_codes, num_values), the values of each code.

    Returns:
        Images (num_codes, num_values, *image shape).
    """
    values = np.asarray(values)
    codes = np.tile(base, (*values.shape, 1))
    for j, values_of_code in enumerate(values):
        codes[j, :, j] = values_of_code
    images = decode(codes.reshape(-1, len(base)).astype(np.float32))
    return images.reshape(*values.shape, *images.shape[1:])


def _cycles(means, logvars, num_frames):
    """The animations of disentanglement_lib: {name: function of code j and its value}.

    The function returns the values of the code, one per frame, from its value on.
    """
    gaussian, interval = pictures.cycle_gaussian, pictures.cycle_interval
    loc, scale = aggregate_moments(means, logvars)
    zero, one = np.zeros_like(loc), np.ones_like(loc)

    def cycle(shape, first, second):
        return lambda j, value: shape(value, num_frames, first[j], second[j])

    return {
        "std_gaussian": cycle(gaussian, zero, one),
        "fitted_gaussian": cycle(gaussian, loc, scale),
        "fixed_interval": cycle(interval, zero - 2, zero + 2),
        "conf_interval": cycle(interval, loc - 2 * scale, loc + 2 * scale),
        "minmax_interval": cycle(interval, means.min(0), means.max(0)),
    }


def _save_traversals(means, logvars, decode, path, num_frames, fps):
    kl = kl_per_code(means, logvars)
    order = np.argsort(-kl)
    loc, scale = aggregate_moments(means, logvars)
    # The image nearest to the mean of all codes can change in every direction.
    base = means[np.argmin(np.sum(((means - loc) / scale) ** 2, axis=1))]

    def images_at(deviations):
        values = loc[:, None] + scale[:, None] * deviations
        return images_by_code(decode, base, values)[order]

    deviations = np.linspace(-2, 2, 9)
    labels = [f"code {j}\n{kl[j]:.2f} nats" for j in order]
    picture = pictures.labelled_rows(
        images_at(deviations),
        labels,
        ["mean" if d == 0 else f"{d:+g} sd".replace("-", "−") for d in deviations],
        [
            "Each row changes one code, around the image nearest to the mean of all "
            "codes.",
            f"Mean and sd: of the code over {len(means):,} images. Nats: mean KL "
            "divergence from the prior.",
        ],
    )
    pictures.save_image(picture, path("traversals.png"))
    wave = pictures.cycle_interval(0.0, num_frames, -2.0, 2.0)
    frames = images_at(wave).swapaxes(0, 1)
    tiles = [pictures.labelled_tiles(frame, labels) for frame in frames]
    pictures.save_animation(tiles, path("traversals.gif"), fps)


@pictures.plain_text()
def _save_effects(factor_names, continuous, factors, codes, order, path):
    """Draws the mean of each code given each value of a factor.

    Codes (n, num_codes) are drawn in `order`. Values of continuous factors are drawn in
    bins with equally many values.
    """
    from matplotlib.figure import Figure

    factor_names = list(map(pictures.as_label, factor_names))
    columns = pictures.num_columns(len(order))
    rows = -(-len(order) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.3 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    pages.plain_axes(axes.flat[: len(order)], axes.flat[len(order) :])
    for axis, j in zip(axes.flat, order, strict=False):
        shares = []
        for k, is_continuous in enumerate(continuous):
            values, value = np.unique(factors[:, k], return_inverse=True)
            if is_continuous:
                value = value * min(_NUM_BINS, len(values)) // len(values)
            mean = np.bincount(value, codes[:, j]) / np.bincount(value)
            axis.plot(np.linspace(0, 1, len(mean)), mean, marker=".")
            shares.append(mean[value].var() / max(codes[:, j].var(), 1e-12))
        best = int(np.argmax(shares))
        axis.set_title(
            f"code {j}: {factor_names[best]} ({shares[best]:.0%})", fontsize=10
        )
        axis.set_xticks([0, 1], ["first", "last"])
    figure.supxlabel("value of the factor", fontsize=10)
    figure.supylabel("mean of the code", fontsize=10)
    figure.legend(
        axes.flat[0].lines,
        factor_names,
        loc="outside upper center",
        ncols=min(len(factor_names), 2 * columns),
        frameon=False,
    )
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)

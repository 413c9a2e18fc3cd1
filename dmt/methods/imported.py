"""Imports models that disentanglement_lib trained.

Their `tfhub/` is a module of TensorFlow Hub's first format. The networks have the same
layers and names here, so the weights are copied by name.
"""

import contextlib
import glob
import os
import shutil

from dmt.methods import gaussian_encoder_model
from dmt.methods.shared import architectures
from dmt.utils import configuration, files, keras_files, locks, results

_RESULTS = (
    "results/gin/train.gin",
    "results/json/train_config.json",
    "results/json/train_results.json",
    "results/aggregate/train.json",
)
_REQUIRED = (
    "tfhub/tfhub_module.pb",
    "tfhub/saved_model.pb",
    "tfhub/variables/variables.index",
    *_RESULTS,
)
_LARGEST = 2**24  # bytes of a graph or of an index
_BINDINGS = ("encoder.encoder_fn", "encoder.num_latent", "decoder.decoder_fn")


@locks.holding("output_dir")
def import_model(
    source_dir, output_dir, overwrite=False, gin_config_files=(), gin_bindings=()
):
    """Converts a model directory of disentanglement_lib to one of this package.

    Writes `model.keras`, `tfhub/` and a copy of the `results/` of training to
    `output_dir`, whole or not at all. The model can be postprocessed, evaluated and
    drawn as any other, but not trained further.

    Args:
        source_dir: directory with `tfhub/` and `results/`.
        output_dir: directory to write.
        overwrite: whether to replace `output_dir` if it exists.
        gin_config_files: paths of gin files that override the configuration of the
            training where it names the networks.
        gin_bindings: lines of gin that override the files.

    Raises:
        FileNotFoundError: if a part of the model is missing.
        ValueError: if `output_dir` exists and may not be replaced, TensorFlow is not
            installed, a file is damaged, an architecture is unknown, or the variables
            are not those of the networks.
    """
    configuration.is_done(output_dir, "train", overwrite, inputs=[source_dir])
    for name in _REQUIRED:
        path = os.path.join(source_dir, name)
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"There is no {path}: name a model directory of disentanglement_lib, "
                "the folder that holds its tfhub/ and results/."
            )
        if path.endswith(".json"):
            results.load_json(path)
        elif not path.endswith(".gin"):
            files.check_plain(path, _LARGEST)
    hub_dir = os.path.join(source_dir, "tfhub")
    prefix = os.path.join(hub_dir, "variables", "variables")
    reader = _reader(prefix)
    model = _networks(
        os.path.join(source_dir, "results", "gin", "train.gin"),
        _observation_shape(os.path.join(hub_dir, "saved_model.pb")),
        sum(map(os.path.getsize, glob.glob(f"{glob.escape(prefix)}.data-*"))),
        gin_config_files,
        gin_bindings,
    )
    _assign(model, reader, prefix)
    with files.replacing(output_dir) as directory:
        os.makedirs(directory)
        gaussian_encoder_model.export(model, directory)
        for name in _RESULTS:
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copyfile(os.path.join(source_dir, name), path)


def _reader(prefix):
    """TensorFlow's reader of a checkpoint."""
    tf = files.tensorflow()
    if tf is None:
        raise ValueError(
            f"Reading {prefix} needs TensorFlow, which is not installed: "
            "pip install tensorflow-cpu"
        )
    with _reading(prefix):
        return tf.train.load_checkpoint(prefix)


@contextlib.contextmanager
def _reading(prefix):
    try:
        yield
    except Exception as error:  # The reader raises many kinds.
        text = " ".join(str(error).split())
        raise ValueError(f"{prefix}.* cannot be read: {text}") from error


def _observation_shape(path):
    """(height, width, channels) of the images that the module takes."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    module = saved_model_pb2.SavedModel()
    with open(path, "rb") as file:
        try:
            module.ParseFromString(file.read())
        except DecodeError as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
    for graph in module.meta_graphs:
        if "images" in graph.signature_def["gaussian_encoder"].inputs:
            images = graph.signature_def["gaussian_encoder"].inputs["images"]
            shape = tuple(dimension.size for dimension in images.tensor_shape.dim[1:])
            if len(shape) == 3 and min(shape) > 0:
                return shape
    raise ValueError(f"{path} has no signature gaussian_encoder of images.")


def _networks(gin_path, observation_shape, size, gin_config_files, gin_bindings):
    """The networks of a training configuration, freshly initialised.

    `size` is that of the file of their weights, in bytes.
    """
    try:
        bindings = results.bindings_of(gin_path)
        missing = [name for name in _BINDINGS if name not in bindings]
        if missing:
            raise ValueError(f"it binds no {' and no '.join(missing)}.")
        with configuration.gin_configuration(gin_config_files, gin_bindings):
            configuration.import_modules_of(gin_path)
            for name in _BINDINGS:
                configuration.bind_default(name, bindings[name])
            with keras_files.without_values():
                needed = sum(
                    map(keras_files.bytes_of, _encoder_and_decoder(observation_shape))
                )
            if needed > 2 * size + 2**26:
                raise ValueError(
                    f"for images of shape {observation_shape}, they need {needed:,} "
                    f"bytes of weights, and the file of the weights has {size:,}."
                )
            encoder, decoder = _encoder_and_decoder(observation_shape)
    except Exception as error:  # The file may name any function.
        # Gin appends the call chain on lines of their own.
        text = " ".join(str(error).split("\n  In ")[0].split())
        message = f"The networks of {gin_path} cannot be built: {text}"
        raise ValueError(message) from error
    return gaussian_encoder_model.GaussianEncoderModel(encoder, decoder)


def _encoder_and_decoder(observation_shape):
    encoder = architectures.make_gaussian_encoder(observation_shape)
    num_latent = encoder.outputs[0].shape[-1]
    return encoder, architectures.make_decoder(num_latent, observation_shape)


def _assign(model, reader, prefix):
    """Sets the networks' weights; reads them only if they have the right shapes."""
    variables = {
        variable.path: variable
        for network in (model.encoder, model.decoder)
        for variable in network.variables
    }
    expected = {name: list(variable.shape) for name, variable in variables.items()}
    with _reading(prefix):
        found = {
            name: shape
            for name, shape in reader.get_variable_to_shape_map().items()
            # A discriminator is needed for training only.
            if not name.startswith("discriminator/")
        }
    faults = {
        "missing": sorted(expected.keys() - found.keys()),
        "unknown": sorted(found.keys() - expected.keys()),
        "of another shape": [
            f"{name} {found[name]} instead of {expected[name]}"
            for name in sorted(expected.keys() & found.keys())
            if found[name] != expected[name]
        ],
    }
    if any(faults.values()):
        text = "; ".join(f"{kind}: {_few(v)}" for kind, v in faults.items() if v)
        raise ValueError(
            f"The variables of {prefix}.* are not those of the networks that its "
            f"train.gin names. {text}"
        )
    with _reading(prefix):
        for name, variable in variables.items():
            variable.assign(reader.get_tensor(name))


def _few(items):
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(items[:3]) + more

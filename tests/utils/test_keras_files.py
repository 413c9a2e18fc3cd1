"""Keras files of anybody end in a model or in one line, within seconds and memory."""

import json
import resource
import zipfile

import h5py
import keras
import numpy as np
import pytest

from dmt.utils import keras_files, trust


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A small network, as anybody saves it."""
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
    keras.Model(inputs, outputs).save(path)
    return path


def rewritten(path, target, change_config=None, **entries):
    """Copies an archive with another configuration or other entries."""
    with (
        zipfile.ZipFile(path) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json" and change_config:
                config = json.loads(content)
                content = change_config(config)
                if not isinstance(content, (str, bytes)):
                    content = json.dumps(config if content is None else content)
            archive.writestr(name, entries.pop(name, content))
        for name, content in entries.items():
            archive.writestr(name, content)
    return str(target)


def dense_of(config):
    return next(x for x in config["config"]["layers"] if x["class_name"] == "Dense")


def many_units(config):
    dense_of(config)["config"]["units"] = 10**9


def no_units(config):
    dense_of(config)["config"]["units"] = 0


def huge_image(config):
    _, flatten, dense = config["config"]["layers"]
    flatten["class_name"], dense["class_name"] = "UpSampling2D", "GlobalMaxPooling2D"
    flatten["config"] = {"name": flatten["name"], "size": [10**5, 10**5]}
    dense["config"] = {"name": dense["name"]}
    del dense["build_config"]


def many_layers(config):
    config["config"]["layers"] += [{"class_name": "Flatten"}] * 10**5


def inner_sequence(config):
    flatten = config["config"]["layers"][1]
    shape = {"batch_shape": [None, 8, 8, 1], "name": "images"}
    inner = [
        layer("InputLayer", **shape)(config),
        layer("Reshape", target_shape=[8, 8, 1], name="same")(config),
        layer("UpSampling2D", size=[10**5, 10**5], name="large")(config),
        layer("MaxPooling2D", pool_size=[10**5, 10**5], name="small")(config),
        layer("Flatten", name="flat")(config),
    ]
    flatten |= {"module": "keras", "class_name": "Sequential"}
    flatten["config"] = {"name": flatten["name"], "layers": inner}


def function_of_a_user(config):
    dense_of(config)["config"]["activation"] = {
        "module": "builtins",
        "class_name": "function",
        "config": "their_package>act",
        "registered_name": "function",
    }


def many_parts(config):
    config["others"] = [{}] * 10**6


def deep(config):
    return "[" * 10**6


def nested(config):
    inner = config
    for _ in range(200):
        inner = {"class_name": "Sequential", "config": {"layers": [inner]}}
    return inner


def layer(class_name, module="keras.layers", **config):
    def change(whole):
        found = {"module": module, "class_name": class_name, "registered_name": None}
        return {**found, "config": config}

    return change


def in_the_middle(change):
    def changed(config):
        part = change(config)
        config["config"]["layers"].insert(1, part)

    return changed


def activation(config):
    dense_of(config)["config"]["activation"] = {
        "module": "keras.utils",
        "class_name": "function",
        "config": "get_file",
        "registered_name": "get_file",
    }


LAMBDA = layer(
    "Lambda", function={"class_name": "__lambda__", "config": {"code": "4wAA"}}
)
HARMFUL = {
    "lambda": (LAMBDA, "holds code.*--trust"),
    "inner lambda": (in_the_middle(LAMBDA), "holds code.*--trust"),
    "saved model": (layer("TFSMLayer", filepath="/tmp"), "holds code.*--trust"),
    "torch": (in_the_middle(layer("TorchModuleWrapper")), "holds code.*--trust"),
    "function": (activation, "get_file of the Python module keras.utils"),
    "class of a module": (layer("Popen", "subprocess"), "Popen of the .*subprocess"),
    "class without a module": (
        layer("Mine", None),
        "Mine of the Python module .not named",
    ),
    "many units": (many_units, "bytes of weights"),
    "no units": (no_units, "positive integer. Received: units=0"),
    "large image": (huge_image, "numbers for one image"),
    "large image inside": (inner_sequence, "numbers for one image"),
    "function of a user": (function_of_a_user, "their_package>act of the Python mod"),
    "many parts": (many_parts, "more than 500,000 parts"),
    "many layers": (many_layers, "more than 5000 layers"),
    "deep": (deep, "nested too deeply"),
    "nested": (nested, "nested too deeply"),
    "number": (lambda config: "3", "describes no network"),
    "text": (lambda config: b"\xff\xfe", "cannot be read"),
    "class that is no text": (layer(3), "no text"),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_harmful_configurations(kind, original, tmp_path):
    change, words = HARMFUL[kind]
    path = rewritten(original, tmp_path / "model.keras", change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=words) as error:
        keras_files.load(path, "make it")
    assert "\n" not in str(error.value) and path in str(error.value)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1.5 * 2**20  # KiB


def test_unharmed_files_are_read(original, tmp_path):
    path = rewritten(original, tmp_path / "model.keras")
    model = keras_files.load(path, "make it")
    np.testing.assert_array_equal(
        model.get_weights()[0], keras.saving.load_model(original).get_weights()[0]
    )
    # What was counted did not leave variables behind.
    with keras.StatelessScope():
        pass


def bomb(tmp_path):
    return {"model.weights.h5": bytes(2**28)}


def sparse_weights(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_dataset("zeros", (10**12,), "f4", chunks=(1000,))
    return {"model.weights.h5": (tmp_path / "weights.h5").read_bytes()}


def linked_weights(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")
    return {"model.weights.h5": (tmp_path / "weights.h5").read_bytes()}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (bomb, "more than"),
        (sparse_weights, "more numbers than it holds"),
        (linked_weights, "other files"),
        (lambda _: {"model.weights.h5": b"no weights"}, "cannot be read"),
        (lambda _: {"config.json": " " * 2**27}, "bytes"),
        (lambda _: {f"assets/{i}": b"" for i in range(20_000)}, "too many entries"),
    ],
)
def test_harmful_archives(entries, words, original, tmp_path):
    path = rewritten(original, tmp_path / "model.keras", **entries(tmp_path))
    with pytest.raises(ValueError, match=words) as error:
        keras_files.load(path, "make it")
    assert "\n" not in str(error.value) and path in str(error.value)


def test_encrypted_archives(original, tmp_path):
    path = tmp_path / "model.keras"
    content = bytearray(original.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(mark, start + 4)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="encrypted"):
        keras_files.load(str(path), "make it")


@pytest.mark.parametrize("content", [b"", b"PK", b"text", None])
def test_files_that_are_no_archive(content, original, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(original.read_bytes()[:-40] if content is None else content)
    with pytest.raises(ValueError, match="cannot be read, write it again"):
        keras_files.load(str(path), "make it")
    with pytest.raises(FileNotFoundError, match="There is no .*: make it."):
        keras_files.load(str(tmp_path / "no.keras"), "make it")


def test_code_runs_if_it_is_trusted(tmp_path):
    inputs = keras.Input((3,))
    outputs = keras.layers.Lambda(lambda x: 2 * x)(inputs)
    path = str(tmp_path / "model.keras")
    keras.Model(inputs, outputs).save(path)
    with pytest.raises(ValueError, match="holds code"):
        keras_files.load(path, "make it")
    with trust.allowed():
        model = keras_files.load(path, "make it")
    np.testing.assert_array_equal(model(np.ones((1, 3))), np.full((1, 3), 2.0))

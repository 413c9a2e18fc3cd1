"""Models in disentanglement_lib's format, written by TensorFlow 1's functions."""

import json
import os
import resource
import shutil

import keras
import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from dmt.evaluation.evaluate import evaluate_with_gin
from dmt.methods import gaussian_encoder_model
from dmt.methods.imported import import_model
from dmt.postprocessing.postprocess import postprocess_with_gin
from dmt.visualize.visualize_model import visualize
from tests.helpers import original_modules
from tests.helpers.original_modules import tf, v1


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("original")
    original_modules.write_module(
        str(path / "tfhub"),
        original_modules.conv_encoder,
        original_modules.deconv_decoder,
    )
    original_modules.write_results(path)
    return path


@pytest.fixture
def copied_dir(module_dir, tmp_path):
    shutil.copytree(module_dir, tmp_path / "original")
    return tmp_path / "original"


@pytest.mark.parametrize(
    "encoder, decoder, channels",
    [
        (original_modules.conv_encoder, original_modules.deconv_decoder, 3),
        (original_modules.fc_encoder, original_modules.fc_decoder, 1),
    ],
)
def test_outputs_are_those_of_the_module(encoder, decoder, channels, tmp_path):
    random_state = np.random.RandomState(0)
    images = random_state.uniform(size=(4, 64, 64, channels)).astype("float32")
    codes = random_state.normal(size=(4, original_modules.NUM_LATENT)).astype("float32")
    source = tmp_path / "original"
    expected = original_modules.write_module(
        str(source / "tfhub"), encoder, decoder, channels, images, codes
    )
    original_modules.write_results(source, encoder.__name__, decoder.__name__)
    import_model(str(source), str(tmp_path / "model"))

    model = gaussian_encoder_model.load_model(str(tmp_path / "model"))
    found = [*model.encode(images), model.decode(codes)]
    for ours, theirs in zip(found, expected, strict=True):
        ours = keras.ops.convert_to_numpy(ours)
        # Of numbers near 0, only the size of their neighbours can be kept.
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.std())
    for name in ("gin/train.gin", "json/train_results.json", "aggregate/train.json"):
        path = tmp_path / "model" / "results" / name
        assert path.read_bytes() == (source / "results" / name).read_bytes()
    exported = tf.saved_model.load(str(tmp_path / "model" / "tfhub"))
    mean = exported.signatures["gaussian_encoder"](images=tf.constant(images))["mean"]
    np.testing.assert_allclose(mean, expected[0], rtol=1e-4, atol=1e-5)


def test_later_steps_take_the_model(module_dir, tmp_path):
    model_dir, codes_dir = str(tmp_path / "model"), str(tmp_path / "codes")
    import_model(str(module_dir), model_dir)
    postprocess_with_gin(
        model_dir,
        codes_dir,
        gin_bindings=[
            "postprocess.postprocess_fn = @mean_representation",
            "postprocess.random_seed = 0",
            "dataset.name = 'auto'",
        ],
    )
    evaluate_with_gin(
        codes_dir,
        str(tmp_path / "mig"),
        gin_bindings=[
            "evaluation.evaluation_fn = @mig",
            "evaluation.random_seed = 0",
            "dataset.name = 'auto'",
            "mig.num_train = 200",
            "discretizer.discretizer_fn = @histogram_discretizer",
            "discretizer.num_bins = 20",
        ],
    )
    path = tmp_path / "mig" / "results" / "aggregate" / "evaluation.json"
    found = json.loads(path.read_text())
    assert 0 <= found["evaluation_results.discrete_mig"] <= 1
    assert found["train_results.uuid"] == "c0ffee"
    assert found["evaluation_config.dataset.name"] == "'dsprites_rendered_small'"
    visualize(model_dir, str(tmp_path / "pictures"), num_animations=0)


def assert_refused(source, text, error=ValueError):
    output = source.parent / "model"
    with pytest.raises(error, match=text) as raised:
        import_model(str(source), str(output))
    assert len(str(raised.value).splitlines()) == 1
    assert os.listdir(source.parent) == [source.name]


@pytest.mark.parametrize(
    "name",
    ["tfhub", "tfhub/variables", "results/gin/train.gin", "results/aggregate"],
)
def test_missing_part(copied_dir, name):
    path = copied_dir / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert_refused(copied_dir, "There is no .*name a model dir", FileNotFoundError)


@pytest.mark.parametrize(
    "name",
    ["variables/variables.data-00000-of-00001", "variables/variables.index"],
)
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_variables(copied_dir, name, share):
    path = copied_dir / "tfhub" / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert_refused(copied_dir, "variables.* cannot be read")


def test_damaged_variables(copied_dir):
    path = copied_dir / "tfhub/variables/variables.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert_refused(copied_dir, "variables.* cannot be read")


@pytest.mark.parametrize("share", [0, 0.5])
def test_truncated_graph(copied_dir, share):
    path = copied_dir / "tfhub" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert_refused(copied_dir, "saved_model.pb")


def many_messages(graph):
    return graph.SerializeToString() + 2**24 * b"\x12\0"


def huge_images(graph):
    inputs = graph.meta_graphs[0].signature_def["gaussian_encoder"].inputs
    for dimension in inputs["images"].tensor_shape.dim[1:]:
        dimension.size = 10**5
    return graph.SerializeToString()


def nested(graph):
    content = b""
    for _ in range(10**4):
        # A field of the number 2 that holds the rest.
        size, digits = len(content), b""
        while size > 127:
            size, digits = size >> 7, digits + bytes([size & 127 | 128])
        content = b"\x12" + digits + bytes([size]) + content
    return content


@pytest.mark.parametrize(
    "change, words",
    [
        (many_messages, "saved_model.pb has 33,.* bytes, more than the 16,777,216"),
        (
            huge_images,
            "they need [0-9,]+ bytes of weights, and the file of the weights",
        ),
        (nested, "saved_model.pb cannot be read"),
    ],
)
def test_harmful_graphs(copied_dir, change, words):
    path = copied_dir / "tfhub" / "saved_model.pb"
    graph = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    path.write_bytes(change(graph))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(copied_dir, words)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 2**20  # KiB


@pytest.mark.parametrize(
    "old, new, text",
    [
        ("@conv_encoder", "@my_encoder", "my_encoder"),
        ("@deconv_decoder", "@my_decoder", "my_decoder"),
        ("encoder.num_latent", "encoder.size", "binds no encoder.num_latent"),
        ("codes = 5", "codes = 6", r"decoder/dense/kernel \[5, 256\] .* and 2 more$"),
        ("codes = 5", "codes = 0", "train.gin cannot be built: "),
        ("@conv_encoder", "@deconv_decoder", "train.gin cannot be built: "),
        ("@deconv_decoder", "@fc_decoder", "missing: decoder/dense_2/.*unknown: "),
        ("codes = 5", "codes = 10000000000000", "train.gin cannot be built: "),
        ("codes = 5", "codes = '5'", "train.gin cannot be built: "),
        ("@conv_encoder", "@mean_representation", "train.gin cannot be built: "),
        ("# None.", "import a_module_of_mine", "a_module_of_mine"),
    ],
)
def test_networks_that_do_not_fit(copied_dir, old, new, text):
    path = copied_dir / "results" / "gin" / "train.gin"
    path.write_text(path.read_text().replace(old, new))
    assert_refused(copied_dir, text)


@pytest.mark.parametrize("content", [b"", b'{"loss": 1', b"[1]", b"\xff"])
@pytest.mark.parametrize("name", ["json/train_results.json", "aggregate/train.json"])
def test_damaged_results(copied_dir, name, content):
    (copied_dir / "results" / name).write_bytes(content)
    assert_refused(copied_dir, name)


def test_damaged_gin_file(copied_dir):
    (copied_dir / "results/gin/train.gin").write_bytes(b"\xff")
    assert_refused(copied_dir, "train.gin cannot be built: ")


def test_only_results_of_training_are_copied(copied_dir, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("")
    (copied_dir / "results" / "link").symlink_to(secret)
    (copied_dir / "results" / "dangling").symlink_to(tmp_path / "nothing")
    import_model(str(copied_dir), str(tmp_path / "model"))
    found = sorted(os.listdir(tmp_path / "model" / "results"))
    assert found == ["aggregate", "gin", "json"]


def rewrite_variables(model_dir, change):
    """Replaces the module's variables by `change` of them."""
    prefix = str(model_dir / "tfhub" / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    values = {n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()}
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in change(values).items():
            v1.get_variable(name, initializer=value)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, prefix, write_meta_graph=False, write_state=0)


def test_missing_and_unknown_variables(copied_dir):
    def renamed(values):
        values["encoder/e6/kernel"] = values.pop("encoder/e5/kernel")
        return values

    rewrite_variables(copied_dir, renamed)
    assert_refused(
        copied_dir, "missing: encoder/e5/kernel; unknown: encoder/e6/kernel$"
    )


def test_variable_of_another_shape(copied_dir):
    def transposed(values):
        return values | {"encoder/e5/kernel": values["encoder/e5/kernel"].T.copy()}

    rewrite_variables(copied_dir, transposed)
    assert_refused(copied_dir, r"encoder/e5/kernel \[256, 1024\] instead of \[1024, 2")


def test_variable_of_another_type(copied_dir):
    def text(values):
        kernel = values["encoder/e5/kernel"]
        return values | {"encoder/e5/kernel": np.full(kernel.shape, b"x", object)}

    rewrite_variables(copied_dir, text)
    assert_refused(copied_dir, "variables.* cannot be read")


def test_discriminator_is_left_behind(copied_dir, tmp_path):
    rewrite_variables(
        copied_dir,
        lambda values: values | {"discriminator/d1/bias": np.zeros(9, "float32")},
    )
    import_model(str(copied_dir), str(tmp_path / "model"))


def test_existing_output_is_kept(module_dir, tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(ValueError, match="exists"):
        import_model(str(module_dir), str(tmp_path))
    assert os.listdir(tmp_path) == ["mine"]
    with pytest.raises(ValueError, match="holds the input"):
        import_model(str(module_dir), str(module_dir), overwrite=True)
    import_model(str(module_dir), str(tmp_path), overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["model.keras", "results", "tfhub"]

"""Model directories in disentanglement_lib's format, by TensorFlow 1's functions."""

import json
import os

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

NUM_LATENT = 5
TRAIN_GIN = """
# Parameters for conv_encoder:
# ==============================================================================
# None.

# Parameters for dataset:
# ==============================================================================
dataset.name = 'dsprites_rendered_small'

# Parameters for decoder:
# ==============================================================================
decoder.decoder_fn = @{decoder}

# Parameters for encoder:
# ==============================================================================
encoder.encoder_fn = @{encoder}
encoder.num_latent = %codes
codes = 5

# Parameters for reconstruction_loss:
# ==============================================================================
reconstruction_loss.activation = 'logits'
reconstruction_loss.loss_fn = @bernoulli_loss
"""
TRAIN_RESULTS = {
    "reconstruction_loss": 21.5,
    "global_step": 300000,
    "elapsed_time": 7200.5,
    "uuid": "c0ffee",
}


def variable(name, shape):
    scale = np.prod(shape[:-1]) ** -0.5 if len(shape) > 1 else 0.1
    return v1.get_variable(
        name, shape, initializer=v1.random_normal_initializer(stddev=scale)
    )


def dense(x, units, name, activation=None):
    with v1.variable_scope(name):
        x = x @ variable("kernel", [x.shape[-1], units]) + variable("bias", [units])
    return activation(x) if activation else x


def conv(x, filters, size, name):
    with v1.variable_scope(name):
        kernel = variable("kernel", [size, size, x.shape[-1], filters])
        x = tf.nn.conv2d(x, kernel, 2, "SAME") + variable("bias", [filters])
    return tf.nn.relu(x)


def deconv(x, filters, name, activation=None):
    with v1.variable_scope(name):
        kernel = variable("kernel", [4, 4, filters, x.shape[-1]])
        shape = [tf.shape(x)[0], 2 * x.shape[1], 2 * x.shape[2], filters]
        x = tf.nn.conv2d_transpose(x, kernel, shape, 2, "SAME")
        x += variable("bias", [filters])
    return activation(x) if activation else x


def conv_encoder(x):
    for i, (filters, size) in enumerate([(32, 4), (32, 4), (64, 2), (64, 2)], start=1):
        x = conv(x, filters, size, f"e{i}")
    x = dense(tf.reshape(x, [-1, 1024]), 256, "e5", tf.nn.relu)
    return dense(x, NUM_LATENT, "means"), dense(x, NUM_LATENT, "log_var")


def deconv_decoder(x, channels):
    x = dense(x, 256, "dense", tf.nn.relu)
    x = tf.reshape(dense(x, 1024, "dense_1", tf.nn.relu), [-1, 4, 4, 64])
    x = deconv(x, 64, "conv2d_transpose", tf.nn.relu)
    x = deconv(x, 32, "conv2d_transpose_1", tf.nn.relu)
    x = deconv(x, 32, "conv2d_transpose_2", tf.nn.relu)
    return deconv(x, channels, "conv2d_transpose_3")


def fc_encoder(x):
    x = tf.reshape(x, [-1, np.prod(x.shape[1:])])
    x = dense(dense(x, 1200, "e1", tf.nn.relu), 1200, "e2", tf.nn.relu)
    return dense(x, NUM_LATENT, "dense"), dense(x, NUM_LATENT, "dense_1")


def fc_decoder(x, channels):
    for name in ("dense", "dense_1", "dense_2"):
        x = dense(x, 1200, name, tf.nn.tanh)
    x = dense(x, 64 * 64 * channels, "dense_3")
    return tf.reshape(x, [-1, 64, 64, channels])


def write_module(path, encoder, decoder, channels=1, images=None, codes=None):
    """A TF1-Hub module with random weights; its mean, logvar and decoded images."""

    def signature(inputs, outputs):
        return v1.saved_model.predict_signature_def(inputs, outputs)

    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        placeholder = v1.placeholder(tf.float32, [None, 64, 64, channels])
        latent = v1.placeholder(tf.float32, [None, NUM_LATENT])
        with v1.variable_scope("encoder", reuse=v1.AUTO_REUSE):
            mean, logvar = encoder(placeholder)
        with v1.variable_scope("decoder", reuse=v1.AUTO_REUSE):
            sampled = mean + tf.exp(logvar / 2) * tf.random.normal(tf.shape(mean))
            reconstructed = decoder(sampled, channels)
            decoded = decoder(latent, channels)
        session.run(v1.global_variables_initializer())
        signatures = {
            "gaussian_encoder": signature(
                {"images": placeholder}, {"mean": mean, "logvar": logvar}
            ),
            "reconstructions": signature(
                {"images": placeholder}, {"images": reconstructed}
            ),
            "decoder": signature({"latent_vectors": latent}, {"images": decoded}),
        }
        builder = v1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(session, [], signatures)
        builder.add_meta_graph(["train"], signatures)
        builder.save()
        with open(os.path.join(path, "tfhub_module.pb"), "wb") as file:
            file.write(b"\x08\x03")
        return images is not None and session.run(
            [mean, logvar, decoded], {placeholder: images, latent: codes}
        )


def write_results(model_dir, encoder="conv_encoder", decoder="deconv_decoder"):
    results = model_dir / "results"
    config = {"encoder.num_latent": "%codes", "codes": "5"}
    aggregate = {f"train_config.{k}": v for k, v in config.items()}
    aggregate |= {f"train_results.{k}": v for k, v in TRAIN_RESULTS.items()}
    for path, text in {
        "gin/train.gin": TRAIN_GIN.format(encoder=encoder, decoder=decoder),
        "json/train_config.json": json.dumps(config),
        "json/train_results.json": json.dumps(TRAIN_RESULTS),
        "aggregate/train.json": json.dumps(aggregate),
    }.items():
        (results / path).parent.mkdir(parents=True, exist_ok=True)
        (results / path).write_text(text)

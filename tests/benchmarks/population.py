"""Speed of populations: member-steps per second, against single models in turn.

    python tests/benchmarks/population.py                      # TensorFlow, two cores
    KERAS_BACKEND=jax python tests/benchmarks/population.py    # on a GPU
    python tests/benchmarks/population.py --models small_vae --members 1,4,16
    python tests/benchmarks/population.py --quick              # does it run? no figures

K models of one architecture with their own seeds, learning rates and betas, each with
batches of its own. "in turn" is K times the speed of one compiled step of one model:
what a study makes that trains one model after another with all cores. "stacked" and
"unrolled" are the forms of `Population`; "processes" are as many processes as cores,
with one thread each, that train one model each. Rows take turns; figures are medians
over rounds, ratios are medians of the ratios within each round.

- `conv`: the conv beta-VAE of the studies, 64x64x1, batch 64.
- `factor`: the same as FactorVAE.
- `small_vae`: a beta-VAE with one hidden layer of 64 units on 16x16 images.
- `heads`: ten heads of 128 and 128 units on 8 codes.

The last line of the output is JSON with all figures.
"""

import argparse
import functools
import json
import multiprocessing
import os
import statistics
import time

import numpy as np

from dmt.utils import machine

WARM_UP = 3
MODELS = ("conv", "factor", "small_vae", "heads")
BINDINGS = """
    encoder.num_latent = 10
    encoder.encoder_fn = @conv_encoder
    decoder.decoder_fn = @deconv_decoder
    discriminator.discriminator_fn = @fc_discriminator
    reconstruction_loss.loss_fn = @bernoulli_loss
    vae_optimizer.optimizer_fn = @AdamOptimizer
    discriminator_optimizer.optimizer_fn = @AdamOptimizer
    AdamOptimizer.learning_rate = 1e-4
"""


def main():
    args = parse_arguments()
    print(f"{machine.num_cores()} cores, load {os.getloadavg()[0]:.2f}", flush=True)
    report = {}
    for model in args.models:
        report[model] = measure(model, args)
    print(json.dumps(report))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=lambda s: s.split(","), default=MODELS)
    parser.add_argument(
        "--members",
        type=lambda s: [int(k) for k in s.split(",")],
        default=[1, 2, 4, 8, 16],
    )
    parser.add_argument("--forms", default="stacked,unrolled,processes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each row's turn")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.members, args.rounds, args.seconds = [2], 1, 0.1
    args.forms = args.forms.split(",")
    return args


def measure(model, args):
    """Member-steps per second of each row, medians over rounds."""
    rows = {"in turn": Stepper(model, None, 1, args.precision)}
    for form in args.forms:
        if form == "processes":
            rows["processes"] = Processes(model, args)
            continue
        for members in args.members:
            rows[f"{form}, K = {members}"] = Stepper(
                model, form, members, args.precision
            )
    rates = {name: [] for name in rows}
    for number in range(args.rounds):
        for name in list(rows) if number % 2 else list(rows)[::-1]:
            rates[name].append(rows[name].rate(args.seconds))
    for row in rows.values():
        row.stop()
    baseline = rates["in turn"]
    print(f"\n{model:<28}{'member-steps/s':>16}{'to in turn':>12}")
    for name, values in rates.items():
        ratio = statistics.median(a / b for a, b in zip(values, baseline, strict=True))
        print(f"{name:<28}{statistics.median(values):16.1f}{ratio:12.2f}", flush=True)
    return rates


class Stepper:
    """A compiled step of a single model, or of a population of some form."""

    def __init__(self, model, form, members, precision):
        import gin
        import keras

        from dmt.methods import train  # noqa: F401 (registers the models)
        from dmt.methods.population.population import Population, make_optimizer

        gin.clear_config()
        gin.parse_config(BINDINGS)
        keras.config.set_dtype_policy(precision)
        singles = [make_model(model, k) for k in range(members)]
        keras.config.set_dtype_policy("float32")
        batch = make_batch(model)
        self._members = members
        if form is None:
            trained = singles[0]
            trained.compile(optimizer=trained.make_optimizer())
        else:
            trained = Population(singles, form)
            trained.compile(
                optimizer=make_optimizer([m.make_optimizer() for m in singles])
            )
            batch = tuple(np.stack([array] * members) for array in batch)
        trained.optimizer.build(trained.trainable_variables)
        self._step = compiled_step(trained, batch)
        for _ in range(WARM_UP):
            self._step()

    def rate(self, seconds):
        """Member-steps per second."""
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self._step()
            steps += 1
        return self._members * steps / (time.perf_counter() - start)

    def stop(self):
        """Nothing has to be ended."""


def make_model(kind, k):
    """An initialised model with seed, learning rate and beta of its own."""
    import gin

    from dmt.data.ground_truth import dsprites_rendered, pooled
    from dmt.methods.unsupervised import vae

    gin.bind_parameter("AdamOptimizer.learning_rate", 1e-4 * (1 + 0.1 * k))
    data = dsprites_rendered.dsprites_rendered_small()
    if kind == "factor":
        model = vae.FactorVAE(gamma=10.0 + k)
    elif kind == "heads":
        model = heads_class()()
    else:
        model = vae.BetaVAE(beta=1.0 + k)
    if kind == "small_vae":
        gin.bind_parameter("encoder.encoder_fn", small_encoder)
        gin.bind_parameter("decoder.decoder_fn", small_decoder)
        data = pooled.PooledData(data, 4)
    model.initialize(data, seed=k)
    return model


def small_encoder(images, num_latent):
    """One hidden layer."""
    from keras import layers

    x = layers.Flatten()(images)
    x = layers.Dense(64, activation="relu")(x)
    return layers.Dense(num_latent)(x), layers.Dense(num_latent)(x)


def small_decoder(codes, output_shape):
    """One hidden layer."""
    import math

    from keras import layers

    x = layers.Dense(64, activation="relu")(codes)
    x = layers.Dense(math.prod(output_shape))(x)
    return layers.Reshape(output_shape)(x)


@functools.cache
def heads_class():
    """Heads on codes as a model; Keras is imported after the processes' settings."""
    from keras import ops

    from dmt.methods.multitask.heads import make_heads, task_losses
    from dmt.methods.shared.training import TrainableModel

    class Heads(TrainableModel):
        def make_networks(self, dataset):
            self.heads = make_heads(8, 10, 1, hidden_units=(128, 128))

        def call(self, codes):
            return self.heads(codes)

        def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
            if training:
                self.step.assign_add(1)
            return ops.sum(task_losses(y, y_pred, [0] * 10))

    return Heads


def make_batch(kind):
    """A batch of 64."""
    from dmt.data.ground_truth import dsprites_rendered, pooled

    rows = np.arange(64) * 7
    if kind == "heads":
        random_state = np.random.RandomState(0)
        shapes = (64, 8), (64, 10)
        return tuple(random_state.normal(size=s).astype(np.float32) for s in shapes)
    data = dsprites_rendered.dsprites_rendered_small()
    if kind == "small_vae":
        data = pooled.PooledData(data, 4)
    return (data.images_at(rows),)


def compiled_step(model, batch):
    """The compiled update of `fit` on a batch that stays on the device."""
    import keras

    batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
    model.make_train_function()
    if keras.backend.backend() != "jax":

        def step():
            float(model.train_function(iter([batch]))["loss"])

        return step

    import jax

    model._symbolic_build(data_batch=batch)
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
    )
    run = jax.jit(lambda state, batch: model.train_step(state, batch), donate_argnums=0)
    # The step gives its buffers away, and other models share them at first.
    holder = [jax.tree.map(lambda leaf: leaf.copy(), state)]

    def step():
        logs, holder[0] = run(holder[0], batch)
        float(logs["loss"])

    return step


class Processes:
    """A process for each core that trains a model of its own."""

    def __init__(self, model, args):
        context = multiprocessing.get_context("spawn")
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(dict.fromkeys(names, "1"), TF_CPP_MIN_LOG_LEVEL="2")
        self._ends = []
        for _ in range(machine.num_cores()):
            end, other = context.Pipe()
            context.Process(
                target=work, args=(other, model, args.precision), daemon=True
            ).start()
            self._ends.append(end)
        for end in self._ends:
            end.recv()
        for name, value in before.items():
            if value is None:
                del os.environ[name]

    def rate(self, seconds):
        """Member-steps per second of all together."""
        for end in self._ends:
            end.send(seconds)
        return sum(end.recv() for end in self._ends)

    def stop(self):
        """Ends the processes."""
        for end in self._ends:
            end.send(None)


def work(pipe, model, precision):
    """Trains a model whenever it is told to, and tells how fast."""
    stepper = Stepper(model, None, 1, precision)
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        pipe.send(stepper.rate(seconds))


if __name__ == "__main__":
    main()

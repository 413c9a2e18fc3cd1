"""Speed of populations: member-steps per second, against single models in turn.

    python tests/benchmarks/population.py                      # TensorFlow, two cores
    KERAS_BACKEND=jax python tests/benchmarks/population.py    # JAX
    python tests/benchmarks/population.py --models small_vae --members 1,4,16
    python tests/benchmarks/population.py --quick              # does it run? no figures

K models of one architecture with their own seeds, learning rates and betas, each with
batches of its own. "in turn" is K times the speed of one compiled step of one model:
what a study makes that trains one model after another with all cores. "native" and
"products" are the stacked form of `Population` with convolutions of these kinds,
"unrolled" the other form. "processes" are as many processes as cores, with one thread
each, that train one model each, or a population of K each: K > 1 where `auto` of
dmt_study and dmt_pbt stacks models. Rows take turns; figures are medians over rounds,
ratios are medians of the ratios within each round.

- `conv`: the conv beta-VAE of the studies, 64x64x1, batch 64.
- `factor`: the same as FactorVAE.
- `small_vae`: a beta-VAE with one hidden layer of 64 units on 16x16 images.
- `middle_vae`: the same with 512 units.
- `heads`: ten heads of 64 and 64 units on 8 codes.
- `middle_heads`: the same with 128 units.

accelerator.py measures populations on a GPU.

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
from train import copied_state

from dmt.utils import machine

WARM_UP = 3
MODELS = ("conv", "factor", "small_vae", "middle_vae", "heads", "middle_heads")
HIDDEN_UNITS = {"small_vae": 64, "middle_vae": 512}
HEAD_UNITS = {"heads": 64, "middle_heads": 128}
# Rows that are compiled for one device.
FORMS = {
    "native": ("stacked", "native"),
    "products": ("stacked", "products"),
    "unrolled": ("unrolled", "native"),
}
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
    print(json.dumps({model: measure(model, args) for model in args.models}))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=lambda s: s.split(","), default=MODELS)
    parser.add_argument(
        "--members",
        type=lambda s: [int(k) for k in s.split(",")],
        default=[1, 2, 4, 8, 16],
    )
    parser.add_argument("--forms", default="native,products,unrolled,processes")
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
    most = max(args.members)
    for form in args.forms:
        if form == "processes":
            rows["processes"] = Processes(model, 1, args.precision)
            if most > 1 and not machine.has_gpu():
                name = f"processes, K = {most} each"
                rows[name] = Processes(model, most, args.precision)
            continue
        if form == "products" and model not in ("conv", "factor"):
            continue  # There is nothing that would differ.
        for members in args.members:
            name = f"{form}, K = {members}"
            rows[name] = Stepper(model, form, members, args.precision)
    rates = {name: [] for name in rows}
    for number in range(args.rounds):
        for name in list(rows) if number % 2 else list(rows)[::-1]:
            rates[name].append(rows[name].rate(args.seconds))
    baseline = rates["in turn"]
    print(f"\n{model:<28}{'member-steps/s':>16}{'to in turn':>12}")
    for name, values in rates.items():
        rate = statistics.median(values)
        ratio = statistics.median(a / b for a, b in zip(values, baseline, strict=True))
        print(f"{name:<28}{rate:16.1f}{ratio:12.2f}", flush=True)
    for row in rows.values():
        row.stop()
    return rates


class Stepper:
    """A compiled step of a single model, or of a population of some form."""

    def __init__(self, model, form, members, precision):
        trained = make_trained(model, form, members, precision)
        batch = make_batch(model)
        if form is not None:
            batch = tuple(np.stack([array] * members) for array in batch)
        self.members = members
        self._step = compiled_step(trained, batch)
        for _ in range(WARM_UP):
            self._step()

    def rate(self, seconds):
        """Member-steps per second."""
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self._step()
            steps += 1
        return self.members * steps / (time.perf_counter() - start)

    def stop(self):
        """Nothing has to be ended."""


def make_trained(kind, form, members, precision):
    """A compiled population of a form, or with form None a single model."""
    import gin
    import keras

    from dmt.methods import train  # noqa: F401 (registers the models)
    from dmt.methods.population.population import Population, make_optimizer

    gin.clear_config()
    gin.parse_config(BINDINGS)
    keras.config.set_dtype_policy(precision)
    singles = [make_model(kind, k) for k in range(members)]
    keras.config.set_dtype_policy("float32")
    if form is None:
        trained = singles[0]
        optimizer = trained.make_optimizer()
    else:
        stacking, convolutions = FORMS[form]
        trained = Population(singles, form=stacking, convolutions=convolutions)
        optimizer = make_optimizer([m.make_optimizer() for m in singles])
    trained.compile(optimizer=optimizer)
    trained.optimizer.build(trained.trainable_variables)
    return trained


def make_model(kind, k):
    """An initialised model with seed, learning rate and beta of its own."""
    import gin

    from dmt.methods.unsupervised import vae

    gin.bind_parameter("AdamOptimizer.learning_rate", 1e-4 * (1 + 0.1 * k))
    if kind == "factor":
        model = vae.FactorVAE(gamma=10.0 + k)
    elif kind in HEAD_UNITS:
        model = heads_class()(HEAD_UNITS[kind])
    else:
        model = vae.BetaVAE(beta=1.0 + k)
    if kind in HIDDEN_UNITS:
        units = HIDDEN_UNITS[kind]
        for network, function in (
            ("encoder", small_encoder),
            ("decoder", small_decoder),
        ):
            bound = functools.partial(function, units=units)
            gin.bind_parameter(f"{network}.{network}_fn", bound)
    model.initialize(make_data(kind), seed=k)
    return model


def small_encoder(images, num_latent, units):
    """One hidden layer."""
    from keras import layers

    x = layers.Flatten()(images)
    x = layers.Dense(units, activation="relu")(x)
    return layers.Dense(num_latent)(x), layers.Dense(num_latent)(x)


def small_decoder(codes, output_shape, units):
    """One hidden layer."""
    import math

    from keras import layers

    x = layers.Dense(units, activation="relu")(codes)
    x = layers.Dense(math.prod(output_shape))(x)
    return layers.Reshape(output_shape)(x)


@functools.cache
def heads_class():
    """Heads on codes as a model; Keras is imported after the processes' settings."""
    from keras import ops

    from dmt.methods.multitask.heads import make_heads, task_losses
    from dmt.methods.shared.training import TrainableModel

    class Heads(TrainableModel):
        def __init__(self, units):
            super().__init__()
            self.units = units

        def make_networks(self, dataset):
            self.heads = make_heads(8, 10, 1, hidden_units=(self.units, self.units))

        def call(self, codes):
            return self.heads(codes)

        def batch_loss(self, x, y, y_pred, sample_weight, training):
            return ops.sum(task_losses(y, y_pred, [0] * 10))

    return Heads


def make_data(kind):
    """What a model is trained on: 4,608 small images, or codes with their targets."""
    from dmt.data.ground_truth import dsprites_rendered, pooled

    if kind in HEAD_UNITS:
        return codes_and_targets()
    data = dsprites_rendered.dsprites_rendered_small()
    return pooled.PooledData(data, 4) if kind in HIDDEN_UNITS else data


@functools.cache
def codes_and_targets():
    """Random codes with random targets as examples."""
    from dmt.data.pipeline import IndexedExamples

    class CodesAndTargets(IndexedExamples):
        size = 4608

        def __init__(self):
            random_state = np.random.RandomState(0)
            shapes = (self.size, 8), (self.size, 10)
            self._arrays = [random_state.normal(size=s) for s in shapes]

        def at(self, indices):
            return tuple(array[indices].astype("float32") for array in self._arrays)

    return CodesAndTargets()


def make_batch(kind):
    """A batch of 64."""
    from dmt.data.pipeline import examples_of

    return examples_of(make_data(kind)).at(np.arange(64) * 7)


def compiled_step(model, batch):
    """The compiled update of `fit` on a batch that stays on the device.

    Returns:
        Function that makes an update and waits for it.
    """
    import keras

    batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
    model.make_train_function()
    if keras.backend.backend() != "jax":
        return lambda: float(model.train_function(iter([batch]))["loss"])

    import jax

    model._symbolic_build(data_batch=batch)

    def one(state, batch):
        logs, state = model.train_step(state, batch)
        return state, logs["loss"]

    run = jax.jit(one, donate_argnums=0)
    holder = [copied_state(model)]

    def step():
        holder[0], loss = run(holder[0], batch)
        float(loss)

    return step


class Processes:
    """A process for each core that trains a model of its own, or a population."""

    def __init__(self, model, members, precision):
        context = multiprocessing.get_context("spawn")
        settings = machine.share_of(machine.num_cores()) | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        self._ends = []
        for _ in range(machine.num_cores()):
            end, other = context.Pipe()
            arguments = (other, model, members, precision)
            context.Process(target=work, args=arguments, daemon=True).start()
            self._ends.append(end)
        for end in self._ends:
            end.recv()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    def rate(self, seconds):
        """Member-steps per second of all together."""
        for end in self._ends:
            end.send(seconds)
        return sum(end.recv() for end in self._ends)

    def stop(self):
        """Ends the processes."""
        for end in self._ends:
            end.send(None)


def work(pipe, model, members, precision):
    """Trains whenever it is told to, and tells how fast."""
    form = None
    if members > 1:
        from dmt.methods.shared.layers import population_convolutions

        form = population_convolutions()
    stepper = Stepper(model, form, members, precision)
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        pipe.send(stepper.rate(seconds))


if __name__ == "__main__":
    main()

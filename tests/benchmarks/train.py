"""Speed of training: the conv beta-VAE, ours and a plain PyTorch loop, in one run.

    python tests/benchmarks/train.py                       # TensorFlow, all cores
    KERAS_BACKEND=jax python tests/benchmarks/train.py     # JAX
    python tests/benchmarks/train.py --threads 1
    python tests/benchmarks/train.py --avx2                # as on a processor with AVX2
    python tests/benchmarks/train.py --quick               # does it run? no figures

The work is the same everywhere: conv_encoder and deconv_decoder with 10 codes, batches
of 64 uint8 images of 64x64x1, Bernoulli loss, Adam with learning rate 1e-4. That is
5.27 GFLOP a step, forward and backward, multiplication and addition counted as two. The
PyTorch loop (`pip install torch==2.13.0`; without it its rows are left out) is written
by hand: channels_last, fused Adam, one constant batch. It has a process of its own.

How to read it. Machines drift, so the variants take turns: after an untimed round that
compiles, each of `--rounds` rounds times every variant for `--steps` steps, every other
round in reverse order. "steps/s" is the median over rounds; a ratio is the median of
the ratios within each round, with the smallest and the largest beside it: where these
are far apart, the machine was not quiet, and the run is worth nothing (PyTorch above
all, whose threads wait for each other, loses most to other programs). "CPU-ms/step" is
the processor time of all threads; with `--threads 1` it is a fair guide even then.
Targets are where the project wants to be; nothing fails when they are missed.

`--avx2` keeps oneDNN and PyTorch to AVX2, as on processors that have no more. They have
no instructions for bfloat16, so its rows are left out. XLA is not kept to AVX2.

- fit / constant batch: what data and the loop of `fit` cost. The constant batch is fed
  to the very function that `fit` compiled, in a bare loop. 1 is nothing, target 0.95.
- ours / PyTorch: `fit` with host batches against the loop, which loads no data and
  keeps no metrics. Targets: 1.8, and 3 for bfloat16 against float32.

The last line of the output is JSON with all figures, those of single rounds included.
"""

import argparse
import importlib.util
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time

SHAPE = (64, 64, 1)
NUM_CODES = 10
WARM_UP = 3
BINDINGS = [
    f"encoder.num_latent = {NUM_CODES}",
    "encoder.encoder_fn = @conv_encoder",
    "decoder.decoder_fn = @deconv_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "AdamOptimizer.learning_rate = 1e-4",
]

# Environment of libraries that are to use nothing beyond AVX2.
AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "NUMBA_CPU_NAME": "haswell",
}

CONSTANT = "constant batch, float32"
HOST = "fit, host batches, float32"
HOST_BF16 = "fit, host batches, mixed_bfloat16"
RESIDENT = "fit, resident images, float32"
TORCH = "PyTorch loop, float32"
TORCH_BF16 = "PyTorch loop, bfloat16 autocast"
# (name, numerator, denominator, target)
RATIOS = [
    ("fit, host batches / constant batch", HOST, CONSTANT, 0.95),
    ("fit, resident images / constant batch", RESIDENT, CONSTANT, 0.95),
    ("mixed_bfloat16 / float32", HOST_BF16, HOST, None),
    ("float32 / PyTorch float32", HOST, TORCH, 1.8),
    ("mixed_bfloat16 / PyTorch float32", HOST_BF16, TORCH, 3.0),
    ("mixed_bfloat16 / PyTorch bfloat16", HOST_BF16, TORCH_BF16, None),
]


def main():
    args = parse_arguments()
    use_cores(args.threads)
    if args.avx2:
        os.environ |= AVX2
    if args.torch_worker:
        torch_worker(args.batch_size)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # On a GPU, TensorFlow would leave no memory for PyTorch.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

    from dmt.utils import processor

    processor.configure()  # Before Keras is imported.
    machine = describe_machine()
    print(
        f"batch {args.batch_size} of {'x'.join(map(str, SHAPE))}, "
        + ", ".join(f"{name} {value}" for name, value in machine.items()),
        flush=True,
    )
    accelerated = machine["platform"] != "cpu"
    steps = args.steps or (1000 if accelerated else 40)
    ours = Ours(args.batch_size, small=args.quick)
    variants = ours.variants()
    torch = TorchWorker(args) if has_torch() else None
    if torch:
        torch.check_parameters(ours.model)
        variants[TORCH] = lambda steps: torch.measure("float32", steps)
        variants[TORCH_BF16] = lambda steps: torch.measure("bfloat16", steps)
    if args.avx2:
        variants = {name: v for name, v in variants.items() if "bfloat16" not in name}
    rows = run_rounds(variants, args.rounds, steps)
    ratios = ratios_of_rounds(rows, RATIOS)
    print_table(rows, ratios)
    if torch:
        torch.stop()
    else:
        print("PyTorch is not installed; for its rows, pip install torch==2.13.0\n")

    report = {
        "batch_size": args.batch_size,
        "shape": SHAPE,
        "steps_per_round": steps,
        "machine": machine,
        "torch": torch.version if torch else None,
        "rows": rows,
        "ratios": ratios,
    }
    print(json.dumps(report))


def parse_arguments():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--steps", type=int, help="in a round; default: 40, on an accelerator 1000"
    )
    parser.add_argument("--torch_worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.rounds, args.steps or 1, args.threads or 1) < 1:
        parser.error("--rounds, --steps and --threads must be positive")
    args.batch_size = 64
    if args.quick:
        args.rounds, args.steps, args.batch_size = 2, 4, 8
    return args


def make_parser(description):
    """A parser of the options of benchmarks that compare rounds with PyTorch."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, help="cores to use; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--avx2", action="store_true", help="nothing beyond AVX2")
    parser.add_argument("--quick", action="store_true", help="tiny, to see it work")
    return parser


def use_cores(number):
    """Restricts the process to `number` cores, None for all it has.

    TensorFlow, JAX and PyTorch size their thread pools by it when they are imported.
    """
    if number is not None:
        if not hasattr(os, "sched_setaffinity"):
            sys.exit("--threads needs Linux.")
        cores = sorted(os.sched_getaffinity(0))
        if number > len(cores):
            sys.exit(f"There are only {len(cores)} cores. Received: --threads {number}")
        os.sched_setaffinity(0, cores[:number])
    os.environ["OMP_NUM_THREADS"] = str(num_cores())


def num_cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def describe_machine():
    import keras

    from dmt.utils import processor

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        kind = details[0]["device_name"] if gpus else platform.machine()
        version, device = tf.__version__, ("gpu" if gpus else "cpu")
    elif backend == "jax":
        import jax

        version, device = jax.__version__, jax.default_backend()
        kind = platform.machine() if device == "cpu" else jax.devices()[0].device_kind
    else:
        sys.exit(f"KERAS_BACKEND must be tensorflow or jax. Received: {backend}")
    facts = processor.describe()
    return {
        "processor": facts["processor"],
        "instruction_sets": " ".join(facts["instruction_sets"]),
        **facts["settings"],
        "backend": backend,
        "version": version,
        "keras": keras.__version__,
        "platform": device,
        "device": kind,
        "threads": num_cores(),
        "load": round(os.getloadavg()[0], 2),
    }


def clocks():
    return time.perf_counter(), time.process_time()


class Ours:
    """The models of the package, and functions that time them.

    A variant is a function of the number of steps to time; it returns the readings of
    `clocks` before and after them.
    """

    def __init__(self, batch_size, small):
        import gin

        from dmt.data.ground_truth import named_data
        from dmt.methods.shared.training import Resident
        from dmt.methods.unsupervised import vae

        self.model_class = vae.BetaVAE
        gin.parse_config(BINDINGS)
        self.batch_size = batch_size
        self.dataset = named_data.get_named_ground_truth_data(
            "dsprites_rendered_small" if small else "dsprites_rendered"
        )
        # This also fills the table that host batches are read from.
        self.resident = Resident(self.dataset, seed=0, batch_size=batch_size)
        self.model = self.make_model()

    def make_model(self, resident=None, dtype_policy="float32", steps_per_execution=1):
        """A compiled beta-VAE, made as `dmt.methods.train` makes it."""
        import keras

        model = self.model_class(beta=4.0)
        keras.config.set_dtype_policy(dtype_policy)
        model.initialize(self.dataset, seed=0)
        keras.config.set_dtype_policy("float32")
        model.compile(
            optimizer=model.make_optimizer(), steps_per_execution=steps_per_execution
        )
        model.optimizer.build(model.trainable_variables)
        model.resident = resident
        return model

    def variants(self):
        """The variants that every backend has."""
        return {
            CONSTANT: self.constant_batch(self.model),
            HOST: self.fit(self.model),
            RESIDENT: self.fit(self.make_model(self.resident)),
            HOST_BF16: self.fit(self.make_model(dtype_policy="mixed_bfloat16")),
        }

    def fit(self, model):
        """`fit` as `dmt.methods.train` calls it, on new batches each time."""
        import keras

        from dmt.data import pipeline

        warm_up = WARM_UP * model.steps_per_execution

        def run(steps):
            start, stop = int(model.step.numpy()), warm_up + steps
            if model.resident is None:
                batches = pipeline.host_batches(
                    self.dataset, 0, self.batch_size, start, start + stop
                )
            else:
                batches = pipeline.step_numbers(start, start + stop)
            readings = {}

            def read(batch, logs):
                # Keras has waited for the values of the logs, so the step is done.
                readings[batch + 1] = clocks()

            model.fit(
                batches,
                steps_per_epoch=stop,
                callbacks=[
                    keras.callbacks.LambdaCallback(
                        on_train_batch_end=read, async_safe=True
                    )
                ],
                shuffle=False,
                verbose=0,
            )
            return readings[warm_up], readings[stop]

        return run

    def constant_batch(self, model):
        """The compiled step of `fit` in a bare loop, on one batch on the device."""
        import keras

        from dmt.data import pipeline

        batches = pipeline.host_batches(self.dataset, 0, self.batch_size, 0, 1)
        batch = keras.tree.map_structure(
            keras.ops.convert_to_tensor, next(iter(batches))
        )
        model.make_train_function()
        step = (
            self._jax_step(model, batch)
            if keras.backend.backend() == "jax"
            else lambda: model.train_function(iter([batch]))
        )

        def run(steps):
            for _ in range(WARM_UP):
                logs = step()
            float(logs["loss"])
            before = clocks()
            for _ in range(steps):
                logs = step()
            float(logs["loss"])
            return before, clocks()

        return run

    @staticmethod
    def _jax_step(model, batch):
        state, batches = copied_state(model), itertools.repeat(batch)

        def step():
            nonlocal state
            logs, state = model.train_function(state, batches)
            return logs

        return step


def copied_state(model):
    """A copy of the state of a model, which a compiled step of JAX takes over."""
    import jax

    kinds = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    return tuple([jax.numpy.copy(v.value) for v in kind] for kind in kinds)


def run_rounds(variants, rounds, steps):
    """Times every variant in every round, after a round that is not counted.

    Returns:
        dict from the name of a variant to its medians and the figures of each round.
    """
    results = {name: [None] * rounds for name in variants}
    for run in variants.values():
        run(steps)
    for number in range(rounds):
        names = list(variants)
        for name in names if number % 2 == 0 else reversed(names):
            before, after = variants[name](steps)
            wall, cpu = (b - a for a, b in zip(before, after, strict=True))
            results[name][number] = steps / wall, cpu / steps * 1e3
            print(
                f"round {number + 1}/{rounds}  {name:<36}{steps / wall:12.2f} steps/s"
                f"{cpu / steps * 1e3:12.2f} CPU-ms/step",
                flush=True,
            )
    rows = {}
    for name, figures in results.items():
        speeds, cpu = (list(values) for values in zip(*figures, strict=True))
        rows[name] = {
            "steps_per_second": statistics.median(speeds),
            "cpu_ms_per_step": statistics.median(cpu),
            "rounds": speeds,
            "cpu_ms_rounds": cpu,
        }
    return rows


def ratios_of_rounds(rows, pairs):
    """Ratios of speeds within a round: their median, smallest and largest."""
    result = {}
    for name, over, under, target in pairs:
        if over in rows and under in rows:
            values = [
                a / b
                for a, b in zip(
                    rows[over]["rounds"], rows[under]["rounds"], strict=True
                )
            ]
            result[name] = {
                "median": statistics.median(values),
                "smallest": min(values),
                "largest": max(values),
                "target": target,
            }
    return result


def print_table(rows, ratios):
    print(f"\n{'':<42}{'steps/s':>10}{'CPU-ms/step':>14}")
    for name, row in rows.items():
        print(
            f"{name:<42}{row['steps_per_second']:10.2f}{row['cpu_ms_per_step']:14.2f}"
        )
    print(f"\n{'':<42}{'ratio':>10}{'smallest':>14}{'largest':>10}{'target':>8}")
    for name, row in ratios.items():
        target = "" if row["target"] is None else f"{row['target']:.2f}"
        print(
            f"{name:<42}{row['median']:10.3f}{row['smallest']:14.3f}"
            f"{row['largest']:10.3f}{target:>8}"
        )
    print(flush=True)


class Worker:
    """A process of a script, idle unless asked: it answers lines by lines of JSON.

    Args:
        script: path of the script.
        options: options by which the script becomes the process.
        args: arguments of this process, whose --threads and --quick it takes over.
    """

    def __init__(self, script, options, args):
        command = [sys.executable, os.path.abspath(script), *options]
        command += ["--threads", str(args.threads)] * bool(args.threads)
        command += ["--quick"] * args.quick
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, **pipes)

    def receive(self):
        """What a line of the process says."""
        line = self._process.stdout.readline()
        if not line:
            sys.exit("The PyTorch process stopped; its error is above.")
        return json.loads(line)

    def ask(self, line):
        """The answer to a line."""
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self.receive()

    def stop(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()


def has_torch():
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


class TorchWorker(Worker):
    """The process of the PyTorch loop."""

    def __init__(self, args):
        super().__init__(__file__, ["--torch_worker"], args)
        ready = self.receive()
        self.version, self._parameters = ready["version"], ready["parameters"]

    def check_parameters(self, model):
        """Makes sure that both sides train a network of the same size."""
        parameters = sum(math.prod(v.shape) for v in model.trainable_variables)
        if parameters != self._parameters:
            raise ValueError(
                "The networks of PyTorch and Keras must have the same parameters. "
                f"Received: {self._parameters} and {parameters}"
            )

    def measure(self, dtype, steps):
        """Readings of the worker's clocks before and after `steps` steps."""
        return self.ask(f"{dtype} {steps}")


def torch_features(channels, inplace=False):
    """The layers of conv_encoder up to its 256 features, in PyTorch."""
    from torch import nn

    layers = []
    for inputs, outputs, size in (
        (channels, 32, 4),
        (32, 32, 4),
        (32, 64, 2),
        (64, 64, 2),
    ):
        layers.append(nn.Conv2d(inputs, outputs, size, 2, size // 2 - 1))
        layers.append(nn.ReLU(inplace))
    layers += [nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(inplace)]
    return nn.Sequential(*layers)


def torch_worker(batch_size):
    """Answers each line "dtype steps" of the input by readings of the clocks."""
    import torch
    from torch import nn
    from torch.nn import functional

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(num_cores())
    torch.set_float32_matmul_precision("high")  # TF32, which is what XLA uses.

    class BetaVAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch_features(SHAPE[2])
            self.means = nn.Linear(256, NUM_CODES)
            self.log_var = nn.Linear(256, NUM_CODES)
            layers = [nn.Linear(NUM_CODES, 256), nn.ReLU(), nn.Linear(256, 1024)]
            layers += [nn.ReLU(), nn.Unflatten(1, (64, 4, 4))]
            for inputs, outputs in ((64, 64), (64, 32), (32, 32), (32, SHAPE[2])):
                layers.append(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1))
                layers.append(nn.ReLU())
            self.decoder = nn.Sequential(*layers[:-1])

        def forward(self, images):
            features = self.encoder(images)
            means, log_var = self.means(features), self.log_var(features)
            means, log_var = means.float(), log_var.float()
            codes = means + torch.exp(log_var / 2) * torch.randn_like(means)
            return means, log_var, self.decoder(codes).float()

    torch.manual_seed(0)
    model = BetaVAE().to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    shape = (batch_size, SHAPE[2], *SHAPE[:2])
    batch = 255 * torch.randint(0, 2, shape, dtype=torch.uint8, device=device)
    batch = batch.contiguous(memory_format=torch.channels_last)

    def step(autocast):
        images = batch.float() / 255
        with torch.autocast(device, dtype=torch.bfloat16, enabled=autocast):
            means, log_var, logits = model(images)
        reconstruction_loss = (
            functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
            / batch_size
        )
        kl_loss = 0.5 * (means**2 + log_var.exp() - log_var - 1).sum(1).mean()
        loss = reconstruction_loss + 4.0 * kl_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    parameters = sum(parameter.numel() for parameter in model.parameters())
    ready = {"version": torch.__version__, "parameters": parameters}
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        dtype, steps = line.split()
        readings = []
        for count in (WARM_UP, int(steps)):
            for _ in range(count):
                loss = step(autocast=dtype == "bfloat16")
            loss.item()  # Waits for the device.
            readings.append(clocks())
        print(json.dumps(readings), flush=True)


if __name__ == "__main__":
    main()

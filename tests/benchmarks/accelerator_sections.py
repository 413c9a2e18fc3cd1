"""The sections of accelerator.py and the figures of their rows."""

import copy
import functools
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import population
import train
from accelerator_loops import COMPILATIONS, Calls, Loop, cost, in_turns, memory

BATCH_SIZE = 64
PRECISIONS = {"float32": "float32", "mixed_bfloat16": "bfloat16"}
GIB = 2**30


class Section(NamedTuple):
    """A part of the run.

    Attributes:
        rows: function of `quick` that returns {name: function}; each function returns
            the figures of its row.
        share: how much of the time it may take, relative to the others.
    """

    rows: Callable
    share: float


def make_tiny():
    """Replaces the convolutional networks, which take long to compile, by tiny ones."""

    def tiny(lines):
        lines = lines.replace("@conv_encoder", "@test_encoder")
        return lines.replace("@deconv_decoder", "@test_decoder")

    population.BINDINGS = tiny(population.BINDINGS)
    train.BINDINGS = [tiny(line) for line in train.BINDINGS]


def device_rows(quick):
    """The speed of the device itself, which others are shares of."""
    import jax

    size, length = (256, 2**16) if quick else (8192, 2**28)

    def product(dtype, precision=None):
        matrix = jax.random.normal(jax.random.key(0), (size, size), dtype) / size**0.5
        multiply = jax.jit(lambda x: jax.numpy.matmul(x, matrix, precision=precision))
        found = in_turns([Calls(multiply, matrix)], quick)
        flops = 2 * size**3 * found["rate"]
        return {**found, "figure": flops / 1e12, "unit": "TFLOP/s", "flops": flops}

    def copies(function, array, times=1):
        found = in_turns([Calls(function, array)], quick)
        total = times * array.nbytes * found["rate"]
        return {**found, "figure": total / 1e9, "unit": "GB/s", "bytes": total}

    add = jax.jit(lambda x: x + 1)

    def on_device():
        return copies(add, jax.numpy.ones(length, "float32"), times=2)

    def from_host():
        array = np.ones(length // 8, "float32")
        # Each copy is waited for, so that they do not overlap.
        return copies(lambda _: jax.device_put(array).block_until_ready(), array)

    def to_host():
        def function(x):
            x = add(x)  # An array keeps what was copied to the host.
            np.asarray(x)
            return x

        return copies(function, jax.numpy.ones(length // 8, "float32"))

    return {
        "matrix product, float32": lambda: product("float32"),
        "matrix product, bfloat16": lambda: product("bfloat16"),
        "copy on the device": on_device,
        "copy from the host": from_host,
        "copy to the host": to_host,
        "matrix product, float32 highest": lambda: product("float32", "highest"),
    }


def of_loop(loop, baseline, precision, quick, members=1):
    """Figures of a loop, as updates of single models; its baseline is one model."""
    variants = [loop] if loop is baseline else [loop, baseline]
    found = in_turns(variants, quick)
    rate = members * found["rate"]
    return {
        **found,
        "figure": rate,
        "unit": "updates/s",
        "ratio": found["ratio"] and members * found["ratio"],
        "flops": rate * baseline.flops,
        "bytes": found["rate"] * loop.bytes,
        "dtype": PRECISIONS[precision],
        "program_bytes": loop.program_bytes,
        "donated": loop.donated,
    }


class Fit:
    """`fit` as a thing to time.

    Args:
        ours: the models of train.py.
        model: one of them.
    """

    def __init__(self, ours, model):
        self.least = model.steps_per_execution
        self._run = ours.fit(model)
        self(self.least)  # Compiles.

    def __call__(self, steps):
        """Makes updates and returns the seconds they took."""
        before, after = self._run(steps)
        return after[0] - before[0]


def single_rows(quick):
    """A single model on resident images."""
    ours = functools.cache(lambda: train.Ours(BATCH_SIZE, small=quick))

    def resident(batch_size):
        other = copy.copy(ours().resident)  # It shares the images.
        other.batch_size = batch_size
        return other

    @functools.cache
    def compiled(batch_size, precision):
        images = resident(batch_size)
        model = ours().make_model(images, precision)
        return Loop(model, images, steps=2 if quick else 100)

    def loop(batch_size, precision):
        own = compiled(batch_size, precision)
        return of_loop(own, own, precision, quick)

    def fit(batch_size, precision, calls):
        baseline = compiled(batch_size, precision)
        model = ours().make_model(resident(batch_size), precision, calls)
        found = in_turns([Fit(ours(), model), baseline], quick)
        return {
            **found,
            "figure": found["rate"],
            "unit": "updates/s",
            "flops": found["rate"] * baseline.flops,
            "dtype": PRECISIONS[precision],
        }

    rows = {}

    def add(measure, batch_size, precision, *calls):
        name = " ".join(map(str, [measure.__name__, *calls]))
        name = f"{name}, batch {batch_size}, {PRECISIONS[precision]}"
        rows[name] = functools.partial(measure, batch_size, precision, *calls)

    if quick:
        add(loop, 8, "float32")
        add(fit, 8, "float32", 2)
        return rows
    for batch_size in (BATCH_SIZE, 1024):
        for precision in PRECISIONS:
            add(loop, batch_size, precision)
            add(fit, batch_size, precision, 100)
    for calls in (1, 10):
        for precision in PRECISIONS:
            add(fit, BATCH_SIZE, precision, calls)
    return rows


@functools.cache
def loop_of(kind, form, members, precision, quick):
    """The loop of a model of population.py, or of a population."""
    from dmt.methods.shared.training import Resident

    data = population.make_data(kind)
    model = population.make_trained(kind, form, members, precision)
    batch_size = 8 if quick else BATCH_SIZE
    several = ([data] * members, list(range(members)))
    resident = Resident(*((data, 0) if form is None else several), batch_size)
    # A call takes long enough to hide the next one's dispatch, and not much longer.
    is_large = kind in ("conv", "factor")
    steps = (20 if members < 16 else 5) if is_large else 100
    return Loop(model, resident, steps=2 if quick else steps)


def population_row(kind, form, members, precision, quick):
    """Figures of a population, against one model alone."""
    alone = loop_of(kind, None, 1, precision, quick)
    if form is None:
        return of_loop(alone, alone, precision, quick)
    # Not by the cache, which would keep its memory.
    loop = loop_of.__wrapped__(kind, form, members, precision, quick)
    return of_loop(loop, alone, precision, quick, members)


def population_rows(quick, cases, kinds=("conv",)):
    """Rows of populations.

    Args:
        quick: whether the run is tiny.
        cases: list of (form, numbers of members), the most important ones first.
        kinds: models of population.py.
    """
    precisions = list(PRECISIONS)
    if quick:
        precisions = precisions[1:]
        cases = [
            (form, [2]) for form, _ in (cases if kinds == ("conv",) else cases[:1])
        ]
    rows = {}
    for form, numbers in [(None, [1]), *cases]:
        for members, precision, kind in itertools.product(numbers, precisions, kinds):
            name = f"{form}, K = {members}" if form else "one model"
            name = f"{kind}, {name}" if len(kinds) > 1 else name
            case = kind, form, members, precision, quick
            name = f"{name}, {PRECISIONS[precision]}"
            rows[name] = functools.partial(population_row, *case)
    return rows


def encoding_rows(quick):
    """All images to codes, by one encoder and by several."""
    import jax

    from dmt.data.ground_truth import named_data
    from dmt.evaluation.codes import MomentTable
    from dmt.methods.shared.layers import as_images

    name = "dsprites_rendered_small" if quick else "dsprites_rendered"
    chunk, batch_size = 512 if quick else 8192, 256

    @functools.cache
    def data():
        dataset = named_data.get_named_ground_truth_data(name)
        for start in range(0, dataset.size, chunk):
            # Images are drawn when they are first asked for.
            dataset.images_at(np.arange(start, min(start + chunk, dataset.size)))
        return dataset

    def row(precision, number):
        own = [
            population.make_trained("conv", None, 1, precision).encoder
            for _ in range(number)
        ]
        encode = jax.jit(lambda images: own[0](as_images(images)))
        images = jax.device_put(data().images_at(np.arange(batch_size)))
        flops = cost(encode.lower(images), "flops") / batch_size
        alone = in_turns([Calls(lambda _: encode(images)[0], images)], quick)
        # A table makes each code once; the first chunk compiles.
        table = MomentTable(data(), own if number > 1 else own[0])
        table(np.arange(chunk))
        before, start = len(COMPILATIONS), time.perf_counter()
        number_of_images = data().size if number == 1 else data().size // 4
        rows = np.arange(chunk, 3 * chunk if quick else number_of_images)
        table(rows)
        rate = number * len(rows) / (time.perf_counter() - start)
        return {
            "figure": rate,
            "unit": "images/s",
            "ratio": rate / (batch_size * alone["rate"]),
            "flops": rate * flops,
            "dtype": PRECISIONS[precision],
            "images": len(rows),
            "compiled": len(COMPILATIONS) - before,
        }

    return {
        f"encoders: {number}, {PRECISIONS[precision]}": functools.partial(
            row, precision, number
        )
        for number in (1, 2 if quick else 16)
        for precision in PRECISIONS
    }


def training_lines(*more):
    """Lines of gin of a training of a model of population.py."""
    return [
        *(line.strip() for line in population.BINDINGS.strip().splitlines()),
        f"model.batch_size = {BATCH_SIZE}",
        "model.training_steps = 1",
        *more,
    ]


def memory_rows(quick):
    """The memory of populations against the estimate by which they are chosen."""
    from dmt.methods.population import sizes

    def row(kind, *own):
        data = "dataset.name = 'dsprites_rendered_small'"
        lines = training_lines("model.random_seed = 0", data, *own)
        chosen = sizes.most_at_once([], lines)
        members = 2 if quick else chosen
        alone = population.make_trained(kind, None, 1, "float32")
        estimate = members * sizes._bytes_of_member(alone, BATCH_SIZE)
        loop = loop_of.__wrapped__(kind, "products", members, "float32", quick)
        used = memory().get("peak_bytes_in_use", loop.program_bytes)
        return {
            "figure": used / GIB,
            "unit": f"GiB, K = {members}",
            "ratio": used / estimate,
            "program_bytes": loop.program_bytes,
            "donated": loop.donated,
            "estimate_bytes": estimate,
            "chosen": chosen,
            "limit_bytes": memory().get("bytes_limit"),
        }

    rows = {
        "beta-VAE": lambda: row("conv", "model.model = @vae()", "vae.beta = 1.0"),
    }
    if not quick:
        rows["FactorVAE"] = lambda: row(
            "factor", "model.model = @factor_vae()", "factor_vae.gamma = 10.0"
        )
    return rows


def pbt_rows(quick):
    """Rounds of population-based training, without the processes around them."""
    from dmt.runs.pbt import rounds, settings
    from dmt.utils import configuration

    members, updates, at_once = (2, 4, 2) if quick else (8, 500, 100)
    batch_size = 8 if quick else BATCH_SIZE
    lines = training_lines(
        "model.model = @vae()",
        "vae.beta = 1.0",
        f"dataset.name = 'dsprites_rendered{'_small' if quick else ''}'",
        f"model.batch_size = {batch_size}",
        "model.resident = True",
        f"model.steps_per_execution = {at_once}",
        f"model.log_steps = {updates}",
        f"pbt.population_size = {members}",
        "pbt.num_rounds = 2",
        f"pbt.images_per_round = {updates * batch_size}",
        "pbt.models_per_member = 2",
        "pbt.hyperparameters = {'vae.beta': [1.0, 2.0, 4.0, 8.0]}",
        "pbt.score_fn = @pbt_udr",
        "pbt.seed = 0",
    )
    folder = tempfile.TemporaryDirectory()
    with configuration.gin_configuration([], lines):
        chosen = settings.PBT()
    on_disk = rounds.Members(chosen, folder.name, (), tuple(lines))
    plans = [chosen.first_plan()]

    def row(number):
        start = time.perf_counter()
        plan = plans[number]
        for member in plan:
            os.makedirs(on_disk.directory(number, member["member"]))
        rounds.train_and_score(on_disk, number, plan, together=True)
        for member in plan:
            member |= on_disk.score(number, member["member"])
        plans.append(chosen.next_plan(plan, number))
        seconds = time.perf_counter() - start
        if any(member["failed"] for member in plan):
            raise ValueError(f"Members failed. Received: {plan}")
        models = 2 * members
        rate = models * updates / seconds
        bare = loop_of("conv", "products", models, "float32", quick)
        baseline = models * in_turns([bare], quick)["rate"]
        return {
            "figure": rate,
            "unit": "updates/s",
            "ratio": rate / baseline,
            "seconds": seconds,
        }

    return {f"round {number}": functools.partial(row, number) for number in range(2)}


SECTIONS = {
    "device": Section(device_rows, 2),
    "single": Section(single_rows, 7),
    "populations": Section(
        functools.partial(
            population_rows,
            cases=[
                ("products", [16, 64]),
                ("native", [16]),
                ("unrolled", [4]),
                ("products", [4, 1, 128]),
                ("native", [4, 64, 1]),
                ("unrolled", [16]),
            ],
        ),
        10,
    ),
    "factor_vae": Section(
        functools.partial(
            population_rows,
            kinds=("factor",),
            cases=[("products", [16, 64]), ("native", [16]), ("unrolled", [4])],
        ),
        4,
    ),
    "encoding": Section(encoding_rows, 3),
    "memory": Section(memory_rows, 4),
    "pbt": Section(pbt_rows, 5),
    "small_models": Section(
        functools.partial(
            population_rows,
            kinds=("small_vae", "middle_vae", "heads"),
            # Without convolutions, "products" would be the same.
            cases=[("native", [16, 128]), ("unrolled", [4]), ("native", [64, 4, 1])],
        ),
        5,
    ),
}

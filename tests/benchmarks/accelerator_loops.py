"""Loops of accelerator.py that are timed, alone and in turns."""

import functools
import math
import statistics
import time

import numpy as np
from train import copied_state


def memory():
    """The device's statistics of memory; {} if it has none, as on a CPU."""
    import jax

    return jax.devices()[0].memory_stats() or {}


COMPILATIONS = []


def count_compilations():
    """From now on, every compilation of this process is appended to COMPILATIONS."""
    import jax

    def listen(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            COMPILATIONS.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)


class Loop:
    """Updates of a model in a loop on the device, compiled once.

    Args:
        model: a compiled model or population.
        resident: the `Resident` to draw batches from.
        steps: number of updates of a call of the program.
    """

    def __init__(self, model, resident, steps):
        import jax

        self.least = steps

        def one(state, _, examples):
            own, step = state
            logs, own = model.train_step(own, resident.batch(step, examples))
            return (own, step + 1), logs["loss"]

        def several(state, examples):
            body = functools.partial(one, examples=examples)
            state, losses = jax.lax.scan(body, state, None, length=steps)
            return state, losses[-1]

        self._state = copied_state(model), jax.numpy.int32(0)
        self._examples = resident.examples
        program = jax.jit(several, donate_argnums=0)
        lowered = program.lower(self._state, self._examples)
        # A program that was compiled ahead refuses other shapes, where a function would
        # be compiled again.
        self._run = lowered.compile()
        # XLA counts the body of a loop once.
        self.flops = cost(lowered, "flops")
        unrolled = max(1, round(cost(self._run, "flops") / (self.flops or math.inf)))
        self.bytes = cost(self._run, "bytes accessed") / unrolled
        self.program_bytes = program_bytes(self._run)
        before = jax.tree.leaves(self._state)
        self(steps)
        self.donated = all(leaf.is_deleted() for leaf in before)

    def __call__(self, steps):
        """Makes updates and returns the seconds they took."""
        import jax

        start = time.perf_counter()
        with jax.transfer_guard("disallow"):
            for _ in range(steps // self.least):
                self._state, loss = self._run(self._state, self._examples)
            loss.block_until_ready()
        seconds = time.perf_counter() - start
        if not np.isfinite(loss):
            raise ValueError(f"The loss must be finite. Received: {loss}")
        return seconds


def cost(stage, name):
    """What XLA counts; 0 if it does not, for which it may also say -1."""
    return max(0.0, (stage.cost_analysis() or {}).get(name, 0.0))


def program_bytes(compiled):
    """Memory of a program, by the account of the compiler."""
    sizes = compiled.memory_analysis()
    return (
        sizes.argument_size_in_bytes
        + sizes.output_size_in_bytes
        - sizes.alias_size_in_bytes
        + sizes.temp_size_in_bytes
    )


class Calls:
    """Calls of a compiled function that depend on each other, as a thing to time.

    Args:
        function: function of an array, which returns one that can be its argument.
        array: its first argument.
    """

    least = 1

    def __init__(self, function, array):
        self._function = function
        self._array = array
        self(self.least)  # Compiles.

    def __call__(self, number):
        """Makes calls and returns the seconds they took."""
        x, start = self._array, time.perf_counter()
        for _ in range(number):
            x = self._function(x)
        x.block_until_ready()
        return time.perf_counter() - start


def in_turns(variants, quick):
    """Times things in turns.

    Args:
        variants: the thing of the row and, if there is one, its baseline. Each is a
            function of a number of units of work, a multiple of its `least`, that
            returns the seconds they took. It has been called before, so that nothing
            is left to compile.
        quick: whether a single short round is enough.
    """
    rounds, seconds = (1, 0.0) if quick else (3, 0.7)
    numbers = []
    for variant in variants:
        taken = variant(variant.least)
        numbers.append(variant.least * max(1, int(seconds / taken)))
    before, rates = len(COMPILATIONS), []
    for _ in range(rounds):
        pairs = zip(variants, numbers, strict=True)
        rates.append([number / variant(number) for variant, number in pairs])
    return {
        "rate": statistics.median(own for own, *_ in rates),
        "rounds": rates,
        "ratio": statistics.median(own / others[0] for own, *others in rates)
        if len(variants) > 1
        else None,
        "compiled": len(COMPILATIONS) - before,
    }

"""Speed of the single-task stage: one model after another, or a process for each core.

    python tests/benchmarks/multitask.py                 # five minutes on two cores
    python tests/benchmarks/multitask.py --quick         # does it run? no figures

Ten encoders learn one task each on 32x32 rendered dSprites, as in the small scale of
the study. "In turn" trains them in one process that has all cores; "processes" as the
study does, by as many processes as cores with one thread each. Both are started,
compiled and warmed up before the clock starts; a round is the time until the last one
has made all its steps. Rounds alternate, the ratio is the median over rounds.

The last line of the output is JSON with all figures.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time

from dmt.utils import machine

NUM_MODELS = 10
TARGET = 1.4
WARM_UP = 3
BINDINGS = """
    multi_task.tasks = @random_tasks()
    encoder.num_latent = 8
    encoder.encoder_fn = @simple_conv64_encoder
    heads.hidden_units = (128, 128)
    vae_optimizer.optimizer_fn = @AdamOptimizer
    pooled.base = "dsprites_rendered"
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=60, help="steps of each model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.steps, args.rounds = 2, 1
    cores = machine.num_cores()
    print(f"{cores} cores, load {os.getloadavg()[0]:.2f}", flush=True)
    ways = {"in turn": Way([range(NUM_MODELS)], cores, args)}
    shares = [range(first, NUM_MODELS, cores) for first in range(cores)]
    ways["processes"] = Way(shares, 1, args)
    rates = {name: [] for name in ways}
    for number in range(args.rounds):
        order = list(ways) if number % 2 else list(ways)[::-1]
        for name in order:
            seconds = ways[name].run()
            rates[name].append(NUM_MODELS * args.steps / seconds)
            print(f"round {number + 1}  {name:<10} {rates[name][-1]:8.1f} steps/s")
    for way in ways.values():
        way.stop()
    ratios = [b / a for a, b in zip(*rates.values(), strict=True)]
    ratio = statistics.median(ratios)
    print(f"\n{'':<28}{'steps/s of all':>16}")
    for name, values in rates.items():
        print(f"{name:<28}{statistics.median(values):16.1f}")
    print(
        f"processes / in turn: {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
        f"target {TARGET}"
    )
    print(json.dumps({"cores": cores, "rates": rates, "ratios": ratios}))


class Way:
    """Processes with some threads each that train their share of the models."""

    def __init__(self, shares, threads, args):
        context = multiprocessing.get_context("spawn")
        names = ["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"]
        if threads == 1:
            # As the study does.
            names.append("TF_NUM_INTEROP_THREADS")
        os.environ.update(dict.fromkeys(names, str(threads)), TF_CPP_MIN_LOG_LEVEL="2")
        self._ends = []
        for share in shares:
            end, other = context.Pipe()
            context.Process(
                target=work, args=(other, list(share), args.steps), daemon=True
            ).start()
            self._ends.append(end)
        for end in self._ends:
            end.recv()

    def run(self):
        """Seconds until all models have made their steps."""
        start = time.perf_counter()
        for end in self._ends:
            end.send("train")
        for end in self._ends:
            end.recv()
        return time.perf_counter() - start

    def stop(self):
        """Ends the processes."""
        for end in self._ends:
            end.send("stop")


def work(pipe, numbers, steps):
    """Makes models, then trains them for some steps whenever it is told to."""
    import gin
    import keras

    from dmt.data import pipeline, tasks
    from dmt.data.ground_truth import named_data
    from dmt.methods import train  # noqa: F401 (registers the models)
    from dmt.methods.multitask.multi_task import MultiTask

    gin.parse_config(BINDINGS)
    data = named_data.open_dataset("pooled")
    models = []
    for number in numbers:
        family = tasks.RandomTasks(num_tasks=NUM_MODELS)
        model = MultiTask(tasks=family, only_task=number)
        model.initialize(data, seed=number)
        model.compile(optimizer=model.make_optimizer())
        models.append((model, model.examples(data)[0]))

    def fit(model, examples, steps):
        start = int(model.step.numpy())
        batches = pipeline.host_batches(examples, 0, 64, start, start + steps)
        model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)

    for model, examples in models:
        fit(model, examples, WARM_UP)
    pipe.send("ready")
    while pipe.recv() == "train":
        for model, examples in models:
            fit(model, examples, steps)
        pipe.send("done")
    keras.backend.clear_session()


if __name__ == "__main__":
    main()

"""Speed of aggregating a study: 12,600 runs with 16 metrics each, 201,600 files.

    python tests/benchmarks/aggregate.py              # minutes, 2 GB of disk
    python tests/benchmarks/aggregate.py --quick      # does it run? no figures

Files have 60 keys each, 44 of them the same in all files, as `update_result_directory`
writes them. They are written just before, so they are in the operating system's cache:
a disk is not measured. Memory is the largest that the main process had, plus the
largest that another process had for each of them.

Targets are where the project wants to be; nothing fails when they are missed. The last
line of the output is JSON with all figures.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import resource
import tempfile
import time

from dmt.analysis import aggregate
from dmt.cli.analysis import RESULT_PATTERN
from dmt.utils import machine

NUM_METRICS = 16
TARGET_SECONDS, TARGET_MEMORY = 60, 2e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=12600)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    num_runs = 200 if args.quick else args.runs
    cores = machine.num_cores()
    print(f"{cores} cores, load {os.getloadavg()[0]:.2f}", flush=True)
    figures = {"cores": cores, "runs": num_runs}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with concurrent.futures.ProcessPoolExecutor(cores) as processes:
            tasks = [(folder, number) for number in range(num_runs)]
            list(processes.map(write_run, tasks, chunksize=100))
        seconds = time.perf_counter() - start
        print(f"wrote {num_runs * NUM_METRICS} files in {seconds:.0f} s", flush=True)
        pattern = os.path.join(folder, RESULT_PATTERN)
        for extension in ("json", "parquet"):
            path = os.path.join(folder, f"results.{extension}")
            start = time.perf_counter()
            aggregate.aggregate_results_to_json(pattern, path)
            seconds = time.perf_counter() - start
            size = os.path.getsize(path)
            figures[extension] = {"seconds": seconds, "bytes": size}
            print(f"{extension:<8} {seconds:6.1f} s {size / 1e6:8.1f} MB")
        own, others = (
            resource.getrusage(who).ru_maxrss * 1024
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        figures["memory"] = own + cores * others
        print(f"memory   {figures['memory'] / 1e6:.0f} MB")
        print(f"targets  {TARGET_SECONDS} s, {TARGET_MEMORY / 1e6:.0f} MB")
        print(json.dumps(figures))


def write_run(task):
    """Writes the result files of one run."""
    folder, number = task
    run = pathlib.Path(folder, "output", "unsupervised_study_v1", str(number))
    shared = {f"train_config.binding.parameter_{k}": f"'value {k}'" for k in range(24)}
    shared |= {f"train_results.number_{k}": number / (k + 1) for k in range(12)}
    shared |= {f"postprocess_config.postprocess.name_{k}": str(k) for k in range(8)}
    for metric in range(NUM_METRICS):
        own = {
            f"evaluation_results.metric_{metric}_score_{k}": number / (k + 7)
            for k in range(16)
        }
        directory = run / "metrics" / "mean" / f"metric_{metric}" / "results/aggregate"
        directory.mkdir(parents=True)
        text = json.dumps(shared | own, indent=2)
        (directory / "evaluation.json").write_text(text)


if __name__ == "__main__":
    main()

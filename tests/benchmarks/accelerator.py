"""What this package does with an accelerator: everything, in one run of nine minutes.

    python tests/benchmarks/accelerator.py                     # JAX and a GPU
    python tests/benchmarks/accelerator.py --minutes 4 --output gpu.json
    python tests/benchmarks/accelerator.py --quick             # does it run? no figures

TensorFlow is not needed. Sections are measured in the order of their importance, each
in a process of its own and until its share of the time is used up: a section that
fails, dies or hangs loses no other, and none keeps the memory of another. What could
not be measured in time is listed as left out. The JSON file is written again after each
section, so that a run that is killed keeps what it has. The exit status is 1 if a row
or a section failed, and 2 without an accelerator, unless `--quick` is given.

Sections:

- device: products of large matrices, in float32 as all code gets it (which is TF32 on
  NVIDIA cards), in bfloat16, and in float32 of full precision ("highest"); a copy
  within the device's memory, copies from the host and to it.
- single: the conv beta-VAE on all 737,280 images of rendered dSprites, which stay on
  the device. "loop" is a bare loop of updates on the device. "fit" is what dmt_train
  runs, with 1, 10 or 100 steps per call. The ratio is to the loop of the same batch
  size and precision.
- populations: K conv beta-VAEs as one program, in the forms of `Population`. The ratio
  is to the updates of one model alone: what a population gains over models that are
  trained in turn. factor_vae and small_models are the same for other models, which
  population.py describes.
- encoding: all images of the dataset to codes by one encoder, and a quarter of them by
  16 encoders together, as evaluations do it. "images/s" counts an image once for each
  encoder. The ratio is to an encoder whose images are on the device already.
- memory: the most memory that was in use while as many models were trained as
  `--population=auto` chooses. The ratio is to the package's own estimate, which is an
  upper bound; above 1, it is wrong.
- pbt: rounds of population-based training of eight members with two models each. A
  round prepares, compiles, trains, writes, encodes and scores by UDR, then exploits.
  The ratio is to the bare loop of a population of these 16 models.

Columns: "updates/s" counts the updates of all models. The figure is the median of
rounds in which the row and its baseline take turns. "peak" is the arithmetic, as XLA
counts it for one model alone, as a share of the matrix product of the same precision.
"bandwidth" is the bytes that XLA expects the program to move, as a share of the copy;
what stays in a cache makes it exceed 1. "GiB" is what the program needs by XLA's
account: arguments, results and temporary values.

Bare loops move nothing between host and device, which would be an error. The JSON file
also has the number of compilations in loops that were timed ("compiled"), which is 0,
whether all buffers of the state were donated ("donated"), and the most memory that the
process of the section has used so far ("peak_bytes").
"""

import argparse
import gc
import json
import multiprocessing
import os
import sys
import time

import train
from accelerator_loops import count_compilations, memory
from accelerator_sections import GIB, SECTIONS, make_tiny

from dmt.utils import files

# Seconds that are kept for starting and for writing.
RESERVE = 5
WITHOUT = "JAX found no accelerator"


def main():
    args = parse_arguments()
    report = run(SECTIONS, args.minutes, args.output, args.quick)
    if not report["sections"]:
        print(f"{WITHOUT}; --quick runs tiny models on a CPU.")
        sys.exit(2)
    print(f"{args.output} has all figures; {report['seconds']:.0f} s.")
    sys.exit(1 if has_failed(report) else 0)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="of the whole run")
    parser.add_argument("--output", default="accelerator.json")
    parser.add_argument("--quick", action="store_true", help="tiny, to see it work")
    args = parser.parse_args()
    if os.environ.setdefault("KERAS_BACKEND", "jax") != "jax":
        parser.error("KERAS_BACKEND must be jax.")
    if args.minutes <= 0:
        parser.error("--minutes must be positive.")
    return args


def run(sections, minutes, output, quick):
    """Measures sections and writes the report after each.

    Args:
        sections: {name: Section}.
        minutes: when the run ends, whatever is left.
        output: path of the JSON file.
        quick: whether to run tiny models, also without an accelerator.

    Returns:
        The report, which has no section if there is no accelerator.
    """
    start = time.monotonic()
    end = start + 60 * minutes - RESERVE
    report = {"machine": None, "quick": quick, "sections": {}}
    shares = [section.share for section in sections.values()]
    for number, (name, section) in enumerate(sections.items()):
        now = time.monotonic()
        # What earlier sections have left is for all that follow.
        seconds = max(0.0, end - now) * shares[number] / sum(shares[number:])
        result = run_section(name, section, now + seconds, quick, report)
        if result["error"] == WITHOUT and not report["sections"]:
            break
        print_end(name, result)
        report["sections"][name] = result
        report["seconds"] = time.monotonic() - start
        with files.replacing(output) as temporary, open(temporary, "w") as file:
            json.dump(report, file, indent=1)
    return report


def has_failed(report):
    """Whether a section or a row has an error."""
    return any(
        section["error"] or any("error" in row for row in section["rows"].values())
        for section in report["sections"].values()
    )


def run_section(name, section, deadline, quick, report):
    """Runs a section in a process, which is killed at the deadline.

    The report gets the machine as the process sees it.
    """
    start = time.monotonic()
    context = multiprocessing.get_context("spawn")
    end, other = context.Pipe(duplex=False)
    arguments = (other, section.rows, deadline, quick)
    process = context.Process(target=work, args=arguments, daemon=True)
    process.start()
    other.close()
    result = {"rows": {}, "left_out": [], "error": None}
    devices = report["sections"].get("device", {}).get("rows", {})
    waiting = []
    while end.poll(max(0.0, deadline - time.monotonic())):
        try:
            kind, value = end.recv()
        except (EOFError, OSError):
            process.join()
            if process.exitcode:
                result["error"] = f"its process ended with status {process.exitcode}"
            break
        if kind == "machine":
            if not report["machine"]:
                print_head(value)
            report["machine"] = value
        elif kind == "rows":
            waiting = list(value)
        elif kind == "error":
            result["error"] = value
        else:
            row, figures = value
            waiting.remove(row)
            result["rows"][row] = with_shares(figures, devices)
            print_row(name, row, figures)
    else:
        process.kill()
        process.join()
        if not waiting and not result["rows"]:
            waiting = ["all rows"]
    result["left_out"] = waiting
    result["seconds"] = time.monotonic() - start
    return result


def work(pipe, rows_of, deadline, quick):
    """The process of a section: sends its rows, or why there are none."""
    try:
        from dmt.utils import processor

        if quick:
            # A quick run spends most of its time on compiling.
            flags = os.environ.get("XLA_FLAGS", "")
            os.environ["XLA_FLAGS"] = f"{flags} --xla_backend_optimization_level=0"
        processor.configure()  # Before Keras is imported.
        machine = train.describe_machine()
        if machine["platform"] == "cpu" and not quick:
            pipe.send(("error", WITHOUT))
            return
        pipe.send(("machine", machine))
        if quick:
            make_tiny()
        count_compilations()
        rows = rows_of(quick)
        pipe.send(("rows", list(rows)))
        for name, measure in rows.items():
            if time.monotonic() > deadline:
                return
            try:
                figures = measure()
            except Exception as error:
                # Such as a population that does not fit; others may.
                figures = {"error": summary_of(error)}
            figures["peak_bytes"] = memory().get("peak_bytes_in_use")
            pipe.send(("row", (name, figures)))
            gc.collect()
    except Exception as error:
        pipe.send(("error", summary_of(error)))


def summary_of(error):
    """The last line of the traceback, without the dumps that XLA appends."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def with_shares(figures, devices):
    """The figures of a row, with shares of what the device can do."""
    product = devices.get(f"matrix product, {figures.get('dtype')}", {})
    for share, own, peak in (
        ("share_of_peak", "flops", product),
        ("share_of_bandwidth", "bytes", devices.get("copy on the device", {})),
    ):
        if figures.get(own) and peak.get(own):
            figures[share] = figures[own] / peak[own]
    return figures


def print_head(machine):
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(
        f"\n{'section':<14}{'row':<38}{'figure':>11} {'unit':<16}{'ratio':>8}"
        f"{'peak':>8}{'bandwidth':>11}{'GiB':>8}",
        flush=True,
    )


def print_row(section, row, figures):
    start = f"{section:<14}{row:<38}"
    if "error" in figures:
        print(f"{start} failed: {figures['error']}", flush=True)
        return

    def text(name, width, form, scale=1):
        value = figures.get(name)
        return f"{'':>{width}}" if value is None else f"{value / scale:>{width}{form}}"

    print(
        f"{start}{figures['figure']:>11.2f} {figures['unit']:<16}"
        f"{text('ratio', 8, '.2f')}{text('share_of_peak', 8, '.1%')}"
        f"{text('share_of_bandwidth', 11, '.1%')}{text('program_bytes', 8, '.2f', GIB)}"
        + (
            f"  compiled {figures['compiled']} times" if figures.get("compiled") else ""
        ),
        flush=True,
    )


def print_end(section, result):
    if result["error"]:
        print(f"{section:<14}failed: {result['error']}", flush=True)
    if result["left_out"]:
        print(f"{section:<14}left out: {', '.join(result['left_out'])}", flush=True)


if __name__ == "__main__":
    main()

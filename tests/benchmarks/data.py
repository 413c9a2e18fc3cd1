"""Speed of the datasets: images per second to the model, memory, conversions.

    python tests/benchmarks/data.py                        # three minutes on two cores
    python tests/benchmarks/data.py --rows dsprites_rendered,shapes3d_mapped
    python tests/benchmarks/data.py --threads 1
    python tests/benchmarks/data.py --train                # is training starved?
    python tests/benchmarks/data.py --quick                # does it run? no figures

Loading: batches of 64 by `pipeline.load_batch`, consecutive steps, by one thread and by
`--threads` threads that share the steps. Rows take turns with memcpy, which is one
thread's `np.copyto` of as many bytes as a batch has, again and again between the same
two buffers: these stay in the processor's cache, a batch is read from all over the data
set and written to new memory, so 1 is out of reach. Figures are medians over rounds,
"/memcpy" is the median of the ratios within each round. "cores" is what the threads
got: below their number, other programs had the rest (or Python's lock was waited for),
and "idle", images per CPU-second times threads, tells what a quiet machine would do.

- `dsprites_rendered_first_use` starts each round without any picture and draws them.
  The other rendered rows are those of a later epoch: sprites, or the scenes of
  Shapes3D, were drawn before, and arms with `dmt_data prepare`. Random
  pixels are drawn each time, and their batches are float32.
- `_mapped` and `_preloaded` are files in the official formats, written on the spot with
  46,000 images or so (of dSprites, these are 24 MB of bits) and opened by the class of
  the dataset. They are in the operating system's cache; a disk is not measured.

Memory: the largest of a process that opens a dataset and reads 10,000 random images,
beside what it had before. "mapped" are pages of files, which the system takes back when
memory is short. Rendered sprites are written all over their 377 MB, which the system
hands out in pages of 2 MB, so that few pictures take all of it.

Conversion: the first use of an official file, from opening to the seal. The file is in
the operating system's cache. "npz stored" is read and checked, not copied.

`--train`: steps/s of the conv beta-VAE of train.py, `fit` with host batches against the
same compiled step on one constant batch; how they are compared is said there. The step
uses all cores, so drawing takes its time from it, however early it begins: the ratio of
CPU-ms is what a quiet machine would show.

Targets are where the project wants to be; nothing fails when they are missed. The last
line of the output is JSON with all figures.
"""

import argparse
import concurrent.futures
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gin
import numpy as np
from train import (
    BINDINGS,
    Ours,
    num_cores,
    print_table,
    ratios_of_rounds,
    run_rounds,
    use_cores,
)

from dmt.data.ground_truth import (
    dsprites,
    dsprites_rendered,
    mpi3d,
    named_data,
    own_data,
    shapes3d,
    shapes3d_rendered,
    splits,
)

BATCH_SIZE = 64
NUM_FILES = 2000
NUM_MEMORY_IMAGES = 10_000
RENDERED_TARGET, MAPPED_TARGET, TRAIN_TARGET = 20_000, 60_000, 0.95
TRAINED = (
    "dsprites_rendered",
    "shapes3d_rendered",
    "armcube_rendered",
    "color_dsprites_rendered",
    "noisy_dsprites_rendered",
    "texture_dsprites_rendered",
    "abstract_dsprites_rendered",
    "split",
    "correlated",
    "shapes3d_mapped",
)
MPI3D = "mpi3d_toy"


class SmallDSprites(dsprites.DSprites):
    factor_sizes = [1, 3, 6, 40, 32, 2]


class SmallShapes3D(shapes3d.Shapes3D):
    factor_sizes = [10, 10, 10, 2, 4, 6]


class SmallMPI3D(mpi3d.MPI3D):
    possible_factor_sizes = [[6, 6, 2, 3, 3, 8, 9]]


class ConvertedShapes3D(shapes3d.Shapes3D):
    factor_sizes = [10, 10, 10, 1, 4, 2]


class ConvertedMPI3D(mpi3d.MPI3D):
    possible_factor_sizes = [[6, 6, 2, 3, 3, 4, 6]]


def main():
    args = parse_arguments()
    use_cores(args.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if args.quick:
        SmallDSprites.factor_sizes = [1, 3, 2, 4, 2, 2]
        SmallShapes3D.factor_sizes = [2, 2, 2, 2, 4, 2]
        ConvertedShapes3D.factor_sizes = [2, 2, 2, 1, 4, 2]
        for kind in (SmallMPI3D, ConvertedMPI3D):
            kind.possible_factor_sizes = [[2, 2, 2, 2, 2, 2, 2]]
    if args.memory_worker:
        memory_worker(args.rows[0])
        return
    report = {"threads": num_cores(), "load": os.getloadavg()[0], "quick": args.quick}
    print(f"{num_cores()} threads, load {os.getloadavg()[0]:.2f}", flush=True)
    with tempfile.TemporaryDirectory() as root:
        os.environ["DMT_DATA"] = root
        if args.train:
            report["train"] = measure_training(args)
        else:
            for write in {LOADING[row].write for row in args.rows if row in LOADING}:
                if write:
                    write(Path(root))
            report["memory"] = measure_memory(args)
            report["loading"] = measure_loading(args)
            report["conversion"] = measure_conversions(args)
    report["load_at_the_end"] = os.getloadavg()[0]
    print(f"load at the end {os.getloadavg()[0]:.2f}")
    print(json.dumps(report))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*LOADING, *CONVERSIONS]
    parser.add_argument(
        "--rows",
        type=lambda text: text.split(","),
        default=names,
        help=f"names of rows, with commas between; default: {','.join(names)}",
    )
    parser.add_argument("--threads", type=int, help="cores to use; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny, to see it work")
    parser.add_argument("--train", action="store_true", help="measure training instead")
    parser.add_argument("--memory_worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = sorted(set(args.rows) - set(names))
    if unknown:
        parser.error(f"--rows are {', '.join(names)}. Received: {', '.join(unknown)}")
    if min(args.rounds, args.threads or 1) < 1:
        parser.error("--rounds and --threads must be positive")
    if args.quick:
        args.rounds = 2
    return args


def grid_images(count):
    """That many pictures of rendered Shapes3D, evenly spread over its grid."""
    data = shapes3d_rendered.shapes3d_rendered()
    images = np.empty((count, *data.observation_shape), dtype=np.uint8)
    indices = np.linspace(0, data.size - 1, count).astype(np.int64)
    for start in range(0, count, 1024):
        rows = slice(start, start + 1024)
        images[rows] = data.images_at(indices[rows])
    return images


def write_dsprites(root):
    folder = root / "dsprites"
    folder.mkdir()
    sizes = SmallDSprites.factor_sizes
    factors = np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes))
    full = dsprites.DSprites.factor_sizes
    packed = dsprites_rendered.render(np.ravel_multi_index(factors, full))
    images = np.unpackbits(packed, axis=1).reshape(-1, 64, 64)
    np.savez_compressed(
        folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz", imgs=images
    )


def write_shapes3d(root, sizes=None, **storage):
    import h5py

    sizes = sizes or SmallShapes3D.factor_sizes
    path = root / "3dshapes" / "3dshapes.h5"
    path.parent.mkdir()
    labels = np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes), axis=1)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=grid_images(len(labels)), **storage)
        file.create_dataset("labels", data=labels.astype(np.float64))


def write_mpi3d(root, sizes=None, save=np.savez):
    sizes = sizes or SmallMPI3D.possible_factor_sizes[0]
    (root / MPI3D).mkdir()
    save(root / MPI3D / f"{MPI3D}.npz", images=grid_images(math.prod(sizes)))


def write_image_folder(root):
    from PIL import Image

    folder = root / "photos"
    folder.mkdir()
    lines = []
    for number, image in enumerate(grid_images(NUM_FILES)):
        Image.fromarray(image).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{number // 40},{number % 40}\n")
    (folder / "factors.csv").write_text("".join(lines))


def open_image_folder():
    folder = Path(os.environ["DMT_DATA"]) / "photos"
    return own_data.image_folder(path=folder, csv=folder / "factors.csv")


def opener(name):
    return lambda: named_data.open_dataset(name)


def preloading(open_data, preload):
    """Opens a dataset from memory or from a memory map."""

    def open_with_binding():
        gin.bind_parameter("official_data.preload", preload)
        data = open_data()
        gin.clear_config()
        return data

    return open_with_binding


def first_use():
    """The rendered dSprites before any picture was drawn."""
    dsprites_rendered.RenderedDSprites._open_images.cache_clear()
    return dsprites_rendered.dsprites_rendered()


class Row(NamedTuple):
    """How a dataset is opened, its files written, and the target in images/s."""

    open: Callable
    write: Callable | None = None
    target: int | None = None
    has_first_use: bool = False


LOADING = {
    "dsprites_rendered_first_use": Row(
        first_use, target=RENDERED_TARGET, has_first_use=True
    ),
    "dsprites_rendered": Row(opener("dsprites_rendered"), target=RENDERED_TARGET),
    "shapes3d_rendered": Row(opener("shapes3d_rendered"), target=RENDERED_TARGET),
    "shapes3d_rendered_128": Row(opener("shapes3d_rendered_128")),
    "armcube_rendered": Row(opener("armcube_rendered")),
    "armcube_rendered_shifted": Row(opener("armcube_rendered_shifted")),
    "color_dsprites_rendered": Row(opener("color_dsprites_rendered")),
    "noisy_dsprites_rendered": Row(opener("noisy_dsprites_rendered")),
    "texture_dsprites_rendered": Row(opener("texture_dsprites_rendered")),
    "abstract_dsprites_rendered": Row(opener("abstract_dsprites_rendered")),
    "split": Row(
        lambda: splits.split(
            base="dsprites_rendered", part="train", held_out={"shape": [2]}
        )
    ),
    "correlated": Row(
        lambda: splits.correlated(
            base="dsprites_rendered", pairs=[("position x", "position y")], sigma=0.2
        )
    ),
    "dsprites_mapped": Row(
        preloading(lambda: SmallDSprites([1, 2, 3, 4, 5]), False),
        write_dsprites,
        MAPPED_TARGET,
    ),
    "dsprites_preloaded": Row(
        preloading(lambda: SmallDSprites([1, 2, 3, 4, 5]), True), write_dsprites
    ),
    "shapes3d_mapped": Row(
        preloading(SmallShapes3D, False), write_shapes3d, MAPPED_TARGET
    ),
    "shapes3d_preloaded": Row(preloading(SmallShapes3D, True), write_shapes3d),
    "mpi3d_mapped": Row(
        preloading(lambda: SmallMPI3D(MPI3D), False), write_mpi3d, MAPPED_TARGET
    ),
    "mpi3d_preloaded": Row(preloading(lambda: SmallMPI3D(MPI3D), True), write_mpi3d),
    "image_folder": Row(
        preloading(open_image_folder, False), write_image_folder, MAPPED_TARGET
    ),
}


def measure_loading(args):
    """Images per second of each row, beside memcpy."""
    seconds = 0.02 if args.quick else 0.4
    print(
        f"\n{'images/s':<28}{'1 thread':>10}{f'{num_cores()} threads':>11}{'idle':>11}"
        f"{'cores':>7}{'MB/s':>8}{'/memcpy':>9}{'target':>8}  met"
    )
    results = {}
    for name in args.rows:
        if name not in LOADING:
            continue
        row = LOADING[name]
        data = row.open()
        if not row.has_first_use:
            draw_ahead(name, data, args.quick)
        results[name] = result = measure_row(row, data, args.rounds, seconds)
        met = ""
        if row.target:
            result["target"] = row.target
            met = "yes" if result["many_threads"] >= row.target else "no"
        print(
            f"{name:<28}{result['one_thread']:10,.0f}{result['many_threads']:11,.0f}"
            f"{result['idle']:11,.0f}{result['cores']:7.2f}{result['mb_per_second']:8,.0f}"
            f"{result['to_memcpy']:9.3f}{row.target or '':>8}  {met}",
            flush=True,
        )
    return results


def draw_ahead(name, data, quick):
    """Draws what a rendered dataset keeps: pictures, or all scenes of Shapes3D."""
    if name.startswith("armcube_rendered"):
        if not quick:
            data.prepare()
        return
    sprites = dsprites_rendered.dsprites_rendered()
    if name.startswith("shapes3d_rendered"):
        named_data.open_dataset(name).images_at(np.arange(480))
    elif "dsprites_rendered" in name or name in ("split", "correlated"):
        for start in range(0, 4096 if quick else sprites.size, 4096):
            sprites.images_at(np.arange(start, start + 4096))


def measure_row(row, data, rounds, seconds):
    """Medians of loading by one thread, by all, and of copies of as many bytes."""
    from dmt.data import pipeline

    (batch,) = pipeline.load_batch(data, 0, 0, BATCH_SIZE)
    buffer, step, figures = np.empty_like(batch), 1, []

    def load(step):
        pipeline.load_batch(data, 0, step, BATCH_SIZE)

    def timed(work, threads):
        nonlocal data, step
        if row.has_first_use:
            data = row.open()
        batches, wall, cpu = run_for(seconds, threads, work, step)
        step += batches
        return BATCH_SIZE * batches / wall, BATCH_SIZE * batches / cpu, cpu / wall

    threads = num_cores()
    timed(load, threads)
    for _ in range(rounds):
        one, _, _ = timed(load, 1)
        copied, _, _ = timed(lambda step: np.copyto(buffer, batch), 1)
        many, per_cpu, cores = timed(load, threads)
        figures.append((one, many, threads * per_cpu, cores, copied, many / copied))
    one, many, idle, cores, copied, ratio = map(
        statistics.median, zip(*figures, strict=True)
    )
    return {
        "one_thread": one,
        "many_threads": many,
        "idle": idle,
        "cores": cores,
        "mb_per_second": many * batch.nbytes / BATCH_SIZE / 1e6,
        "memcpy": copied,
        "to_memcpy": ratio,
        "rounds": figures,
    }


def run_for(seconds, threads, work, step):
    """Calls `work` on the steps from `step` on, by threads that share them.

    Returns:
        How many calls there were, seconds from the first to the end of the last, and
        CPU-seconds.
    """
    cpu, start = time.process_time(), time.perf_counter()

    def run(first):
        count = 0
        while time.perf_counter() - start < seconds:
            work(first + threads * count)
            count += 1
        return count

    if threads == 1:
        count = run(step)
    else:
        with concurrent.futures.ThreadPoolExecutor(threads) as executor:
            count = sum(executor.map(run, range(step, step + threads)))
    return count, time.perf_counter() - start, time.process_time() - cpu


def measure_memory(args):
    """Peak memory of a process for each row."""
    print(f"\n{'MB of memory':<28}{'peak':>10}{'before':>9}{'mapped':>9}")
    results = {}
    for name in args.rows:
        if name not in LOADING or LOADING[name].has_first_use:
            continue
        # The first use, which converts, is in a process of its own.
        for _ in range(2 if LOADING[name].write else 1):
            command = [sys.executable, __file__, "--memory_worker", "--rows", name]
            output = subprocess.run(
                command + ["--quick"] * args.quick,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
        results[name] = result = json.loads(output.splitlines()[-1])
        print(
            f"{name:<28}{result['peak']:10,.0f}{result['before']:9,.0f}"
            f"{result['mapped']:9,.0f}",
            flush=True,
        )
    return results


def memory_worker(name):
    before, mapped_before = memory()
    data = LOADING[name].open()
    random_state = np.random.RandomState(0)
    for _ in range(0, NUM_MEMORY_IMAGES, BATCH_SIZE):
        if data.size is None:
            data.sample_observations(BATCH_SIZE, random_state)
        else:
            data.images_at(random_state.randint(data.size, size=BATCH_SIZE))
    peak, mapped = memory()
    print(
        json.dumps({"peak": peak, "before": before, "mapped": mapped - mapped_before})
    )


def memory():
    """MB that this process had at most, and that it has now of pages of files."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_maxrss * unit / 1e6, 0
    # Unlike ru_maxrss, this leaves out what the parent had when it forked.
    status = dict(line.split(":", 1) for line in lines)
    return tuple(
        int(status[key].split()[0]) * 1024 / 1e6 for key in ("VmHWM", "RssFile")
    )


# name: (how its file is written, how it is opened)
CONVERSIONS = {
    "convert_h5": (
        lambda root: write_shapes3d(
            root, ConvertedShapes3D.factor_sizes, compression="gzip", chunks=True
        ),
        ConvertedShapes3D,
    ),
    "convert_npz_stored": (write_mpi3d, lambda: SmallMPI3D(MPI3D)),
    "convert_npz_deflated": (
        lambda root: write_mpi3d(
            root, ConvertedMPI3D.possible_factor_sizes[0], np.savez_compressed
        ),
        lambda: ConvertedMPI3D(MPI3D),
    ),
    "convert_dsprites": (write_dsprites, SmallDSprites),
    "convert_image_folder": (write_image_folder, open_image_folder),
}


def measure_conversions(args):
    """Images per second of the first use of a file."""
    print(
        f"\n{'conversion':<28}{'images':>10}{'seconds':>9}{'images/s':>10}{'MB/s':>8}"
    )
    results = {}
    for name in args.rows:
        if name not in CONVERSIONS:
            continue
        write, open_data = CONVERSIONS[name]
        with tempfile.TemporaryDirectory() as root:
            os.environ["DMT_DATA"] = root
            write(Path(root))
            start = time.perf_counter()
            data = preloading(open_data, False)()
            seconds = time.perf_counter() - start
        image_bytes = math.prod(data.observation_shape)
        results[name] = result = {
            "images": data.size,
            "seconds": seconds,
            "images_per_second": data.size / seconds,
            "mb_per_second": data.size * image_bytes / seconds / 1e6,
        }
        print(
            f"{name:<28}{data.size:10,}{seconds:9.2f}"
            f"{result['images_per_second']:10,.0f}{result['mb_per_second']:8,.0f}",
            flush=True,
        )
    return results


class Fed(Ours):
    """The model of train.py for the images of one dataset."""

    def __init__(self, data):
        from dmt.methods.unsupervised import vae

        gin.parse_config(BINDINGS)
        self.batch_size = BATCH_SIZE
        self.dataset = data
        self.model = vae.BetaVAE(beta=4.0)
        self.model.initialize(data, seed=0)
        self.model.compile(optimizer=self.model.make_optimizer())
        self.model.optimizer.build(self.model.trainable_variables)
        self.model.resident = None


def measure_training(args):
    """Steps per second of `fit` on some datasets against a constant batch."""
    names = [name for name in TRAINED if name in args.rows]
    if "shapes3d_mapped" in names:
        write_shapes3d(Path(os.environ["DMT_DATA"]))
    variants, pairs = {}, []
    for name in names:
        data = LOADING[name].open()
        draw_ahead(name, data, args.quick)
        fed = Fed(data)
        constant = f"constant, {name}"
        variants[constant] = fed.constant_batch(fed.model)
        variants[f"fit, {name}"] = fed.fit(fed.model)
        pairs.append((name, f"fit, {name}", constant, TRAIN_TARGET))
    rows = run_rounds(variants, args.rounds, 4 if args.quick else 40)
    ratios = ratios_of_rounds(rows, pairs)
    print_table(rows, ratios)
    print(f"{'the same of CPU-ms':<42}{'ratio':>10}")
    for name, over, under, _ in pairs:
        cpu = (rows[row]["cpu_ms_rounds"] for row in (under, over))
        ratio = statistics.median(a / b for a, b in zip(*cpu, strict=True))
        ratios[name]["cpu_median"] = ratio
        print(f"{name:<42}{ratio:10.3f}")
    return {"rows": rows, "ratios": ratios}


if __name__ == "__main__":
    main()

"""Speed of scoring: images/s of the encoder, seconds of the unsupervised metric set.

    python tests/benchmarks/scoring.py                     # all cores
    python tests/benchmarks/scoring.py --avx2              # as on a processor with AVX2
    python tests/benchmarks/scoring.py --threads 1
    python tests/benchmarks/scoring.py --no_metrics        # the encoder only
    python tests/benchmarks/scoring.py --quick             # does it run? no figures

Encoder. An untrained conv_encoder with 10 codes, saved and loaded as a representation,
encodes uint8 images as `dmt_evaluate` does. The baselines have images of float32 that
were scaled before: `predict` of the same Keras model with the same batch size, and the
same network in PyTorch (`pip install torch==2.13.0`; without it the row is left out),
channels_last, in a process of its own. The variants take turns in `--rounds` rounds.
"images/s" is the median over rounds, a ratio the median of the ratios within each
round, with the smallest and the largest beside it: where these are far apart, other
programs were running, and "CPU-us/image", the processor time of all threads, is the
better guide. mixed_bfloat16 is measured where the processor has instructions for it.

Metric set. All metrics of `gin_configs/metrics/` on rendered dSprites, with the paper's
numbers of samples: 10,000 to train, 5,000 to test. Encoding is counted by itself, and
each metric without it. The first metrics encode nearly all of the 737,280 images.

`--avx2` keeps oneDNN, PyTorch, NumPy, OpenBLAS and Numba to AVX2, as on processors that
have no more; bfloat16 is left out. XLA is not kept to AVX2.

The last line of the output is JSON with all figures.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import tempfile
import types

from metrics import Sizes, our_study, timed, write_representation
from train import (
    AVX2,
    Worker,
    has_torch,
    make_parser,
    num_cores,
    torch_features,
    use_cores,
)

NUM_CODES = 10
SHAPES = [(64, 64, 1), (64, 64, 3)]


def main():
    args = parse_arguments()
    use_cores(args.threads)
    if args.avx2:
        os.environ |= AVX2
    if args.torch_worker:
        torch_worker(args.images, args.torch_worker)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from dmt.utils import processor

    processor.configure()  # Before Keras is imported.
    limits = ", kept to AVX2" if args.avx2 else ""
    load = os.getloadavg()[0]
    print(f"{processor.summary()}{limits}, load {load:.2f}", flush=True)
    with_bfloat16 = (processor.has_bfloat16() and not args.avx2) or args.quick
    report = {
        "machine": processor.describe(),
        "avx2": args.avx2,
        "load": load,
        "encoder": measure_encoder(args, with_bfloat16),
    }
    if args.metrics:
        report["metrics"] = measure_metrics(args)
    print(json.dumps(report))


def parse_arguments():
    parser = make_parser(__doc__)
    parser.add_argument("--images", type=int, default=8192, help="in a round")
    parser.add_argument("--no_metrics", dest="metrics", action="store_false")
    # The batch size of the process with PyTorch.
    parser.add_argument("--torch_worker", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.threads or 1, args.rounds, args.images) < 1:
        parser.error("numbers must be positive")
    if args.quick:
        args.rounds, args.images = 2, 1024
    return args


# ----- Encoder ------------------------------------------------------------------------


def measure_encoder(args, with_bfloat16):
    """{shape: {variant: its figures and the ratios to it}}."""
    from dmt.utils.compilation import BATCH_SIZE

    options = ["--torch_worker", str(BATCH_SIZE), "--images", str(args.images)]
    torch = Worker(__file__, options, args) if has_torch() else None
    report = {}
    for shape in SHAPES:
        variants = ours(shape, args.images, BATCH_SIZE, with_bfloat16)
        if torch:
            variants["PyTorch"] = functools.partial(torch.ask, shape[2])
        name = "x".join(map(str, shape))
        report[name] = run_rounds(variants, args)
        print_encoder(f"{name}, batches of {BATCH_SIZE}", report[name])
    if torch:
        torch.stop()
    else:
        print("PyTorch is not installed; for its rows, pip install torch==2.13.0")
    return report


def ours(shape, num_images, batch_size, with_bfloat16):
    """Functions that encode the images and return seconds and processor seconds."""
    import numpy as np

    from dmt.evaluation import codes
    from dmt.postprocessing.representation import load_representation

    images = 255 * np.random.RandomState(0).randint(
        2, size=(num_images, *shape), dtype=np.uint8
    )
    dataset = types.SimpleNamespace(
        observation_shape=shape, size=len(images), images_at=images.__getitem__
    )
    variants = {}
    with tempfile.TemporaryDirectory() as directory:
        write_representation(dataset, directory)
        encoder = load_representation(directory).encoder
        variants["float32"] = codes._moments(encoder)
        if with_bfloat16:
            rounded = load_representation(directory, "mixed_bfloat16").encoder
            variants["mixed_bfloat16"] = codes._moments(rounded)
    scaled = images / np.float32(255)
    calls = {name: functools.partial(v, images) for name, v in variants.items()}
    calls["predict"] = functools.partial(
        encoder.predict, scaled, batch_size=batch_size, verbose=0
    )
    return {name: lambda call=call: timed(call)[1] for name, call in calls.items()}


def run_rounds(variants, args):
    """Figures of each variant, and the ratios of ours to the baselines."""
    for run in variants.values():
        run()  # Compiles.
    rounds = {name: [] for name in variants}
    for number in range(args.rounds):
        order = list(variants) if number % 2 else list(reversed(variants))
        for name in order:
            rounds[name].append(variants[name]())
    rows = {}
    for name, found in rounds.items():
        rows[name] = {
            "images_per_second": statistics.median(args.images / s for s, _ in found),
            "cpu_us_per_image": statistics.median(
                1e6 * c / args.images for _, c in found
            ),
            "ratios": {
                baseline: ratios(rounds[baseline], found)
                for baseline in ("predict", "PyTorch")
                if baseline in rounds and baseline != name
            },
        }
    return rows


def ratios(baseline, found):
    """How many times as fast: median, smallest and largest ratio of the rounds."""
    values = [
        theirs / own for (theirs, _), (own, _) in zip(baseline, found, strict=True)
    ]
    return [statistics.median(values), min(values), max(values)]


def print_encoder(name, rows):
    print(f"\nconv_encoder {name}")
    print(f"{'':<20}{'images/s':>10}{'CPU-us/image':>14}  speed / predict, / PyTorch")
    for variant, row in rows.items():
        shown = (
            "{:.2f} ({:.2f} to {:.2f})".format(*values)
            for values in row["ratios"].values()
        )
        print(
            f"{variant:<20}{row['images_per_second']:10.0f}"
            f"{row['cpu_us_per_image']:14.1f}  {', '.join(shown)}",
            flush=True,
        )


def torch_worker(num_images, batch_size):
    """Encodes images with the numbers of channels that the input asks for."""
    import torch
    from torch import nn

    torch.set_num_threads(num_cores())

    class Encoder(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.features = torch_features(channels, inplace=True)
            self.moments = nn.ModuleList(nn.Linear(256, NUM_CODES) for _ in range(2))

        def forward(self, images):
            features = self.features(images)
            return [moment(features) for moment in self.moments]

    @functools.cache
    def network(channels):
        images = torch.randint(0, 2, (num_images, channels, 64, 64)).float()
        formats = {"memory_format": torch.channels_last}
        return Encoder(channels).eval().to(**formats), images.contiguous(**formats)

    for line in sys.stdin:
        encoder, images = network(int(line))

        def encode(encoder=encoder, images=images):
            with torch.inference_mode():
                for batch in images.split(batch_size):
                    encoder(batch)

        print(json.dumps(timed(encode)[1]), flush=True)


# ----- Metric set ---------------------------------------------------------------------


def measure_metrics(args):
    """Seconds, processor seconds and share of encoding and of each metric."""
    import numpy as np

    from dmt.data.ground_truth import named_data
    from dmt.evaluation.codes import codes_of
    from dmt.postprocessing.representation import load_representation

    sizes = Sizes(args.quick)
    dataset = named_data.get_named_ground_truth_data(sizes.dataset)
    for start in range(0, dataset.size, 4096):  # Pictures are drawn once.
        dataset.images_at(np.arange(start, min(start + 4096, dataset.size)))
    with tempfile.TemporaryDirectory() as directory:
        write_representation(dataset, directory)
        data, codes = codes_of(dataset, load_representation(directory))
    found, _ = our_study(data, codes, sizes)
    total, cpu = found["total"]
    print(f"\n{'metric set':<36}{'s':>10}{'CPU s':>10}{'share':>10}")
    rows = {**found["parts"], "all": (total, cpu)}
    for name, (part, part_cpu) in rows.items():
        print(f"{name:<36}{part:10.2f}{part_cpu:10.2f}{part / total:10.1%}")
    return {name: {"seconds": s, "cpu": c} for name, (s, c) in rows.items()}


if __name__ == "__main__":
    main()

"""What processor this is, and the settings of the frameworks that make it fast."""

import functools
import logging
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from dmt.utils import machine

logger = logging.getLogger(__name__)

# Instruction sets that decide how fast matrices are multiplied, the best ones last.
_SETS = (
    "avx",
    "fma",
    "avx2",
    "avx512f",
    "avx512_bf16",
    "amx_bf16",
    "neon",
    "sve",
    "bf16",
)
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
_CPUINFO = Path("/proc/cpuinfo")
# Environment variables that set the number of threads of a library.
_THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    # XLA sizes its pool of threads by it.
    "NPROC",
)
# Environment variables that decide what the frameworks do on a processor.
SETTINGS = (
    "TF_ENABLE_ONEDNN_OPTS",
    "ONEDNN_MAX_CPU_ISA",
    "XLA_FLAGS",
    *_THREADS,
    "TF_NUM_INTEROP_THREADS",
)


@functools.cache
def name() -> str:
    """The name of the processor as its maker writes it, for example "AMD EPYC 7763"."""
    found = _cpuinfo().get("model name", "")
    if not found and sys.platform == "darwin":
        found = _sysctl("machdep.cpu.brand_string")
    return found or platform.processor() or platform.machine()


@functools.cache
def instruction_sets() -> tuple[str, ...]:
    """Those of the instruction sets that matter for speed that this processor has."""
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").lower().split())
    if sys.platform == "darwin":
        flags = set(_sysctl("machdep.cpu.features").lower().split())
        flags |= set(_sysctl("machdep.cpu.leaf7_features").lower().split())
    if platform.machine() in ("aarch64", "arm64"):
        flags.add("neon")
    return tuple(kind for kind in _SETS if kind in flags)


def has_bfloat16() -> bool:
    """Whether the processor multiplies numbers of bfloat16, rather than emulates it."""
    return not _BFLOAT16.isdisjoint(instruction_sets())


def configure() -> dict[str, str]:
    """Sets what makes the frameworks fast on this processor, unless the user has.

    The settings are environment variables, which a framework reads when it is imported:

    - oneDNN on x86 processors with AVX2. TensorFlow itself turns it on only where there
      are instructions for neural networks.
    - The numbers of threads, if a control group allows less processor time than there
      are cores, as in many containers.

    Returns:
        The variables that were set. Processes that this one starts inherit them.
    """
    chosen = {}
    if "avx2" in instruction_sets() and "tensorflow" not in sys.modules:
        chosen["TF_ENABLE_ONEDNN_OPTS"] = "1"
    if machine.has_quota():
        chosen |= dict.fromkeys(_THREADS, str(machine.num_cores()))
    chosen = {key: value for key, value in chosen.items() if key not in os.environ}
    os.environ.update(chosen)
    return chosen


def on_cpu() -> bool:
    """Whether the backend has no accelerator to compute on."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def warn_of_emulation(binding: str, dtype_policy: str | None) -> None:
    """Warns of a policy that is slow because the processor emulates bfloat16.

    Args:
        binding: for example "model.dtype_policy".
        dtype_policy: a Keras dtype policy, or None.
    """
    if "bfloat16" in (dtype_policy or "") and not has_bfloat16() and on_cpu():
        logger.warning(
            "%s = %r is about ten times slower than 'float32' on this processor (%s), "
            "which has no instructions for bfloat16.",
            binding,
            dtype_policy,
            name(),
        )


def describe() -> dict[str, Any]:
    """What decides the speed of this process, and the last bits of its numbers.

    Returns:
        processor: see `name`.
        instruction_sets: see `instruction_sets`.
        threads: number of cores that this process may use.
        backend: "tensorflow" or "jax".
        settings: the environment variables of `SETTINGS` that are set.
    """
    import keras

    return {
        "processor": name(),
        "instruction_sets": list(instruction_sets()),
        "threads": machine.num_cores(),
        "backend": keras.backend.backend(),
        "settings": {key: os.environ[key] for key in SETTINGS if key in os.environ},
    }


def summary() -> str:
    """What `describe` tells, in one line."""
    facts = describe()
    settings = ", ".join(f"{key}={value}" for key, value in facts["settings"].items())
    return (
        f"{facts['backend']} on {facts['threads']} cores of {facts['processor']} "
        f"({' '.join(facts['instruction_sets']) or 'instruction sets unknown'})"
        f"{' with ' if settings else ''}{settings}"
    )


def _cpuinfo():
    """The first processor of /proc/cpuinfo as {"field": "value"}, {} elsewhere."""
    try:
        first = _CPUINFO.read_text(errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _sysctl(key):
    try:
        command = ["sysctl", "-n", key]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""

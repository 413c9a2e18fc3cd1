"""Processes that kill themselves at a chosen moment."""

import os
import subprocess
import sys
import textwrap

# What each process does to itself, and when.
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
IN_A_STEP = f"""
    import numpy as np
    from dmt.data import pipeline
    load = pipeline.load_batch
    def load_or_die(dataset, seed, step, batch_size):
        if step == 5:
            import time; time.sleep(1)  # Until the last complete line is written.
            {KILL}
        return load(dataset, seed, step, batch_size)
    pipeline.load_batch = load_or_die
"""


def run(command, flags, gin_lines, trouble=""):
    program = f"import sys; sys.argv[0] = 'dmt_{command}'\n"
    program += textwrap.dedent(trouble)
    program += "\nfrom dmt.cli.main import main\nmain()\n"
    arguments = [*flags, *(f"--gin_bindings={line}" for line in gin_lines)]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


def check(process, returncode=0):
    assert process.returncode == returncode, process.stderr[-2000:]

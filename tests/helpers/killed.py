"""Code by which a process kills itself at a chosen moment."""

import textwrap

KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
IN_A_STEP = textwrap.dedent(f"""
    from dmt.data import pipeline
    load = pipeline.load_batch
    def load_or_die(dataset, seed, step, batch_size):
        if step == 5:
            import time; time.sleep(1)  # Until the last complete line is written.
            {KILL}
        return load(dataset, seed, step, batch_size)
    pipeline.load_batch = load_or_die
""")

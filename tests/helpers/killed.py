"""Code by which a process kills itself at a chosen moment."""

import itertools
import os
import signal
import sys
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


def at_each_call(function):
    """Runs a function in processes that are killed at each of its calls on files.

    Process n kills itself before the call number n that opens, makes, renames, lists or
    removes something.

    Yields:
        The number of the call, after the process was killed; last, None after a process
        that was not.
    """
    number = 0
    while True:
        process = os.fork()
        if not process:
            calls = itertools.count()

            def kill(event, _, calls=calls, number=number):
                is_call = event == "open" or event.startswith(("os.", "shutil."))
                if is_call and next(calls) == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            status = 1
            try:
                sys.addaudithook(kill)
                function()
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(process, 0)
        if os.WIFSIGNALED(status):
            yield number
        else:
            assert os.WEXITSTATUS(status) == 0
            yield None
            return
        number += 1

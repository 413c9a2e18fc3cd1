"""Commands in processes that need not import TensorFlow again."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from tests.helpers.runs import BIN, ROOT

# Imports once what takes seconds, and forks for each command that it reads. (To tear
# TensorFlow down takes seconds too.)
_SERVER = """
import json, os, runpy, signal, sys
import dmt.methods.imported, dmt.methods.train, dmt.validation.validate
import dmt.visualize.visualize_model
for line in sys.stdin:
    command = json.loads(line)
    process = os.fork()
    if not process:
        signal.alarm(300)
        for number, path in enumerate(command["outputs"], start=1):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
        os.chdir(command["folder"])
        os.environ.update(command["environment"])
        sys.argv = command["arguments"]
        status = 0
        try:
            exec(command["code"], {})
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as stop:
            status = stop.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


class Forks:
    """Runs commands as forks of one process; a context."""

    def __enter__(self):
        self._outputs = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "CUDA_VISIBLE_DEVICES": "",
                # The import has long happened when a command asks for silence.
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._outputs.cleanup()

    def __call__(self, command, *arguments, folder=".", code="", **environment):
        """Runs a command.

        Args:
            command: name of a script in bin/, or absolute path of another script.
            *arguments: arguments of the script.
            folder: folder in which the command runs.
            code: Python code that the process executes first.
            **environment: more environment variables.

        Returns:
            The `subprocess.CompletedProcess`.
        """
        outputs = [pathlib.Path(self._outputs.name) / name for name in ("out", "err")]
        request = {
            "arguments": [str(BIN / command), *map(str, arguments)],
            "folder": os.path.abspath(folder),
            "code": code,
            "environment": environment,
            "outputs": list(map(str, outputs)),
        }
        print(json.dumps(request), file=self._process.stdin, flush=True)
        status = int(self._process.stdout.readline())
        texts = [path.read_text() for path in outputs]
        return subprocess.CompletedProcess(command, status, *texts)

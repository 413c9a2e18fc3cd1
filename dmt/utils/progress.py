"""Progress of long work, in lines of the log.

Work that takes less than `SECONDS` logs nothing here.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator

from dmt.utils import machine

logger = logging.getLogger(__name__)

# Between two lines of the same work.
SECONDS = 10.0


_last_line = 0.0


def _seconds():
    """Seconds between lines, so that workers together log a line every `SECONDS`."""
    return SECONDS * int(os.environ.get(machine.NUM_WORKERS, 1))


def _log(*arguments):
    global _last_line
    _last_line = time.monotonic()
    logger.info(*arguments)


class Progress:
    """Logs how many tasks are complete and how long the others will take.

    Attributes:
        done: number of complete tasks, including those of earlier processes.

    Args:
        total: number of tasks.
        unit: what the tasks are, for example "metrics". Such tasks may be quick, and
            those that end within `SECONDS` of the start are not logged.
        done: how many of them earlier processes have completed.
    """

    def __init__(self, total: int, unit: str = "", done: int = 0):
        self.done = done
        self._total, self._ended, self._start = total, 0, time.time()
        self._unit = f" {unit}" if unit else ""

    @contextlib.contextmanager
    def task(self, name: str, was_done: bool = False) -> Iterator[None]:
        """Context of a task that ends with it. The clock starts with the first one.

        A task that is among those that earlier processes have completed does not count.
        """
        if not (self._ended or was_done):
            self._start = time.time()
        yield
        if not was_done:
            self.end(name)

    def end(self, name: str, error: str = "") -> None:
        """Counts a task, which failed if there is an error."""
        self.done += 1
        self._ended += 1
        seconds = time.time() - self._start
        if self._unit and seconds < _seconds():
            return
        rest = self._total - self.done
        _log(
            "%d of %d%s: %s %s, %.0f s%s",
            self.done,
            self._total,
            self._unit,
            name,
            f"failed: {error}" if error else "is complete",
            seconds,
            f", about {rest * seconds / self._ended:.0f} s to go" if rest else "",
        )


class Work:
    """Logs how much of one piece of work is done.

    Args:
        name: what is done, for example "Encoding".
        total: how much there is to do at most.
        unit: what is counted, for example "images".
        done: how much earlier processes have done.
    """

    def __init__(self, name: str, total: int, unit: str, done: int = 0):
        self._name, self._total, self._unit = name, total, unit
        self._before, self._done = done, done
        self._spent = self._logged = 0.0

    @contextlib.contextmanager
    def doing(self, number: int) -> Iterator[None]:
        """Context in which `number` more are done; only the time in it counts."""
        start = time.monotonic()
        yield
        self._spent += time.monotonic() - start
        self._done += number
        if self._spent - self._logged < _seconds():
            return
        self._logged = self._spent
        pace = self._spent / (self._done - self._before)
        counts = f"{self._done:,} of {self._total:,} {self._unit}"
        rest = pace * (self._total - self._done)
        _log(
            "%s: %s, %.0f s, about %.0f s for the rest",
            self._name,
            counts,
            self._spent,
            rest,
        )


@contextlib.contextmanager
def alive(name: str) -> Iterator[None]:
    """Context that logs for how long it has lasted, while nothing else is logged here.

    Args:
        name: what is done, for example the directory that is written.
    """
    start, ended = time.monotonic(), threading.Event()

    def log():
        while not ended.wait(_seconds()):
            now = time.monotonic()
            if now - _last_line >= _seconds():
                _log("%s: %.0f s so far", name, now - start)

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

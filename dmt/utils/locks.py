"""Locks on what a process writes, so that no two processes write it at once.

The lock on a path is a lock of the operating system on a hidden file beside it. The
system frees it when the process ends, even if it is killed. On a network file system
with locks, this holds for processes on all machines.
"""

import contextlib
import errno
import fcntl
import functools
import inspect
import json
import logging
import os
import pathlib
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from dmt.utils import files

logger = logging.getLogger(__name__)

_LONGEST_COMMAND = 200
# Seconds.
_PATIENCE = 2.0
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Lock:
    """The lock that `claim` returns: a context that frees it, as `close` does."""

    def __init__(self, descriptor: int, place: str, resources: contextlib.ExitStack):
        self._descriptor = descriptor
        self._place = place
        self._resources = resources
        self._is_closed = False

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Frees the lock and removes its file unless others share it."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            _flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Nobody else can remove the file now.
            if _is_at(self._descriptor, self._place):
                os.remove(self._place)
        except OSError:
            pass  # Others share the lock, or the directory has been deleted.
        os.close(self._descriptor)
        self._resources.close()


@contextlib.contextmanager
def only_in(path: str | os.PathLike, shared: bool = False) -> Iterator[None]:
    """Context in which this process holds the lock that `claim` returns.

    Raises:
        ValueError: if another process has the lock; the message names it.
    """
    # A process that was just killed may need a moment to end.
    end = time.monotonic() + _PATIENCE
    while (lock := claim(path, shared)) is None and time.monotonic() < end:
        time.sleep(0.05)
    if lock is None:
        raise ValueError(
            f"Another process writes {path}{_holder(path)}. Wait until it ends, or "
            "name another path."
        )
    with lock:
        yield


@contextlib.contextmanager
def waiting_for(path: str | os.PathLike) -> Iterator[None]:
    """Context in which this process holds the lock on a path; waits until it is free.

    Whoever waits must then check whether the other process has done the work.
    """
    lock = claim(path)
    if lock is None:
        logger.warning("Waiting for another process that writes %s.", path)
        lock = claim(path, waits=True)
    with lock:  # type: ignore[union-attr]
        yield


def holding(argument: str, name: str = "") -> Callable:
    """Returns the decorator of a step that holds the lock on its output.

    Args:
        argument: name of the argument with the output directory of the step.
        name: the file in that directory that the step writes, "" for the directory.
    """

    def decorate(step):
        signature = inspect.signature(step)

        @functools.wraps(step)
        def run(*arguments, **named):
            path = signature.bind(*arguments, **named).arguments[argument]
            with only_in(os.path.join(path, name) if name else path):
                return step(*arguments, **named)

        return run

    return decorate


def claim(
    path: str | os.PathLike, shared: bool = False, waits: bool = False
) -> Lock | None:
    """Locks a path and removes what killed processes left there.

    Args:
        path: a file or directory, which need not exist.
        shared: whether other processes may lock it too if they set `shared`.
        waits: whether to wait until no other process has the lock.

    Returns:
        The lock; None if another process, or this one, has it.

    Raises:
        OSError: if nothing can be written beside the path.
    """
    _check_ways_back(path)
    path = os.path.realpath(path)
    place = _place(path)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with contextlib.ExitStack() as stack:
        while True:
            stack.enter_context(files.folder_of(place))
            try:
                # For a shared lock, NFS requires that the file is open for reading.
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
                descriptor = os.open(place, flags, 0o666)
            except FileNotFoundError:
                continue  # Another process has just removed the empty directory.
            except OSError as error:
                raise OSError(error.errno, error.strerror, path) from error
            try:
                is_locked = _flock(descriptor, kind | (0 if waits else fcntl.LOCK_NB))
            except BlockingIOError:
                os.close(descriptor)
                return None
            # The previous owner may have removed the file. Then try again.
            if _is_at(descriptor, place):
                break
            os.close(descriptor)
        lock = Lock(descriptor, place, stack.pop_all())
        if not is_locked:
            logger.warning(
                "The file system of %s has no locks. Let only one process write there.",
                path,
            )
        _sign(descriptor, shared)
        if is_locked and not shared:
            _remove_leftovers(path)
        return lock


def _check_ways_back(path):
    """Checks that all directories before a ".." in a path exist."""
    parts = pathlib.Path(path).parts
    for number, part in enumerate(parts):
        before = os.path.join(*parts[:number]) if number else "."
        if part == os.pardir and not os.path.isdir(before):
            raise FileNotFoundError(f"There is no directory {before}. Received: {path}")


def _flock(descriptor, kind):
    """Locks a file; False if its file system has no locks."""
    try:
        fcntl.flock(descriptor, kind)
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        return False
    return True


def is_held(path: str | os.PathLike) -> bool:
    """Whether a process has the lock on a path; writes nothing."""
    try:
        descriptor = os.open(_place(os.path.realpath(path)), os.O_RDONLY)
    except OSError:
        return False
    try:
        _flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _place(path):
    """The file whose lock is that of a path."""
    directory, name = os.path.split(path)
    # These directories cannot be renamed, so their lock can be inside.
    if os.path.ismount(path) or (
        os.path.isdir(path) and not os.access(directory, os.W_OK)
    ):
        return os.path.join(path, ".lock")
    return os.path.join(directory, f".{files.short(name)}.lock")


def _is_at(descriptor, place):
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(place))
    except FileNotFoundError:
        return False


def _sign(descriptor, shared):
    """Writes who has the lock; a full disk only makes the message shorter."""
    command = shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    owner = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": " ".join(command.split())[:_LONGEST_COMMAND],
    }
    with contextlib.suppress(OSError):
        if not shared:
            os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{json.dumps(owner)}\n".encode())


def _holder(path):
    """Text that says which process has the lock on a path, "" if it is not known."""
    here = socket.gethostname()
    try:
        with open(_place(os.path.realpath(path)), encoding="utf-8") as file:
            owners = [json.loads(line) for line in file]
        # Several processes may share a lock, and some of them have ended.
        *_, owner = (
            owner
            for owner in owners
            if owner["host"] != here or files.is_running(owner["pid"])
        )
        return (
            f": process {owner['pid']} on {owner['host']} since {owner['since']}, "
            f"{owner['command']}"
        )
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _remove_leftovers(path):
    """Removes what killed processes left beside a locked path, and in it."""
    files.remove_leftovers(path, of_all=True)
    for directory, folders, names in os.walk(path):
        entries = {*folders, *names}

        def is_free(name, directory=directory, entries=entries):
            # Another process may work in a part of the directory.
            place = f".{files.short(name)}.lock"
            return place not in entries or not is_held(os.path.join(directory, name))

        targets = {files.target_of(name) for name in entries} - {None}
        for target in filter(is_free, targets):
            files.remove_leftovers(os.path.join(directory, target), of_all=True)
        folders[:] = [
            name for name in folders if not files.target_of(name) and is_free(name)
        ]

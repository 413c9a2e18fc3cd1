"""What may run: code that a directory names runs only if the directory is trusted.

A run directory names Python modules in its gin files, and a Keras file can hold code.
The directories that this user wrote are recognised by signatures, which only the holder
of a secret key can make. For all others, the user decides by the flag --trust.
"""

import contextlib
import hashlib
import hmac
import importlib.util
import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator

import platformdirs

from dmt.utils import files

logger = logging.getLogger(__name__)

# Environment variable: "1" if all directories are trusted. Worker processes inherit it.
VARIABLE = "DMT_TRUST"
SIGNATURES = ".signatures.json"
KERAS_FILES = ("model.keras", "representation.keras")
_LARGEST = 2**20  # bytes of a file of signatures


def allow() -> None:
    """Trusts all directories, in this process and in those that it starts."""
    os.environ[VARIABLE] = "1"


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Context in which all directories are trusted."""
    before = os.environ.get(VARIABLE)
    allow()
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def covers(path: str) -> bool:
    """Whether what a file of a run directory names may run.

    Args:
        path: `<directory>/results/gin/<step>.gin` or `<directory>/<file>`.
    """
    return os.environ.get(VARIABLE) == "1" or is_own(path)


def check_module(name: str, path: str) -> None:
    """Checks that a module which a file names may be imported.

    Modules of this package may be imported, and so may modules that are imported
    already, which runs nothing.

    Raises:
        ValueError: if it may not.
    """
    root = name.split(".")[0]
    if root == "dmt" or name in sys.modules or covers(path):
        return
    if root not in sys.modules and importlib.util.find_spec(root) is None:
        return  # The import fails, with a message of its own.
    raise ValueError(
        f"{path} was not written here, or was changed, and it imports the Python "
        f"module {name}, which would run. If you trust it, import {name} in a file of "
        "--gin_config or give --trust."
    )


def sign(output_dir: str, gin_file: str) -> None:
    """Signs the Keras files of a directory, and the gin file that goes with them.

    Without a Keras file, no later step reads the directory's code, and nothing is done.

    Args:
        output_dir: a directory that this process writes.
        gin_file: operative configuration of the step, which may still have a temporary
            folder.
    """
    paths = {name: os.path.join(output_dir, name) for name in KERAS_FILES}
    paths = {name: path for name, path in paths.items() if os.path.isfile(path)}
    key = _key(create=True) if paths else None
    if key is not None:
        paths[os.path.basename(gin_file)] = gin_file
        found = {name: _signature(key, name, path) for name, path in paths.items()}
        files.write_text(os.path.join(output_dir, SIGNATURES), json.dumps(found))


def is_own(path: str) -> bool:
    """Whether a file of a run directory has a valid signature of this user."""
    folder, name = os.path.split(os.path.abspath(path))
    if os.path.basename(folder) == "gin":
        folder = os.path.dirname(os.path.dirname(folder))
    signature = _signatures(os.path.join(folder, SIGNATURES)).get(name)
    if not isinstance(signature, str) or not os.path.isfile(path):
        return False
    key = _key(create=False)
    if key is None:
        return False
    return hmac.compare_digest(signature.encode(), _signature(key, name, path).encode())


def _signatures(path):
    try:
        files.check_plain(path, _LARGEST)
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}  # Then nothing is signed.
    return values if isinstance(values, dict) else {}


def _signature(key, name, path):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return hmac.new(key, f"{name} {digest}".encode(), "sha256").hexdigest()


def key_path() -> str:
    """The file of the secret key of this user."""
    folder = platformdirs.user_data_dir("dmt", appauthor=False)
    return os.path.join(folder, "signing.key")


def _key(create):
    """The secret key, 64 characters; None if there is none."""
    path = key_path()
    try:
        if create and not os.path.exists(path):
            _write_key(path)
        with open(path, "rb") as file:
            key = file.read(1024)
    except OSError as error:
        # Then later steps ask for --trust where they import modules of the user.
        logger.debug("Nothing is signed: %s", error)
        return None
    return key if len(key) >= 64 else None


def _write_key(path):
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as stream:
            stream.write(secrets.token_hex(32))
        try:
            # Of several processes that do this at once, the first one wins.
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # Some file systems have no links.
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)

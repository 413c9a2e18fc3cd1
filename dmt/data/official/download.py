"""Downloads of the published files.

A file is called `<name>.part` until it is complete and its checksum is right. A later
attempt continues it. No downloaded file is unpickled.
"""

import http.client
import json
import logging
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from dmt import __version__
from dmt.data.official import archives, local
from dmt.data.official.records import File
from dmt.utils import files, locks

logger = logging.getLogger(__name__)

_BLOCK = 1 << 18
_TIMEOUT = 60
# Attempts without progress before an address is given up, and seconds before the second
# one. Each later wait is twice as long.
_ATTEMPTS = 5
_FIRST_WAIT = 1.0
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)


class _Refused(Exception):
    """The address does not offer the file."""


class _Interrupted(Exception):
    """Trying the same address again may help."""


def urls_of(file: File) -> tuple[str, ...]:
    """Addresses of a file: first on the mirror DMT_DATA_MIRROR, then as published.

    Raises:
        ValueError: if the mirror is not an http or https address.
    """
    mirror = os.environ.get("DMT_DATA_MIRROR")
    if not mirror:
        return file.urls
    if not mirror.startswith(("http://", "https://")):
        raise ValueError(
            "DMT_DATA_MIRROR must begin with http:// or https://. For a folder, set "
            f"DMT_DATA. Received: {mirror!r}"
        )
    return (f"{mirror.rstrip('/')}/{urllib.parse.quote(file.path)}", *file.urls)


def fetch(file: File, root: Path) -> str:
    """Downloads a file to its place, unless it is there.

    An interrupted download is continued. If another process downloads the same file,
    this one waits for it.

    Args:
        file: what to download.
        root: folder of all datasets.

    Returns:
        The result of the check as text.

    Raises:
        OSError: if the file cannot be downloaded from any address.
        ValueError: if there is another file in its place.
    """
    target = root / file.path
    if local.locate(file, root) is None:
        with locks.waiting_for(target):
            if local.locate(file, root) is None:
                return _bring(file, root, target)
    return local.verify(file, root)


def _bring(file, root, target):
    if not target.exists():
        report = _fetch_from_any(file, target)
    else:  # A process was killed before it unpacked the archive.
        report = local.checked(target, file, "delete it and fetch it again")
    if file.unpack:
        archives.unpack(target, file.unpack, root)
        target.unlink()
    return report


def _fetch_from_any(file, target):
    part = target.with_name(f"{target.name}.part")
    failures = []
    for url in urls_of(file):
        try:
            _fetch_from(url, file, part)
            report = local.check(part, file)
        except (_Refused, ValueError) as error:
            if isinstance(error, ValueError):
                _forget(part)
            failures.append(f"{url}: {error}")
            logger.warning("Not from %s: %s", url, error)
            continue
        with open(part, "rb") as opened:
            os.fsync(opened.fileno())
        os.replace(part, target)
        _forget(part)
        return report
    raise OSError(f"{file.path} could not be fetched. {'; '.join(failures)}.")


def _fetch_from(url, file, part):
    """Downloads from one address into the part file, in several attempts if needed."""
    furthest = attempt = 0
    while True:
        try:
            return _attempt(url, file, part)
        except _Interrupted as error:
            reached = _size(part)
            attempt = 0 if reached > furthest else attempt + 1
            furthest = max(furthest, reached)
            if attempt == _ATTEMPTS:
                raise _Refused(str(error)) from error
            logger.warning("%s; trying again", error)
            time.sleep(_FIRST_WAIT * 2 ** max(attempt - 1, 0))


def _attempt(url, file, part):
    headers = {"User-Agent": f"dmt/{__version__}", "Accept-Encoding": "identity"}
    start, state = 0, _read_state(part)
    # A weak or missing ETag cannot promise that the bytes are still the same.
    if state.get("url") == url and state.get("etag"):
        start = _size(part)
        if start and start == state.get("total"):
            return
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": state["etag"]}
    with _open(urllib.request.Request(url, headers=headers), part) as response:
        start, total = _check_answer(response, file, part, start, state.get("etag"))
        _receive(response, url, file, part, start, total)


def _open(request, part):
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # The file on the server is shorter than the part.
            _forget(part)
        elif error.code not in _TEMPORARY:
            raise _Refused(f"HTTP {error.code} {error.reason}") from error
        raise _Interrupted(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _Interrupted(f"no connection ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"no answer ({error!r})") from error


def _check_answer(response, file, part, start, etag):
    """Position of the response's body in the file, and the file's size or None."""
    if response.headers.get_content_type() == "text/html":
        raise _Refused("the answer is a web page")
    if response.status == 206:
        pattern = r"bytes (\d+)-\d+/(\d+|\*)"
        match = re.fullmatch(pattern, response.headers.get("Content-Range", ""))
        same = response.headers.get("ETag", etag) == etag
        if not match or int(match[1]) != start or not same:
            _forget(part)
            raise _Interrupted("the answer does not continue the part that is here")
        total = None if match[2] == "*" else int(match[2])
    else:
        start, total = 0, response.headers.get("Content-Length")
        total = None if total is None else int(total)
    if total is not None and file.size not in (None, total):
        raise _Refused(f"it has {total:,} bytes instead of {file.size:,}")
    total = file.size if total is None else total
    if total is None and not (file.checksums and file.strictness == "strict"):
        raise _Refused("neither size nor checksum tells whether the file is whole")
    return start, total


def _receive(response, url, file, part, start, total):
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise OSError(
            f"{file.path} needs {total - start:,} bytes and {part.parent} has "
            f"{free:,} free."
        )
    with open(part, "ab" if start else "wb") as opened:
        if not start:
            etag = response.headers.get("ETag", "")
            etag = "" if etag.startswith("W/") else etag
            state = {"url": url, "etag": etag, "total": total}
            files.write_text(_state_path(part), json.dumps(state))
        done, progress = start, _Progress(file.name, total)
        while block := _read(response):
            opened.write(block)
            done += len(block)
            progress.show(done)
        progress.show(done, is_end=True)
    if total is not None and done < total:
        raise _Interrupted(f"the connection ended at {done:,} of {total:,} bytes")


def _read(response):
    # Another attempt may help after network errors, but not if the disk is full.
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the connection broke ({error!r})") from error


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _state_path(part):
    return part.with_name(f"{part.name}.json")


def _read_state(part):
    """Address and version of the part file; empty if they are not known."""
    try:
        return json.loads(_state_path(part).read_text())
    except (OSError, ValueError):
        return {}


def _forget(part):
    files.remove(part)
    files.remove(_state_path(part))


def megabytes(size):
    """A number of bytes as text with a unit."""
    if size < 1e5:
        return f"{size:,} B"
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


class _Progress:
    """Shows the progress of a download on stderr, on a terminal in one line."""

    def __init__(self, name, total):
        self._name, self._total = name, total
        self._moves = sys.stderr.isatty()
        self._next = 0.0

    def show(self, done, is_end=False):
        if time.monotonic() < self._next and not is_end:
            return
        self._next = time.monotonic() + (0.2 if self._moves else 10)
        share = f" of {megabytes(self._total)}" if self._total else ""
        line = f"{self._name}: {megabytes(done)}{share}"
        if self._moves and not is_end:
            line = f"{line:<78}\r"
        else:
            line = f"{line}\n"
        print(line, end="", file=sys.stderr, flush=True)

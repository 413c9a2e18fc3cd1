"""Fetching, checking and unpacking the published files.

A file has its name only when it is whole and its checksum is right: until then it is
`<name>.part`, from which a later attempt goes on. Nothing that is fetched is unpickled.
"""

import contextlib
import fcntl
import fnmatch
import gzip
import hashlib
import http.client
import json
import logging
import os
import re
import shutil
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from pathlib import PurePosixPath

from dmt import __version__
from dmt.utils import files

logger = logging.getLogger(__name__)

_BLOCK = 1 << 18
_TIMEOUT = 60
# Attempts that bring nothing new before an address is given up, and the seconds before
# the second one; each later wait is twice as long.
_ATTEMPTS = 5
_FIRST_WAIT = 1.0
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
_SIGNATURES = {
    ".gz": b"\x1f\x8b",
    ".h5": b"\x89HDF\r\n\x1a\n",
    ".hdf5": b"\x89HDF\r\n\x1a\n",
    ".jpg": b"\xff\xd8\xff",
}
_DAMAGES = (
    EOFError,
    gzip.BadGzipFile,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


class _Refused(Exception):
    """What this address offers is not the file."""


class _Interrupted(Exception):
    """Trying the same address again may help."""


def urls_of(file):
    """Addresses of a file: the mirror of DMT_DATA_MIRROR, if set, then the published.

    Args:
      file: a catalog.File.

    Raises:
      ValueError: if the mirror is not an http or https address.
    """
    mirror = os.environ.get("DMT_DATA_MIRROR")
    if not mirror:
        return file.urls
    if not mirror.startswith(("http://", "https://")):
        raise ValueError(
            "DMT_DATA_MIRROR must begin with http:// or https://, for a folder set "
            f"DMT_DATA. Received: {mirror!r}"
        )
    return (f"{mirror.rstrip('/')}/{urllib.parse.quote(file.path)}", *file.urls)


def locate(file, root):
    """Where a file lies.

    Args:
      file: a catalog.File.
      root: folder of all data sets, a path.

    Returns:
      (form, path): the file, or the one of its other forms that is there, and its
      path; the folder for files that come in an archive. None if it is missing.
    """
    if file.unpack:
        folder = root / file.unpack.folder
        names = {
            path.name
            for pattern in file.unpack.patterns
            for path in folder.glob(os.path.basename(pattern))
        }
        return (file, folder) if len(names) == file.unpack.num_files else None
    for form in (file, *file.or_else):
        if (root / form.path).is_file():
            return form, root / form.path
    return None


def check(path, file):
    """Checks a file on this machine against the catalogue.

    Args:
      path: the file on this machine.
      file: the catalog.File it should be.

    Returns:
      What was found, in words, for the user.

    Raises:
      ValueError: if it is not the file. A checksum that is only a hint does not raise.
    """
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise ValueError(f"it has {size:,} bytes instead of {file.size:,}")
    _check_signature(path, file)
    found = _digests(path, {"sha256", *file.checksums})
    for algorithm, expected in file.checksums.items():
        if found[algorithm] != expected:
            difference = f"its {algorithm} is {found[algorithm]} instead of {expected}"
            if file.strictness == "strict":
                raise ValueError(difference)
            return f"{difference}, of an older release; sha256 {found['sha256']}"
    if not file.checksums:
        return f"no checksum is published; sha256 {found['sha256']}"
    return f"{' and '.join(file.checksums)} right"


def _check_signature(path, file):
    """Tells files apart that have no size or checksum from an error page."""
    suffix = PurePosixPath(file.path).suffix
    if suffix in (".npz", ".zip"):
        # Looks at the end of the file: a truncated one has none.
        if not zipfile.is_zipfile(path):
            raise ValueError(f"it is not a whole {suffix} file")
    elif suffix in _SIGNATURES:
        with open(path, "rb") as opened:
            start = opened.read(8)
        if not start.startswith(_SIGNATURES[suffix]):
            raise ValueError(f"it is not a {suffix} file")


def _digests(path, algorithms):
    hashes = {
        name: hashlib.new("sha1" if name == "git_blob" else name, usedforsecurity=False)
        for name in algorithms
    }
    if "git_blob" in hashes:
        hashes["git_blob"].update(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            for digest in hashes.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def verify(file, root):
    """Checks a file that lies in its place.

    Args:
      file: a catalog.File.
      root: folder of all data sets, a path.

    Returns:
      What was found, in words.

    Raises:
      FileNotFoundError: if it is missing.
      ValueError: if it is another file or damaged.
    """
    found = locate(file, root)
    if found is None:
        raise FileNotFoundError(f"There is no {(root / file.path).absolute()}.")
    form, path = found
    if file.unpack:
        return f"all {file.unpack.num_files} files are there"
    return _checked(path, form, "delete it and fetch it again")


def _checked(path, file, mend):
    try:
        return check(path, file)
    except ValueError as error:
        raise ValueError(
            f"{path.absolute()} is not the published {file.name}, {mend}: {error}."
        ) from None


def fetch(file, root):
    """Brings a file to its place, unless it is there.

    What an interrupted download left is continued. A second process that asks for the
    same file waits for the first.

    Args:
      file: a catalog.File.
      root: folder of all data sets, a path.

    Returns:
      What was found when it was checked, in words.

    Raises:
      OSError: if no address gives the file.
      ValueError: if there is another file in its place.
    """
    target = root / file.path
    if locate(file, root) is None:
        with _locked(target):
            if locate(file, root) is None:
                return _bring(file, root, target)
    return verify(file, root)


def _bring(file, root, target):
    if not target.exists():
        report = _fetch_from_any(file, target)
    else:  # An archive that was fetched, and the process killed before it unpacked.
        report = _checked(target, file, "delete it and fetch it again")
    if file.unpack:
        unpack(target, file.unpack, root)
        target.unlink()
    return report


def add(file, source, root, place=shutil.copyfile):
    """Brings a file that was fetched by other means to its place.

    Args:
      file: a catalog.File.
      source: the file on this machine, a path.
      root: folder of all data sets, a path.
      place: function of the source and the path to write: a copy, os.symlink or
        os.replace.

    Returns:
      What was found when it was checked, in words.

    Raises:
      ValueError: if it is not that file, or if there is a file in its place.
    """
    report = _checked(source, file, "fetch it again")
    target = root / file.path
    with _locked(target):
        if target.exists():
            if target.samefile(source):
                return report
            raise ValueError(f"The file {target.absolute()} is there already.")
        if file.unpack:
            unpack(source, file.unpack, root)
            return report
        with files.replacing(target) as temporary:
            place(source.absolute(), temporary)
    return report


@contextlib.contextmanager
def _locked(target):
    """Lets one process at a time work on a file; the lock dies with its process."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = f"{target}.lock"
    while True:
        with open(path, "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.warning("Waiting for another process that fetches %s.", target)
                fcntl.flock(lock, fcntl.LOCK_EX)
            # The process before deletes the file that this one has open.
            if not os.fstat(lock.fileno()).st_nlink:
                continue
            try:
                yield
            finally:
                os.remove(path)
            return


def _fetch_from_any(file, target):
    part = target.with_name(f"{target.name}.part")
    failures = []
    for url in urls_of(file):
        try:
            _fetch_from(url, file, part)
            report = check(part, file)
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
    """Downloads from one address into the part file, with new attempts."""
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
        if error.code == 416:  # There is no such rest: the file has become shorter.
            _forget(part)
        elif error.code not in _TEMPORARY:
            raise _Refused(f"HTTP {error.code} {error.reason}") from error
        raise _Interrupted(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _Interrupted(f"no connection ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"no answer ({error!r})") from error


def _check_answer(response, file, part, start, etag):
    """Where the body begins in the file, and the size of the file or None."""
    if response.headers.get_content_type() == "text/html":
        raise _Refused("the answer is a web page")
    if response.status == 206:
        pattern = r"bytes (\d+)-\d+/(\d+|\*)"
        match = re.fullmatch(pattern, response.headers.get("Content-Range", ""))
        same = response.headers.get("ETag", etag) == etag
        if not match or int(match[1]) != start or not same:
            _forget(part)
            raise _Interrupted("the answer is not the rest of what is here")
        total = None if match[2] == "*" else int(match[2])
    else:
        start, total = 0, response.headers.get("Content-Length")
        total = None if total is None else int(total)
    if total is not None and file.size not in (None, total):
        raise _Refused(f"it has {total:,} bytes instead of {file.size:,}")
    total = file.size if total is None else total
    if total is None and not (file.checksums and file.strictness == "strict"):
        raise _Refused("nothing tells when the file is whole")
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
            _write_state(
                part,
                {
                    "url": url,
                    "etag": "" if etag.startswith("W/") else etag,
                    "total": total,
                },
            )
        done, progress = start, _Progress(file.name, total)
        while block := _read(response):
            opened.write(block)
            done += len(block)
            progress.show(done)
        progress.show(done, is_end=True)
    if total is not None and done < total:
        raise _Interrupted(f"the connection ended at {done:,} of {total:,} bytes")


def _read(response):
    # Only errors of the network: a full disk does not get better by trying again.
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the connection broke ({error!r})") from error


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _state_path(part):
    return part.with_name(f"{part.name}.json")


def _read_state(part):
    """Of which address and version the part file is; empty if that is not known."""
    try:
        return json.loads(_state_path(part).read_text())
    except (OSError, ValueError):
        return {}


def _write_state(part, state):
    files.write_text(_state_path(part), json.dumps(state))


def _forget(part):
    files.remove(part)
    files.remove(_state_path(part))


class _Progress:
    """Says on stderr how far a download is: one moving line on a terminal."""

    def __init__(self, name, total):
        self._name, self._total = name, total
        self._moves = sys.stderr.isatty()
        self._next = 0.0

    def show(self, done, is_end=False):
        if time.monotonic() < self._next and not is_end:
            return
        self._next = time.monotonic() + (0.2 if self._moves else 10)
        share = f" of {megabytes(self._total)}" if self._total else ""
        end = "\r" if self._moves and not is_end else "\n"
        line = f"{self._name}: {megabytes(done)}{share}"
        print(
            f"{line:<78}".rstrip() if end == "\n" else f"{line:<78}",
            end=end,
            file=sys.stderr,
            flush=True,
        )


def megabytes(size):
    """A number of bytes for people."""
    if size < 1e5:
        return f"{size:,} B"
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def unpack(archive, wanted, root):
    """Takes the wanted files out of an archive, all or none.

    Args:
      archive: path of a .tar, .tar.gz, .tgz, .zip or .gz file; the one member of a .gz
        file has the name of the archive without .gz.
      wanted: a catalog.Unpack; other members are not touched.
      root: folder that `wanted.folder` is relative to.

    Raises:
      ValueError: if the archive is damaged, a wanted member is missing, is no plain
        file or has a path that leads out of the archive.
    """
    folder = root / wanted.folder
    temporary = folder / ".unpacking"
    files.remove(temporary)  # Of a killed process.
    temporary.mkdir(parents=True)
    try:
        names = []
        for pattern in wanted.patterns:
            names += _extract(archive, pattern, temporary)
        if wanted.num_files not in (None, len(set(names))):
            raise ValueError(
                f"{archive} holds {len(set(names))} of the {wanted.num_files} files "
                f"{', '.join(wanted.patterns)}."
            )
        for name in names:
            os.replace(temporary / name, folder / name)
    except _DAMAGES as error:
        raise ValueError(f"{archive} cannot be unpacked: {error}") from error
    finally:
        files.remove(temporary)


def _extract(archive, pattern, folder):
    """Writes the members of that pattern into the folder and returns their names."""
    names = []
    for path, opened in _members(archive, pattern):
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts or "\\" in path:
            raise ValueError(f"{archive} has a member outside itself: {path!r}.")
        with opened as source, open(os.path.join(folder, place.name), "wb") as target:
            shutil.copyfileobj(source, target, _BLOCK)
        names.append(place.name)
    return names


def _members(archive, pattern):
    """Yields path and open file of the members of that pattern."""
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened:
            for member in opened:
                path = member.name.removeprefix("./")
                if fnmatch.fnmatchcase(path, pattern) and not member.isdir():
                    if not member.isreg():
                        raise ValueError(f"{archive} has a link: {member.name!r}.")
                    yield path, opened.extractfile(member)
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                path = member.filename.removeprefix("./")
                if fnmatch.fnmatchcase(path, pattern) and not member.is_dir():
                    # The upper half is the Unix mode, where the archive was made there.
                    if (member.external_attr >> 16) & 0o170000 not in (0, 0o100000):
                        raise ValueError(f"{archive} has a link: {path!r}.")
                    yield path, opened.open(member)
    else:
        path = archive.name.removesuffix(".gz")
        if fnmatch.fnmatchcase(path, pattern):
            yield path, gzip.open(archive)

"""Safe unpacking of archives."""

import fnmatch
import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from dmt.data.official.records import Unpack
from dmt.utils import files

_DAMAGES = (
    EOFError,
    gzip.BadGzipFile,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip", ".gz")


def is_archive(path: Path) -> bool:
    """Whether the name of a file has the suffix of an archive."""
    return path.name.endswith(_SUFFIXES)


def unpack(archive: Path, wanted: Unpack, root: Path) -> None:
    """Extracts the wanted files from an archive, either all of them or none.

    Args:
        archive: a .tar, .tar.gz, .tgz, .zip or .gz file; the one member of a .gz file
            has the name of the archive without .gz.
        wanted: which files; other members are ignored.
        root: folder that `wanted.folder` is relative to.

    Raises:
        ValueError: if the archive is damaged, or a wanted member is missing, is not a
            plain file or has a path that leads out of the archive.
    """
    folder = root / wanted.folder
    temporary = folder / ".unpacking"
    files.remove(temporary)  # A killed process may have left it.
    temporary.mkdir(parents=True)
    try:
        names: list[str] = []
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
    """Writes the members that match the pattern, returns their names."""
    names = []
    for path, opened in _members(archive, pattern):
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts or "\\" in path:
            raise ValueError(f"{archive} has a member outside itself: {path!r}.")
        with opened as source, open(os.path.join(folder, place.name), "wb") as target:
            shutil.copyfileobj(source, target, 1 << 18)
        names.append(place.name)
    return names


def _members(archive, pattern):
    """Yields path and open file of the members that match the pattern."""
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
                    # The upper half is the Unix mode, 0 in archives of other systems.
                    if (member.external_attr >> 16) & 0o170000 not in (0, 0o100000):
                        raise ValueError(f"{archive} has a link: {path!r}.")
                    yield path, opened.open(member)
    else:
        path = archive.name.removesuffix(".gz")
        if fnmatch.fnmatchcase(path, pattern):
            yield path, gzip.open(archive)

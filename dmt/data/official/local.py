"""Finds and checks the published files on this machine.

A file gets its final name only when it is complete and its checksum is right.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from dmt.data.official import archives
from dmt.data.official.records import Dataset, File, Unpack
from dmt.utils import files, locks

logger = logging.getLogger(__name__)

_BLOCK = 1 << 18
_SIGNATURES = {
    ".gz": b"\x1f\x8b",
    ".h5": b"\x89HDF\r\n\x1a\n",
    ".hdf5": b"\x89HDF\r\n\x1a\n",
    ".jpg": b"\xff\xd8\xff",
}


def locate(file: File, root: Path) -> tuple[File, Path] | None:
    """Finds a file, or one of its other forms, in the folder of all datasets.

    Returns:
        (form, path): the `File` that is here and its path, or the folder if the file is
        an archive that is unpacked. None if nothing is here.
    """
    if file.unpack:
        folder = root / file.unpack.folder
        names = {
            path.name
            for pattern in file.unpack.patterns
            for path in folder.glob(os.path.basename(pattern))
        }
        return (file, folder) if len(names) == file.unpack.num_files else None
    for form in file.forms:
        if (root / form.path).is_file():
            return form, root / form.path
    return None


def presence(dataset: Dataset, root: Path) -> str:
    """Whether the files of a dataset are here: "yes", "in part", "no" or "by hand".

    "by hand" means that they are missing and that no program can download them.
    """
    found = [locate(file, root) is not None for file in dataset.files]
    if all(found):
        return "yes"
    if any(found):
        return "in part"
    return "by hand" if dataset.by_hand else "no"


def check(path: Path, file: File) -> str:
    """Checks the size and the checksums, and returns the result as text.

    Raises:
        ValueError: if it is not the published file. A checksum of strictness "warn"
            raises nothing.
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
    """Checks the format, because a downloaded file may be an error page."""
    suffix = PurePosixPath(file.path).suffix
    if suffix in (".npz", ".zip"):
        # Looks for the directory at the end, which a truncated file lacks.
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


def verify(file: File, root: Path) -> str:
    """Checks a file in its place, and returns the result as text.

    Raises:
        FileNotFoundError: if it is missing.
        ValueError: if it is damaged or another file.
    """
    found = locate(file, root)
    if found is None:
        raise FileNotFoundError(f"There is no {(root / file.path).absolute()}.")
    form, path = found
    if file.unpack:
        return f"all {file.unpack.num_files} files are there"
    return checked(path, form, "delete it and fetch it again")


def checked(path: Path, file: File, mend: str) -> str:
    """Calls `check`. The error names the file and says how to repair it."""
    try:
        return check(path, file)
    except ValueError as error:
        raise ValueError(
            f"{path.absolute()} is not the published {file.name}, {mend}: {error}."
        ) from None


def add(file: File, source: Path, root: Path, place: Callable = shutil.copyfile) -> str:
    """Copies a file that was downloaded by other means to its place.

    Args:
        file: the record of the file.
        source: the path of the downloaded file.
        root: folder of all datasets.
        place: function of the source and of the path to write, which copies, links or
            moves the file.

    Returns:
        The result of the check as text.

    Raises:
        ValueError: if it is not the published file, or if another file is in its place.
    """
    report = checked(source, file, "fetch it again")
    target = root / file.path
    with locks.waiting_for(target):
        if target.exists():
            if target.samefile(source):
                return report
            raise ValueError(f"The file {target.absolute()} is there already.")
        if file.unpack:
            archives.unpack(source, file.unpack, root)
            return report
        with files.replacing(target) as temporary:
            place(source.absolute(), temporary)
    return report


def add_all(
    dataset: Dataset, path: str, root: Path, link: bool = False
) -> Iterator[tuple[Path, str]]:
    """Copies files that were downloaded by other means to their places.

    Args:
        dataset: the record of the dataset.
        path: one of its files, a folder that holds some, or an archive that holds some.
        root: folder of all datasets.
        link: whether to place symbolic links instead of copies.

    Yields:
        (path, report): the place of each file, and the result of its check as text.

    Raises:
        ValueError: if the path holds no files of the dataset.
        FileNotFoundError: if there is nothing at the path.
    """
    given = Path(path).expanduser()
    if not given.exists():
        raise FileNotFoundError(f"There is no {given}.")
    place: Callable = os.symlink if link else shutil.copyfile
    sources = _sources(given, dataset)
    names = [[form.name for form in file.forms] for file in dataset.files]
    with contextlib.ExitStack() as stack:
        if not sources and given.is_file() and archives.is_archive(given):
            root.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(files.scratch_of(root / given.name))
            patterns = [pattern for n in sum(names, []) for pattern in (n, f"*/{n}")]
            archives.unpack(given, Unpack(tuple(patterns), folder, None), root)
            sources, place = _sources(Path(folder), dataset), os.replace
        if not sources:
            needed = ", ".join(" or ".join(forms) for forms in names)
            raise ValueError(f"{dataset.name} needs {needed}. Received: {given}")
        for form, source in sources:
            target = root / form.path
            if target.exists():
                yield target, "is there already and left as it is"
            else:
                yield target, add(form, source, root, place)


def _sources(path, dataset):
    """Finds files of the dataset at a path: a list of (`File`, path)."""
    found = {}
    for file in dataset.files:
        for form in reversed(file.forms):
            places = [path / form.path, path / form.name] if path.is_dir() else [path]
            for place in places:
                # Only a checksum can identify a file that has another name.
                is_named = place.name == form.name
                if place.is_file() and (is_named or _is_renamed(place, form)):
                    found[file.path] = form, place
    return list(found.values())


def _is_renamed(path, form):
    if path.suffix != Path(form.path).suffix or form.strictness != "strict":
        return False
    with contextlib.suppress(ValueError):
        check(path, form)
        return bool(form.checksums)
    return False

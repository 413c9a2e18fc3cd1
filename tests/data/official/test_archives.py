import gzip
import random
import tarfile

import pytest

from dmt.data.official import archives, records
from tests.helpers import official_files

PAYLOAD = random.Random(0).randbytes(600_000)


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


GOOD = [
    ("data/cars/a.mat", b"A"),
    ("./data/cars/b.mat", b"B" * 100_000),
    ("data/cars/list.txt", b"a b"),
    ("data/sprites/huge.mat", b"no"),
    ("elsewhere/../../unwanted.txt", b"no"),
]
WANTED = records.Unpack(("data/cars/*.mat", "data/cars/list.txt"), "cars", 3)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_takes_only_what_is_wanted(tmp_path, name):
    if name == "a.zip":
        archive = official_files.make_zip(tmp_path / name, GOOD)
    else:
        archive = official_files.make_tar(
            tmp_path / name, GOOD, "w:gz" if "gz" in name else "w"
        )
    root = tmp_path / "root"
    archives.unpack(archive, WANTED, root)
    assert names(root) == ["a.mat", "b.mat", "list.txt"]
    assert (root / "cars" / "b.mat").read_bytes() == b"B" * 100_000
    assert names(tmp_path) == sorted([name, "a.mat", "b.mat", "list.txt"])


SLIPS = [
    ("data/cars/../../../evil.mat", b"!"),
    ("data/cars/../evil.mat", b"!"),
    ("data/cars/..\\..\\evil.mat", b"!"),
    ("data/cars/c.mat", b"/etc/passwd", tarfile.SYMTYPE),
    ("data/cars/c.mat", b"a.mat", tarfile.SYMTYPE),
    ("data/cars/c.mat", b"../../../../etc/passwd", tarfile.LNKTYPE),
    ("data/cars/c.mat", b"data/cars/a.mat", tarfile.LNKTYPE),
    ("data/cars/c.mat", b"", tarfile.FIFOTYPE),
]


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("make", [official_files.make_tar, official_files.make_zip])
def test_members_that_lead_outside(tmp_path, make, slip):
    archive = make(tmp_path / "a.archive", [*GOOD, slip])
    wanted = records.Unpack(WANTED.patterns, "cars", 4)
    with pytest.raises(ValueError, match="link|outside|cannot be unpacked"):
        archives.unpack(archive, wanted, tmp_path / "root")
    assert names(tmp_path) == ["a.archive"]


@pytest.mark.parametrize("make", [official_files.make_tar, official_files.make_zip])
def test_absolute_members(tmp_path, make):
    archive = make(tmp_path / "a.archive", [(f"{tmp_path}/evil.mat", b"!")])
    wanted = records.Unpack(("*.mat",), "cars", 1)
    with pytest.raises(ValueError, match="outside"):
        archives.unpack(archive, wanted, tmp_path / "root")
    assert names(tmp_path) == ["a.archive"]


def test_missing_members(tmp_path):
    archive = official_files.make_tar(tmp_path / "a.tar", GOOD[1:])
    with pytest.raises(ValueError, match="holds 2 of the 3"):
        archives.unpack(archive, WANTED, tmp_path / "root")
    assert names(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_archives(tmp_path, share):
    content = [*GOOD, ("data/cars/z.mat", PAYLOAD)]
    wanted = records.Unpack(WANTED.patterns, "cars", 4)
    plain = tmp_path / "a.mat.gz"
    plain.write_bytes(gzip.compress(PAYLOAD))
    damaged = [
        (official_files.make_tar(tmp_path / "a.tar", content), wanted),
        (official_files.make_tar(tmp_path / "a.tar.gz", content, "w:gz"), wanted),
        (official_files.make_zip(tmp_path / "a.zip", content), wanted),
        (plain, records.Unpack(("a.mat",), "cars", 1)),
    ]
    for archive, members in damaged:
        archive.write_bytes(archive.read_bytes()[: int(share * len(PAYLOAD))])
        with pytest.raises(ValueError, match=archive.name):
            archives.unpack(archive, members, tmp_path / "root")
        assert names(tmp_path / "root") == []


def test_gz(tmp_path):
    archive = tmp_path / "a.mat.gz"
    archive.write_bytes(gzip.compress(PAYLOAD))
    archives.unpack(archive, records.Unpack(("a.mat",), "x", 1), tmp_path)
    assert (tmp_path / "x" / "a.mat").read_bytes() == PAYLOAD

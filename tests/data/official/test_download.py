import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import threading
import zipfile

import pytest

from dmt.data.official import catalog, download
from tests.helpers import file_server

PAYLOAD = random.Random(0).randbytes(600_000)
OTHER = random.Random(1).randbytes(600_000)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("DMT_DATA_MIRROR", raising=False)
    monkeypatch.setattr(download, "_FIRST_WAIT", 0.0)
    with file_server.serving(PAYLOAD) as server:
        yield server


def file_of(server, payload=PAYLOAD, urls=("/a",), **facts):
    facts.setdefault("size", len(payload))
    facts.setdefault("checksums", {"sha256": hashlib.sha256(payload).hexdigest()})
    urls = tuple(server.url + url for url in urls)
    return catalog.File(path="set/data.bin", urls=urls, **facts)


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def ranges(server):
    return [request[1:] for request in server.requests]


def check_fetched(file, root, payload=PAYLOAD):
    report = download.fetch(file, root)
    assert (root / "set" / "data.bin").read_bytes() == payload
    assert names(root) == ["data.bin"]
    return report


def test_fetches_once(server, tmp_path):
    assert check_fetched(file_of(server), tmp_path) == "sha256 right"
    assert check_fetched(file_of(server), tmp_path) == "sha256 right"
    assert len(server.requests) == 1


def test_goes_on_where_the_connection_broke(server, tmp_path):
    server.script = [file_server.cut(200_000), file_server.cut(500_000)]
    check_fetched(file_of(server), tmp_path)
    assert ranges(server) == [
        (None, None),
        ("bytes=200000-", '"1"'),
        ("bytes=500000-", '"1"'),
    ]


def test_goes_on_in_a_later_call(server, tmp_path):
    server.script = [file_server.cut(200_000)] + [file_server.status(503)] * 20
    with pytest.raises(OSError, match=r"data\.bin could not be fetched.*HTTP 503"):
        download.fetch(file_of(server), tmp_path)
    assert names(tmp_path) == ["data.bin.part", "data.bin.part.json"]
    server.script, server.requests = [], []
    check_fetched(file_of(server), tmp_path)
    assert ranges(server) == [("bytes=200000-", '"1"')]


def test_ends_a_download_that_only_lacked_its_name(server, tmp_path):
    check_fetched(file_of(server), tmp_path)
    target = tmp_path / "set" / "data.bin"
    part = target.with_name("data.bin.part")
    target.rename(part)
    state = {"url": f"{server.url}/a", "etag": '"1"', "total": len(PAYLOAD)}
    part.with_name("data.bin.part.json").write_text(json.dumps(state))
    check_fetched(file_of(server), tmp_path)
    assert len(server.requests) == 1


def test_restarts_if_the_server_knows_no_ranges(server, tmp_path):
    server.script = [file_server.cut(200_000), file_server.whole]
    check_fetched(file_of(server), tmp_path)


@pytest.mark.parametrize("answer", [file_server.ok, file_server.rest])
def test_restarts_if_the_file_changes(server, tmp_path, answer):
    def change(handler):
        server.payload, server.etag = OTHER, '"2"'
        answer(handler)

    server.script = [file_server.cut(200_000), change]
    check_fetched(file_of(server, OTHER), tmp_path, OTHER)


@pytest.mark.parametrize("etag", ['W/"1"', None])
def test_restarts_without_a_strong_etag(server, tmp_path, etag):
    server.etag = etag
    server.script = [file_server.cut(200_000)]
    check_fetched(file_of(server), tmp_path)
    assert ranges(server) == [(None, None)] * 2


def test_restarts_if_there_is_no_such_rest(server, tmp_path):
    server.script = [file_server.cut(200_000), file_server.status(416)]
    check_fetched(file_of(server), tmp_path)
    assert ranges(server)[-1] == (None, None)


def test_a_part_of_another_address_is_not_continued(server, tmp_path):
    server.script = [file_server.cut(200_000)] + [file_server.status(404)]
    check_fetched(file_of(server, urls=("/a", "/b")), tmp_path)
    assert server.requests[-1] == ("/b", None, None)


def test_server_that_always_cuts_at_the_same_place(server, tmp_path):
    server.etag = None
    server.script = [file_server.cut(200_000)] * 50
    with pytest.raises(OSError, match="200,000 of 600,000"):
        download.fetch(file_of(server), tmp_path)
    assert len(server.requests) < 10


def swap(handler):
    handler.answer(200, OTHER)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (swap, "its sha256 is"),
        (file_server.page, "web page"),
        (file_server.status(404), "HTTP 404"),
        (lambda handler: handler.answer(200, b"short"), "5 bytes instead of 600,000"),
    ],
)
def test_what_is_not_the_file_is_refused(server, tmp_path, answer, words):
    server.script = [answer]
    with pytest.raises(OSError, match=words):
        download.fetch(file_of(server), tmp_path)
    assert names(tmp_path) == []
    # The next address is asked at once.
    server.script, server.requests = [answer], []
    check_fetched(file_of(server, urls=("/a", "/b")), tmp_path)
    assert [request[0] for request in server.requests] == ["/a", "/b"]


@pytest.mark.parametrize("code", [429, 503])
def test_tries_again_when_the_server_is_busy(server, tmp_path, code):
    server.script = [file_server.status(code)] * 2
    check_fetched(file_of(server), tmp_path)
    assert len(server.requests) == 3


def test_no_server(server, tmp_path):
    file = catalog.File("set/data.bin", ("http://127.0.0.1:1/a",))
    with pytest.raises(OSError, match="no connection"):
        download.fetch(file, tmp_path)
    assert names(tmp_path) == []


def test_own_mirror_is_asked_first(server, tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA_MIRROR", f"{server.url}/mine/")
    server.script = [file_server.status(404)]
    check_fetched(file_of(server), tmp_path)
    asked = [request[0] for request in server.requests]
    assert asked == ["/mine/set/data.bin", "/a"]
    monkeypatch.setenv("DMT_DATA_MIRROR", "/some/folder")
    with pytest.raises(ValueError, match=r"http.*/some/folder"):
        download.urls_of(file_of(server))


def test_checksum_of_an_older_release_is_a_hint(server, tmp_path):
    facts = {"size": None, "checksums": {"md5": "0" * 32}}
    file = file_of(server, strictness="warn", **facts)
    report = check_fetched(file, tmp_path)
    assert "md5" in report
    assert hashlib.sha256(PAYLOAD).hexdigest() in report


def test_unknown_size(server, tmp_path):
    # Cut short without a word: only a checksum tells.
    server.script = [file_server.without_length(200_000)]
    with pytest.raises(OSError, match="sha256"):
        download.fetch(file_of(server, size=None), tmp_path)
    server.script = [file_server.without_length()]
    with pytest.raises(OSError, match="nothing tells when the file is whole"):
        download.fetch(file_of(server, size=None, checksums={}), tmp_path)
    server.script = [file_server.without_length(200_000)]
    with pytest.raises(OSError, match="nothing tells when the file is whole"):
        download.fetch(file_of(server, size=None, strictness="warn"), tmp_path)
    assert names(tmp_path) == []
    server.script = [file_server.without_length()]
    check_fetched(file_of(server, size=None), tmp_path)


@pytest.mark.parametrize("name", ["a.npz", "a.zip", "a.h5", "a.hdf5", "a.gz", "a.jpg"])
def test_page_in_disguise(server, tmp_path, name):
    server.payload = b"<html>Too many requests</html>"
    file = catalog.File(name, (f"{server.url}/a",))
    with pytest.raises(OSError, match="it is not a"):
        download.fetch(file, tmp_path)
    assert names(tmp_path) == []


def test_truncated_zip_is_refused(server, tmp_path):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("images.npy", PAYLOAD)
    source = tmp_path / "a.npz"
    source.write_bytes(whole.getvalue())
    file = catalog.File("set/a.npz", checksums={"md5": "0" * 32}, strictness="warn")
    assert "older release" in download.check(source, file)
    source.write_bytes(whole.getvalue()[:-30])
    with pytest.raises(ValueError, match="whole"):
        download.add(file, source, tmp_path)
    assert names(tmp_path) == ["a.npz"]


def test_no_room(server, tmp_path):
    size = 10**18
    server.script = [lambda handler: handler.answer(200, b"", size)]
    with pytest.raises(OSError, match="free"):
        download.fetch(file_of(server, size=size), tmp_path)
    assert names(tmp_path) == []


def test_another_file_in_its_place_is_kept(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.bin").write_bytes(b"mine")
    with pytest.raises(ValueError, match="delete it"):
        download.fetch(file_of(server), tmp_path)
    assert (tmp_path / "set" / "data.bin").read_bytes() == b"mine"
    assert server.requests == []


def test_two_processes_at_once(server, tmp_path):
    file = file_of(server)
    code = (
        "import pathlib, sys; from dmt.data.official import catalog, download\n"
        f"file = {file!r}\n".replace("File(", "catalog.File(")
        + f"print(download.fetch(file, pathlib.Path({str(tmp_path)!r})))"
    )
    arrived, release = threading.Event(), threading.Event()

    def wait(handler):
        arrived.set()
        release.wait(30)
        file_server.ok(handler)

    def start():
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[3])},
        )

    server.script = [wait]
    with start() as first:
        assert arrived.wait(30)
        with start() as second:
            assert "Waiting" in second.stderr.readline()
            release.set()
            assert first.communicate()[0] == "sha256 right\n"
            assert second.communicate()[0] == "sha256 right\n"
    assert len(server.requests) == 1
    assert names(tmp_path) == ["data.bin"]


def test_lock_of_a_killed_process_is_no_lock(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.bin.lock").touch()
    check_fetched(file_of(server), tmp_path)


def test_digests(tmp_path):
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    digests = {
        # What `git hash-object` and the md5sum and sha256sum programs say.
        "git_blob": "ce013625030ba8dba906f756967f9e9ca394464a",
        "md5": "b1946ac92492d2347c6235b4d2611184",
        "sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    }
    file = catalog.File("hello", checksums=digests)
    assert download.check(path, file) == "git_blob and md5 and sha256 right"
    for name in digests:
        wrong = catalog.File("hello", checksums={**digests, name: "0"})
        with pytest.raises(ValueError, match=name):
            download.check(path, wrong)


def test_other_forms_do_as_well(tmp_path):
    other = catalog.File("set/data.npy", size=3)
    file = catalog.File("set/data.bin", size=4, or_else=(other,))
    assert download.locate(file, tmp_path) is None
    with pytest.raises(FileNotFoundError, match=r"data\.bin"):
        download.verify(file, tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.npy").write_bytes(b"abc")
    assert download.locate(file, tmp_path) == (other, tmp_path / "set" / "data.npy")
    assert "sha256" in download.fetch(file, tmp_path)


@pytest.mark.parametrize("link", [False, True])
def test_add(server, tmp_path, link):
    source = tmp_path / "elsewhere" / "data.bin"
    source.parent.mkdir()
    source.write_bytes(PAYLOAD)
    arguments = (os.symlink,) if link else ()
    download.add(file_of(server), source, tmp_path / "root", *arguments)
    target = tmp_path / "root" / "set" / "data.bin"
    assert target.is_symlink() == link
    assert target.read_bytes() == PAYLOAD
    second = source.with_name("second.bin")
    second.write_bytes(PAYLOAD)
    with pytest.raises(ValueError, match="there already"):
        download.add(file_of(server), second, tmp_path / "root")
    assert download.add(file_of(server), target, tmp_path / "root") == "sha256 right"
    target.unlink()
    with pytest.raises(ValueError, match="not the published"):
        download.add(file_of(server, OTHER), source, tmp_path / "root")
    assert names(tmp_path / "root") == []


# Unpacking. A member is (path, bytes) or (path, bytes, tarfile type of a link).


def make_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content, *kind in members:
            member = tarfile.TarInfo(name)
            member.size = 0 if kind else len(content)
            if kind:
                member.type, member.linkname = kind[0], content.decode()
            archive.addfile(member, io.BytesIO(content))
    return path


def make_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, *kind in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o120777 if kind else 0o100644) << 16
            archive.writestr(member, content)
    return path


GOOD = [
    ("data/cars/a.mat", b"A"),
    ("./data/cars/b.mat", b"B" * 100_000),
    ("data/cars/list.txt", b"a b"),
    ("data/sprites/huge.mat", b"no"),
    ("elsewhere/../../unwanted.txt", b"no"),
]
WANTED = catalog.Unpack(("data/cars/*.mat", "data/cars/list.txt"), "cars", 3)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_takes_only_what_is_wanted(tmp_path, name):
    if name == "a.zip":
        archive = make_zip(tmp_path / name, GOOD)
    else:
        archive = make_tar(tmp_path / name, GOOD, "w:gz" if "gz" in name else "w")
    root = tmp_path / "root"
    download.unpack(archive, WANTED, root)
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
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_members_that_lead_outside(tmp_path, make, slip):
    archive = make(tmp_path / "a.archive", [*GOOD, slip])
    wanted = catalog.Unpack(WANTED.patterns, "cars", 4)
    with pytest.raises(ValueError, match="link|outside|cannot be unpacked"):
        download.unpack(archive, wanted, tmp_path / "root")
    assert names(tmp_path) == ["a.archive"]


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_absolute_members(tmp_path, make):
    archive = make(tmp_path / "a.archive", [(f"{tmp_path}/evil.mat", b"!")])
    wanted = catalog.Unpack(("*.mat",), "cars", 1)
    with pytest.raises(ValueError, match="outside"):
        download.unpack(archive, wanted, tmp_path / "root")
    assert names(tmp_path) == ["a.archive"]


def test_missing_members(tmp_path):
    archive = make_tar(tmp_path / "a.tar", GOOD[1:])
    with pytest.raises(ValueError, match="holds 2 of the 3"):
        download.unpack(archive, WANTED, tmp_path / "root")
    assert names(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_archives(tmp_path, share):
    content = [*GOOD, ("data/cars/z.mat", PAYLOAD)]
    wanted = catalog.Unpack(WANTED.patterns, "cars", 4)
    plain = tmp_path / "a.mat.gz"
    plain.write_bytes(gzip.compress(PAYLOAD))
    archives = [
        (make_tar(tmp_path / "a.tar", content), wanted),
        (make_tar(tmp_path / "a.tar.gz", content, "w:gz"), wanted),
        (make_zip(tmp_path / "a.zip", content), wanted),
        (plain, catalog.Unpack(("a.mat",), "cars", 1)),
    ]
    for archive, members in archives:
        archive.write_bytes(archive.read_bytes()[: int(share * len(PAYLOAD))])
        with pytest.raises(ValueError, match=archive.name):
            download.unpack(archive, members, tmp_path / "root")
        assert names(tmp_path / "root") == []


def test_gz(tmp_path):
    archive = tmp_path / "a.mat.gz"
    archive.write_bytes(gzip.compress(PAYLOAD))
    download.unpack(archive, catalog.Unpack(("a.mat",), "x", 1), tmp_path)
    assert (tmp_path / "x" / "a.mat").read_bytes() == PAYLOAD


def test_archive_is_fetched_unpacked_and_removed(server, tmp_path):
    archive = make_tar(tmp_path / "cars.tar.gz", GOOD, "w:gz")
    server.payload = archive.read_bytes()
    file = catalog.File(
        "cars/cars.tar.gz",
        (f"{server.url}/a",),
        checksums={"md5": hashlib.md5(server.payload).hexdigest()},
        unpack=WANTED,
    )
    root = tmp_path / "root"
    # As if the process had been killed before it unpacked.
    (root / "cars").mkdir(parents=True)
    (root / "cars" / "cars.tar.gz").write_bytes(server.payload)
    for _ in range(2):
        download.fetch(file, root)
        assert names(root) == ["a.mat", "b.mat", "list.txt"]
    assert server.requests == []
    (root / "cars" / "list.txt").unlink()
    assert download.locate(file, root) is None
    download.fetch(file, root)
    assert len(server.requests) == 1
    assert names(root) == ["a.mat", "b.mat", "list.txt"]
    assert download.verify(file, root) == "all 3 files are there"

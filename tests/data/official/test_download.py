import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import threading

import pytest

from dmt.data.official import download, local, records
from tests.helpers import file_server, official_files

FILES = ["a.mat", "b.mat", "list.txt"]
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
    return records.File(path="set/data.bin", urls=urls, **facts)


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
    file = records.File("set/data.bin", ("http://127.0.0.1:1/a",))
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
    with pytest.raises(OSError, match="neither size nor checksum tells"):
        download.fetch(file_of(server, size=None, checksums={}), tmp_path)
    server.script = [file_server.without_length(200_000)]
    with pytest.raises(OSError, match="neither size nor checksum tells"):
        download.fetch(file_of(server, size=None, strictness="warn"), tmp_path)
    assert names(tmp_path) == []
    server.script = [file_server.without_length()]
    check_fetched(file_of(server, size=None), tmp_path)


@pytest.mark.parametrize("name", ["a.npz", "a.zip", "a.h5", "a.hdf5", "a.gz", "a.jpg"])
def test_page_in_disguise(server, tmp_path, name):
    server.payload = b"<html>Too many requests</html>"
    file = records.File(name, (f"{server.url}/a",))
    with pytest.raises(OSError, match="it is not a"):
        download.fetch(file, tmp_path)
    assert names(tmp_path) == []


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
        "import pathlib, sys; from dmt.data.official import download, records\n"
        f"file = {file!r}\n".replace("File(", "records.File(")
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
    (tmp_path / "set" / ".data.bin.lock").touch()
    check_fetched(file_of(server), tmp_path)


def test_other_forms_do_as_well(tmp_path):
    other = records.File("set/data.npy", size=3)
    file = records.File("set/data.bin", size=4, or_else=(other,))
    assert local.locate(file, tmp_path) is None
    with pytest.raises(FileNotFoundError, match=r"data\.bin"):
        local.verify(file, tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.npy").write_bytes(b"abc")
    assert local.locate(file, tmp_path) == (other, tmp_path / "set" / "data.npy")
    assert "sha256" in download.fetch(file, tmp_path)


def test_archive_is_fetched_unpacked_and_removed(server, tmp_path):
    members = [(f"data/cars/{name}", name.encode()) for name in FILES]
    archive = official_files.make_tar(tmp_path / "cars.tar.gz", members, "w:gz")
    server.payload = archive.read_bytes()
    file = records.File(
        "cars/cars.tar.gz",
        (f"{server.url}/a",),
        checksums={"md5": hashlib.md5(server.payload).hexdigest()},
        unpack=records.Unpack(("data/cars/*.mat", "data/cars/list.txt"), "cars", 3),
    )
    root = tmp_path / "root"
    # As if the process had been killed before it unpacked.
    (root / "cars").mkdir(parents=True)
    (root / "cars" / "cars.tar.gz").write_bytes(server.payload)
    for _ in range(2):
        download.fetch(file, root)
        assert names(root) == FILES
    assert server.requests == []
    (root / "cars" / "list.txt").unlink()
    assert local.locate(file, root) is None
    download.fetch(file, root)
    assert len(server.requests) == 1
    assert names(root) == FILES
    assert local.verify(file, root) == "all 3 files are there"

import hashlib
import io
import os
import random
import zipfile

import pytest

from dmt.data.official import local, records

PAYLOAD = random.Random(0).randbytes(600_000)
OTHER = random.Random(1).randbytes(600_000)


def file_of(payload):
    digest = hashlib.sha256(payload).hexdigest()
    return records.File("set/data.bin", size=len(payload), checksums={"sha256": digest})


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_truncated_zip_is_refused(tmp_path):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("images.npy", PAYLOAD)
    source = tmp_path / "a.npz"
    source.write_bytes(whole.getvalue())
    file = records.File("set/a.npz", checksums={"md5": "0" * 32}, strictness="warn")
    assert "older release" in local.check(source, file)
    source.write_bytes(whole.getvalue()[:-30])
    with pytest.raises(ValueError, match="whole"):
        local.add(file, source, tmp_path)
    assert names(tmp_path) == ["a.npz"]


def test_digests(tmp_path):
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    digests = {
        # What `git hash-object` and the md5sum and sha256sum programs say.
        "git_blob": "ce013625030ba8dba906f756967f9e9ca394464a",
        "md5": "b1946ac92492d2347c6235b4d2611184",
        "sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    }
    file = records.File("hello", checksums=digests)
    assert local.check(path, file) == "git_blob and md5 and sha256 right"
    for name in digests:
        wrong = records.File("hello", checksums={**digests, name: "0"})
        with pytest.raises(ValueError, match=name):
            local.check(path, wrong)


@pytest.mark.parametrize("link", [False, True])
def test_add(tmp_path, link):
    source = tmp_path / "elsewhere" / "data.bin"
    source.parent.mkdir()
    source.write_bytes(PAYLOAD)
    arguments = (os.symlink,) if link else ()
    local.add(file_of(PAYLOAD), source, tmp_path / "root", *arguments)
    target = tmp_path / "root" / "set" / "data.bin"
    assert target.is_symlink() == link
    assert target.read_bytes() == PAYLOAD
    second = source.with_name("second.bin")
    second.write_bytes(PAYLOAD)
    with pytest.raises(ValueError, match="there already"):
        local.add(file_of(PAYLOAD), second, tmp_path / "root")
    assert local.add(file_of(PAYLOAD), target, tmp_path / "root") == "sha256 right"
    target.unlink()
    with pytest.raises(ValueError, match="not the published"):
        local.add(file_of(OTHER), source, tmp_path / "root")
    assert names(tmp_path / "root") == []

import dataclasses
import gzip
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from dmt.cli import data as commands
from dmt.data import registry
from dmt.data.ground_truth import dummy_data
from dmt.data.official import catalog, download
from tests.helpers import file_server
from tests.helpers.runs import BIN, call, check_mistake, run_and_list_imports


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("DMT_DATA_MIRROR", raising=False)
    monkeypatch.setattr(download, "_FIRST_WAIT", 0.0)
    return tmp_path / "root"


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_list_imports_nothing_heavy(root):
    process = run_and_list_imports("dmt_data", "list")
    lines = process.stdout.splitlines()
    # Gin must know the parameters of datasets, whose modules need arrays.
    assert lines[-1] in ("[]", "['numpy']"), process.stdout + process.stderr
    listed = [line.split()[0] for line in lines[1:] if line and line[0].islower()]
    assert set(listed) >= {*catalog.DATASETS, *registry.names()}
    assert len(listed) == len(set(listed))


def test_presence(root, capsys):
    def presence():
        commands.list_datasets()
        lines = capsys.readouterr().out.splitlines()
        rows = [re.split(" {2,}", line) for line in lines if line]
        return {row[0]: row[3] for row in rows if len(row) == 5}

    assert presence()["scream_dsprites"] == "no"
    (root / "scream").mkdir(parents=True)
    (root / "scream" / "scream.jpg").touch()
    assert presence()["scream_dsprites"] == "in part"
    (root / "dsprites").mkdir()
    # disentanglement_lib's form of the file.
    stem = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
    (root / "dsprites" / f"{stem}.npz").touch()
    found = presence()
    assert found["scream_dsprites"] == found["dsprites_full"] == "yes"
    assert found["shapes3d"] == "no"
    assert found["celeba"] == "by hand"


def test_info(root, capsys):
    for name, dataset in catalog.DATASETS.items():
        commands.info(name)
        text = capsys.readouterr().out
        for words in (dataset.licence, dataset.terms, dataset.citation):
            assert words in text
        for file in dataset.files:
            assert str(root / file.path) in text
            for words in (*file.urls, *file.checksums.values()):
                assert words in text
    commands.info("dsprites_rendered_small")
    text = capsys.readouterr().out
    assert "origin   rendered" in text
    assert "4,608 of 64 x 64 x 1" in text
    assert "shape 3, scale 3, orientation 8" in text
    for name, fact in {
        "dsprites_full": "orientations 0 and 39 show the same image",
        "dsprites_rendered": "orientations 0 and 39 show the same image",
        "abstract_dsprites": "the orientation is drawn at random",
        "shapes3d": "-30 to 30 degrees, which is no full turn); hues run around",
        "mpi3d_real": "cone, cube, cylinder, hexagonal, pyramid, sphere",
        "mpi3d_real_complex": "coffee cup, tennis ball, croissant, beer cup",
        "cars3d": "steps of 15 degrees of a full turn",
        "smallnorb": "steps of 20 degrees of a full turn",
        "celeba": "not all combinations exist",
        "armcube_rendered": "need combinations that do not exist",
    }.items():
        commands.info(name)
        assert fact in " ".join(capsys.readouterr().out.split())


def test_folder_of_prepared_files(root, capsys, monkeypatch, tmp_path):
    commands.list_datasets()
    assert f"kept in {root}/prepared" in capsys.readouterr().out
    monkeypatch.delenv("DMT_DATA")
    monkeypatch.delenv("DISENTANGLEMENT_LIB_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    commands.list_datasets()
    out = capsys.readouterr().out
    assert f"looked for in {tmp_path}" in out
    assert f"{tmp_path}/prepared" not in out and "dmt/prepared" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["fetch", "--help"]),
        (["fech", "shapes3d"], ["fetch"]),
        (["fetch"], ["NAME"]),
        (["info", "shapes3d", "cars3d"], ["NAME", "cars3d"]),
        (["fetch", "shape3d"], ["shapes3d"]),
        (["show", "dsprites_rendred"], ["dsprites_rendered"]),
        (
            ["fetch", "dsprites_rendered"],
            ["dsprites_rendered", "no published file: Rendered"],
        ),
        (["fetch", "dummy_data"], ["dummy_data", "no published file"]),
        (["show", "dummy_data", "--gin_bindings=no_such.x = 1"], ["no_such"]),
        (["fetch", "celeba"], ["mmlab.ie.cuhk.edu.hk", "dmt_data add celeba"]),
        (["fetch", "smallnorb"], ["--accept_licence"]),
        (["verify", "shapes3d"], ["3dshapes.h5"]),
        (["prepare", "dsprites_full"], ["dsprites_ndarray"]),
        (["add", "shapes3d", "/no/such/file"], ["/no/such/file"]),
    ],
)
def test_mistakes(root, arguments, words):
    lines = check_mistake(call("dmt_data", *arguments), "dmt_data:", *words)
    assert len(lines) == 1, lines
    assert not root.exists()


def test_fetch_and_verify(root):
    payload = npz(images=np.zeros((4, 64, 64, 3), np.uint8))
    with file_server.serving(payload) as server:
        server.script = [file_server.cut(20_000)]
        process = call("dmt_data", "fetch", "mpi3d_real", DMT_DATA_MIRROR=server.url)
        assert process.returncode == 0, process.stderr
        assert "CC BY 4.0" in process.stdout
        assert "older release" in process.stdout
        assert hashlib.sha256(payload).hexdigest() in process.stdout
        assert "trying again" in process.stderr
        assert "Traceback" not in process.stderr
        assert [request[0] for request in server.requests] == [
            "/mpi3d_real/mpi3d_real.npz"
        ] * 2
    assert names(root) == ["mpi3d_real.npz"]
    assert (root / "mpi3d_real" / "mpi3d_real.npz").read_bytes() == payload
    assert call("dmt_data", "verify", "mpi3d_real").returncode == 0


def test_interrupt(root):
    payload = npz(images=np.zeros((100, 64, 64, 3), np.uint8))
    release = threading.Event()

    def stall(handler):
        handler.answer(200, payload[:400_000], len(payload))
        release.wait(30)

    with file_server.serving(payload) as server:
        server.script = [stall]
        environment = {
            **os.environ,
            "PYTHONPATH": str(BIN.parent),
            "DMT_DATA_MIRROR": server.url,
        }
        command = [sys.executable, BIN / "dmt_data", "fetch", "mpi3d_real"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # Where tests run in the background, interrupts are ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        part = root / "mpi3d_real" / "mpi3d_real.npz.part"
        while not (part.exists() and part.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        error = process.communicate()[1]
        release.set()
        assert process.returncode == 130
        assert b"same command to continue" in error
        assert b"Traceback" not in error
        assert names(root) == ["mpi3d_real.npz.part", "mpi3d_real.npz.part.json"]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        assert server.requests[-1][1].startswith("bytes=")
    assert (root / "mpi3d_real" / "mpi3d_real.npz").read_bytes() == payload


def test_fetch_of_a_wrong_file(root):
    with file_server.serving(b"\x1f\x8b" + bytes(98)) as server:
        process = call(
            "dmt_data",
            "fetch",
            "celeba",
            "--accept_licence",
            DMT_DATA_MIRROR=f"{server.url}/lab",
        )
        assert [request[0] for request in server.requests] == [
            "/lab/celeba/img_align_celeba.zip"
        ]
    check_mistake(process, "100 bytes instead of 1,443,490,838")
    assert names(root) == []


@pytest.fixture
def cars(monkeypatch):
    """The record of cars3d with an archive of two small cars."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in ("cars/a.mat", "cars/b.mat", "cars/list.txt", "sprites/c.mat"):
            member = tarfile.TarInfo(f"data/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    dataset = catalog.DATASETS["cars3d"]
    (file,) = dataset.files
    file = dataclasses.replace(
        file,
        urls=(),
        checksums={"md5": hashlib.md5(content.getvalue()).hexdigest()},
        unpack=dataclasses.replace(file.unpack, num_files=3),
    )
    dataset = dataclasses.replace(dataset, files=(file,))
    monkeypatch.setitem(catalog.DATASETS, "cars3d", dataset)
    return content.getvalue()


def test_fetch_of_an_archive(root, cars, monkeypatch, capsys):
    with file_server.serving(cars) as server:
        monkeypatch.setenv("DMT_DATA_MIRROR", server.url)
        commands.fetch("cars3d")
        commands.fetch("cars3d")
        commands.verify("cars3d")
        assert len(server.requests) == 1
    assert names(root) == ["a.mat", "b.mat", "list.txt"]
    assert (root / "cars" / "list.txt").read_text() == "cars/list.txt"
    assert "all 3 files are there" in capsys.readouterr().out


def test_add_an_archive_of_the_catalogue(root, cars, tmp_path):
    (tmp_path / "cars (1).gz").write_bytes(cars)
    commands.add("cars3d", str(tmp_path / "cars (1).gz"))
    assert names(root) == ["a.mat", "b.mat", "list.txt"]
    assert (tmp_path / "cars (1).gz").exists()


@pytest.mark.parametrize("how", ["folder", "tar", "zip", "file"])
def test_add_files_without_checksum(root, tmp_path, capsys, how):
    folder = tmp_path / "robot_finger_datasets" / "finger_real"
    folder.mkdir(parents=True)
    (folder / "finger_real_images.npz").write_bytes(npz(images=np.zeros(3)))
    (folder / "finger_real_labels.npz").write_bytes(npz(labels=np.ones(3)))
    (folder / "finger_real_info.npz").write_bytes(b"a pickle")
    paths = [folder]
    if how == "file":
        paths = [folder / f"finger_real_{what}.npz" for what in ("images", "labels")]
    elif how == "tar":
        paths = [tmp_path / "robot.tar"]
        with tarfile.open(paths[0], "w") as archive:
            archive.add(folder, "robot_finger_datasets/finger_real")
    elif how == "zip":
        paths = [tmp_path / "robot.zip"]
        with zipfile.ZipFile(paths[0], "w") as archive:
            for path in folder.iterdir():
                archive.write(path, path.name)
    for path in paths:
        commands.add("trifinger_real", str(path))
    assert names(root) == ["finger_real_images.npz", "finger_real_labels.npz"]
    images = np.load(root / "robot_finger_datasets/finger_real/finger_real_images.npz")
    assert images["images"].tolist() == [0, 0, 0]
    assert len(names(folder)) == 3
    # What is missing is added, what is there is kept.
    (root / "robot_finger_datasets/finger_real/finger_real_labels.npz").unlink()
    capsys.readouterr()
    commands.add("trifinger_real", str(paths[-1]))
    assert len(names(root)) == 2
    if how != "file":
        assert "finger_real_images.npz: is there already" in capsys.readouterr().out


def test_add_what_is_not_the_file(root, tmp_path):
    wrong = tmp_path / "3dshapes.h5"
    wrong.write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    check_mistake(call("dmt_data", "add", "shapes3d", wrong), "3dshapes.h5", "bytes")
    # Without a checksum, only the name tells what it is.
    unnamed = tmp_path / "real.npz"
    unnamed.write_bytes(npz(images=np.zeros(3)))
    process = call("dmt_data", "add", "mpi3d_real", unnamed)
    check_mistake(process, "mpi3d_real.npz", "real.npz")
    assert names(tmp_path) == ["3dshapes.h5", "real.npz"]


def test_add_a_link(root, tmp_path):
    source = tmp_path / "mpi3d_toy.npz"
    source.write_bytes(npz(images=np.zeros(3)))
    process = call("dmt_data", "add", "mpi3d_toy", source, "--link")
    assert process.returncode == 0, process.stderr
    target = root / "mpi3d_toy" / "mpi3d_toy.npz"
    assert target.resolve() == source
    commands.verify("mpi3d_toy")


def test_add_takes_compressed_or_plain_files(root, tmp_path, monkeypatch, capsys):
    dataset = catalog.DATASETS["smallnorb"]
    content = b"labels"
    file = dataclasses.replace(
        dataset.files[1],
        size=None,
        checksums={},
        or_else=(dataclasses.replace(dataset.files[1].or_else[0], size=len(content)),),
    )
    dataset = dataclasses.replace(dataset, files=(file,))
    monkeypatch.setitem(catalog.DATASETS, "smallnorb", dataset)
    plain = tmp_path / file.or_else[0].name
    plain.write_bytes(content)
    commands.add("smallnorb", str(plain))
    commands.verify("smallnorb")
    assert names(root) == [plain.name]
    packed = tmp_path / file.name
    packed.write_bytes(gzip.compress(content))
    commands.add("smallnorb", str(tmp_path))
    assert names(root) == [plain.name, packed.name]


def test_prepare(root, capsys):
    commands.prepare("dsprites_rendered_small")
    assert "4,608 of 64 x 64 x 1, rendered" in capsys.readouterr().out


def test_compare(capsys):
    commands.compare("dsprites_rendered_small", "dsprites_rendered_small")
    assert "100.0000% of the images" in capsys.readouterr().out
    check_mistake(
        call("dmt_data", "compare", "dsprites_rendered", "dsprites_rendered_small"),
        "factors_num_values",
    )


def test_show(root, tmp_path):
    path = tmp_path / "sheet.png"
    arguments = ("show", "dsprites_rendered_small", f"--output_path={path}")
    process = call("dmt_data", *arguments)
    assert process.returncode == 0, process.stderr
    first = Image.open(path)
    # Five rows of factors with eight values at most, next to their names.
    assert first.height == 4 + 5 * (128 + 4)
    assert first.width > 8 * (128 + 4)
    check_mistake(call("dmt_data", *arguments), "--overwrite")
    assert call("dmt_data", *arguments, "--overwrite").returncode == 0


class Holes(dummy_data.DummyData):
    """Has images of few combinations of its factors, as photographs do."""

    has_all_combinations = False

    def sample_observations_from_factors(self, factors, random_state):
        raise ValueError("There is no such image.")

    def sample(self, num, random_state):
        factors = self.sample_factors(num, random_state)
        return factors, random_state.random_sample((num, 64, 64, 1))


def test_show_of_an_own_dataset(tmp_path):
    (tmp_path / "my_data.py").write_text(
        "from dmt.data.ground_truth import dummy_data, named_data\n"
        "class Mine(dummy_data.DummyData):\n"
        "    pass\n"
        "named_data.register('mine', Mine)\n"
    )
    config = tmp_path / "mine.gin"
    config.write_text("import my_data\n")
    process = call(
        "dmt_data",
        "show",
        "mine",
        f"--gin_config={config}",
        f"--output_path={tmp_path}/sheet.png",
        PYTHONPATH=f"{BIN.parent}:{tmp_path}",
    )
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "sheet.png").exists()


def test_show_without_a_grid(tmp_path, monkeypatch):
    monkeypatch.setitem(registry._factories, "holes", Holes)
    commands.show("holes", str(tmp_path / "sheet.png"))
    assert Image.open(tmp_path / "sheet.png").size == (8 * 66 + 2, 8 * 66 + 2)

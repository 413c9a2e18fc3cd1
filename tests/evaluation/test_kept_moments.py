"""Codes that a killed evaluation leaves for the next one."""

import fcntl
import os
import resource

import numpy as np
import pytest

from dmt.evaluation import kept_moments
from dmt.evaluation.kept_moments import KeptMoments

ROWS = np.array([3, 1, 7])
MOMENTS = np.arange(12, dtype="float32").reshape(3, 4)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "folder" / "moments")


def read(path, size=10, width=4):
    kept = KeptMoments(path, size, width)
    return kept.read()


def test_what_was_appended_is_read(path):
    assert not len(read(path))
    KeptMoments(path, 10, 4).append(ROWS, MOMENTS)
    KeptMoments(path, 10, 4).append(ROWS[:1] + 1, MOMENTS[:1])
    records = read(path)
    np.testing.assert_array_equal(records["row"], [3, 1, 7, 4])
    np.testing.assert_array_equal(records["moments"], MOMENTS[[0, 1, 2, 0]])


@pytest.mark.parametrize("missing", range(1, 25))
def test_records_that_were_cut_off_are_left_out(path, missing):
    KeptMoments(path, 10, 4).append(ROWS, MOMENTS)
    os.truncate(path, os.path.getsize(path) - missing)
    kept = KeptMoments(path, 10, 4)
    np.testing.assert_array_equal(kept.read()["row"], ROWS[:2])
    kept.append(ROWS[2:], MOMENTS[2:])
    del kept
    np.testing.assert_array_equal(read(path)["moments"], MOMENTS)


def test_other_content_is_left_out(path):
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(np.random.RandomState(0).bytes(1000))
    assert not len(read(path))
    assert os.path.getsize(path) == 0


def test_one_process_at_a_time_keeps_moments(path):
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        kept = KeptMoments(path, 10, 4)
        kept.append(ROWS, MOMENTS)
        assert not len(kept.read())
    assert not len(read(path))


def test_a_full_disk_is_only_a_loss_of_time(path, caplog):
    kept = KeptMoments(path, 10, 4)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        kept.append(ROWS, MOMENTS)
        kept.append(ROWS, MOMENTS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (record,) = caplog.records
    assert "not kept" in record.message and path in record.message
    assert len(read(path)) < 3


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_folder_outlives_interruptions_only(tmp_path, error):
    out = tmp_path / "out"
    try:
        with kept_moments.folder(str(out), resume=False) as folder:
            KeptMoments(os.path.join(folder, "moments"), 10, 4).append(ROWS, MOMENTS)
            if error:
                raise error
    except BaseException as raised:
        assert type(raised) is error
    assert out.exists() == (error is KeyboardInterrupt)
    with kept_moments.folder(str(out), resume=True) as folder:
        kept = read(os.path.join(folder, "moments"))
        assert len(kept) == (3 if error is KeyboardInterrupt else 0)
    with kept_moments.folder(str(out), resume=False) as folder:
        assert not os.path.exists(folder)

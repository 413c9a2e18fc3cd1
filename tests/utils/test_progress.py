"""Lines of the log about work that takes long, and none about quick work."""

import time

import pytest

from dmt.utils import machine, progress


@pytest.fixture
def lines(caplog):
    """A function that returns the lines that were logged since its last call."""
    caplog.set_level("INFO", logger="dmt")

    def read():
        found = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return found

    return read


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.0)


def do(work):
    with work.doing(100):
        pass


def test_tasks_are_counted(lines):
    tasks = progress.Progress(3, done=1)
    tasks.end("a")
    tasks.end("b", "no memory")
    assert tasks.done == 3
    first, last = lines()
    assert first.startswith("2 of 3: a is complete, ") and first.endswith(" to go")
    assert last.startswith("3 of 3: b failed: no memory, ") and "to go" not in last


def test_tasks_with_a_unit_are_logged_if_they_take_long(lines, monkeypatch):
    metrics = progress.Progress(2, "metrics")
    with metrics.task("mig"):
        pass
    assert not lines()
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    with metrics.task("dci"):
        pass
    (line,) = lines()
    assert line.startswith("2 of 2 metrics: dci is complete, ")


def test_work_is_logged_with_the_time_of_the_rest(lines, always, monkeypatch):
    clock = iter([0.0, 2.0, 2.0, 100.0, 106.0, 106.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    work = progress.Work("Encoding", 12000, "images", done=2000)
    with work.doing(2000):
        pass
    # Only the time in which work is done counts.
    with work.doing(2000):
        pass
    assert lines() == [
        "Encoding: 4,000 of 12,000 images, 2 s, about 8 s for the rest",
        "Encoding: 6,000 of 12,000 images, 8 s, about 12 s for the rest",
    ]


def test_quick_work_logs_nothing(lines):
    do(progress.Work("Encoding", 100, "images"))
    with progress.alive("scores"):
        pass
    assert not lines()


def test_workers_share_the_lines(lines, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 1.0)
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    for workers, expected in (("1", 1), ("2", 0)):
        monkeypatch.setenv(machine.NUM_WORKERS, workers)
        do(progress.Work("Encoding", 100, "images"))
        assert len(lines()) == expected


def test_long_work_is_alive_as_long_as_nothing_else_is_logged(lines, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    with progress.alive("scores/dci"):
        while not (found := lines()):
            time.sleep(0.01)
    assert found[0].startswith("scores/dci: ") and found[0].endswith(" s so far")
    lines()
    time.sleep(0.05)
    assert not lines()


def test_tasks_that_were_done_before_are_not_counted(lines, always):
    tasks = progress.Progress(2, "metrics", done=1)
    with tasks.task("a", was_done=True):
        pass
    assert lines() == [] and tasks.done == 1
    with tasks.task("b"):
        pass
    (line,) = lines()
    assert line.startswith("2 of 2 metrics: b is complete, ")

"""Numbers of processes, and the order in which tasks run."""

import concurrent.futures

import pytest

from dmt.utils import machine, processes


def test_number_of_processes(monkeypatch):
    monkeypatch.setattr(machine, "num_cores", lambda: 7)
    for has_gpu, expected in ((False, 7), (True, 1)):
        monkeypatch.setattr(machine, "has_gpu", lambda has_gpu=has_gpu: has_gpu)
        assert processes.number_of(0) == expected
        assert processes.number_of(3) == 3
    with pytest.raises(ValueError, match="--workers .*-1"):
        processes.number_of(-1)


def test_population_flag():
    assert processes.population_of("auto") == "auto"
    assert processes.population_of("12") == processes.population_of(12) == 12
    for wrong in ("0", "-1", "many", "1.5", ""):
        with pytest.raises(ValueError, match="--population must be .*Received"):
            processes.population_of(wrong)


@pytest.fixture
def executor():
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        yield executor


def test_tasks_that_follow_run_after_their_task(executor):
    calls, ends = [], []

    def task(name, **then):
        return processes.Task(executor, calls.append, (name,), then)

    tasks = [("a", task("a", b=task("b"), c=task("c"))), None, ("d", task("d"))]
    processes.run_all(tasks, lambda name, error: ends.append((name, error)))
    assert sorted(calls) == ["a", "b", "c", "d"]
    assert calls.index("a") < min(calls.index("b"), calls.index("c"))
    assert sorted(ends) == [("b", ""), ("c", ""), ("d", "")]


def test_failed_tasks_are_reported_after_all_others(executor):
    ends = {}

    def fail():
        raise ValueError("broken\n  in two lines")

    def task(function, *arguments, **then):
        return processes.Task(executor, function, arguments, then)

    follower = task(len, "x")
    tasks = [
        ("a", task(fail)),
        ("b", task(fail, c=follower, d=follower)),
        ("e", task(lambda: {"f": "no input"}, f=follower, g=follower)),
        ("h", task(len, "x")),
    ]
    with pytest.raises(ValueError, match="4 of 6 failed.* The first, a: broken in two"):
        processes.run_all(tasks, ends.__setitem__, at_once=1)
    broken = "broken in two lines"
    assert ends == {
        **dict.fromkeys("acd", broken),
        "f": "no input",
        **dict.fromkeys("gh", ""),
    }

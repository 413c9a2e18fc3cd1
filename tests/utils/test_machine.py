"""What the machine has."""

import os

from dmt.utils import machine


def test_available_memory_respects_the_limit_of_a_container(tmp_path, monkeypatch):
    free = machine.available_memory()
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < free <= physical
    monkeypatch.setattr(machine, "_control_groups", lambda: [tmp_path, tmp_path / "x"])
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 5\nactive_file 100\ninactive_file 50")
    (tmp_path / "memory.max").write_text("1000\n")
    assert machine.available_memory() == 1000 - (700 - 150)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory() > 1000


def test_cores_respect_the_quota_of_a_container(tmp_path, monkeypatch):
    cores = len(os.sched_getaffinity(0))
    monkeypatch.setattr(machine, "_control_groups", lambda: [tmp_path])
    for text, number in (
        ("max 100000", cores),
        ("150000 100000", 1),
        ("20000 100000", 1),
        (f"{cores}00000 100000", cores),
    ):
        (tmp_path / "cpu.max").write_text(text)
        assert machine.num_cores() == number
        assert machine.has_quota() == (number < cores)

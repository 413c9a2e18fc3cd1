"""Settings by the processor, which never replace the user's."""

import json
import logging
import os
import subprocess
import sys

import pytest

from dmt.utils import machine, processor

ZEN_3 = "model name : AMD EPYC 7763\nflags : fpu fma avx avx2\n\nprocessor : 1"
SAPPHIRE = "model name : Xeon\nflags : avx2 fma avx512f avx512_bf16 amx_bf16\n"
GRAVITON = "CPU implementer : 0x41\nFeatures : asimd sve bf16\n"


@pytest.fixture
def of(monkeypatch, tmp_path):
    """A function that makes this machine one whose /proc/cpuinfo has some text."""

    def pretend(text):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
        for function in (processor.name, processor.instruction_sets):
            function.cache_clear()

    yield pretend
    monkeypatch.undo()
    for function in (processor.name, processor.instruction_sets):
        function.cache_clear()


@pytest.mark.parametrize(
    ("text", "sets", "has_bfloat16"),
    [
        (ZEN_3, ("avx", "fma", "avx2"), False),
        (SAPPHIRE, ("fma", "avx2", "avx512f", "avx512_bf16", "amx_bf16"), True),
        (GRAVITON, ("sve", "bf16"), True),
        ("", (), False),
    ],
)
def test_instruction_sets(text, sets, has_bfloat16, of):
    of(text)
    assert processor.instruction_sets() == sets
    assert processor.has_bfloat16() == has_bfloat16
    assert processor.name()


def test_settings_are_made_once_and_never_against_the_user(of, monkeypatch):
    of(ZEN_3)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(machine, "has_quota", lambda: True)
    monkeypatch.setattr(machine, "num_cores", lambda: 3)
    for name in processor.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    chosen = processor.configure()
    assert chosen["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert chosen["TF_NUM_INTRAOP_THREADS"] == chosen["NPROC"] == "3"
    assert "OMP_NUM_THREADS" not in chosen and os.environ["OMP_NUM_THREADS"] == "7"
    assert {name: os.environ[name] for name in chosen} == chosen
    assert processor.configure() == {}
    for name in chosen:  # What `configure` sets, monkeypatch does not undo.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert "TF_ENABLE_ONEDNN_OPTS" not in processor.configure()


def test_import_comes_before_the_framework():
    code = (
        "import json, os, sys, dmt; from dmt.utils import processor;"
        "print(json.dumps([sorted({'tensorflow', 'jax', 'keras'} & set(sys.modules)),"
        "'avx2' in processor.instruction_sets(), dict(os.environ)]))"
    )
    environment = {k: v for k, v in os.environ.items() if k not in processor.SETTINGS}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    ).stdout
    imported, has_avx2, variables = json.loads(printed)
    assert imported == []
    assert (variables.get("TF_ENABLE_ONEDNN_OPTS") == "1") == has_avx2


def test_emulated_bfloat16_is_warned_of(of, caplog):
    for text, policy, number in (
        (ZEN_3, "mixed_bfloat16", 1),
        (ZEN_3, "float32", 0),
        (ZEN_3, None, 0),
        (SAPPHIRE, "mixed_bfloat16", 0),
    ):
        of(text)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            processor.warn_of_emulation("model.dtype_policy", policy)
        assert len(caplog.records) == number
    of(ZEN_3)
    processor.warn_of_emulation("model.dtype_policy", "mixed_bfloat16")
    assert "AMD EPYC 7763" in caplog.text and "ten times slower" in caplog.text

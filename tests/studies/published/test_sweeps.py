"""Sweeps by hand."""

import pytest

from dmt.studies.published import sweeps


def test_product_varies_the_last_sweep_fastest():
    found = sweeps.product(sweeps.sweep("a", [1, 2]), sweeps.sweep("b", "xy"))
    expected = [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert found == [{"a": a, "b": b} for a, b in expected]


def test_zip_repeats_single_settings_and_leaves_its_arguments():
    one, three = sweeps.fixed("a", 1), sweeps.sweep("b", range(3))
    found = sweeps.zip_together(one, three)
    assert found == [{"a": 1, "b": b} for b in range(3)]
    assert one == [{"a": 1}] and len(three) == 3
    with pytest.raises(ValueError, match=r"lengths \[3, 2\]"):
        sweeps.zip_together(three, sweeps.sweep("c", range(2)))


def test_chain_puts_sweeps_one_after_the_other():
    found = sweeps.chain(sweeps.fixed("a", 1), sweeps.sweep("b", [2, 3]))
    assert found == [{"a": 1}, {"b": 2}, {"b": 3}]


def test_bindings_are_lines_of_gin():
    setting = {"a.x": "@f()", "a.y": "name", "a.z": 1.0, "a.n": 100000}
    assert sweeps.to_bindings(setting) == [
        "a.x = @f()",
        "a.y = 'name'",
        "a.z = 1.0",
        "a.n = 100000",
    ]

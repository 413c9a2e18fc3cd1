"""docs/reference.md holds what the package has."""

import runpy

from tests.helpers.runs import ROOT


def test_tables_are_current():
    written = (ROOT / "docs/reference.md").read_text().splitlines()
    program = runpy.run_path(str(ROOT / "docs/make_reference.py"))
    rows = program["reference"]().splitlines()
    missing = [row for row in rows if row not in written]
    assert not missing, "Run python docs/make_reference.py; it would add these rows."
    assert written == rows, "Run python docs/make_reference.py; it would drop rows."

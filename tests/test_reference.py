"""docs/reference.md holds what the package has."""

import subprocess
import sys

from tests.helpers.runs import ROOT


def test_tables_are_current():
    written = (ROOT / "docs/reference.md").read_text().splitlines()
    # Other tests register datasets and models in this process.
    code = (
        "import runpy; print(runpy.run_path('docs/make_reference.py')['reference']())"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    rows = process.stdout.rstrip("\n").splitlines()
    missing = [row for row in rows if row not in written]
    assert not missing, "Run python docs/make_reference.py; it would add these rows."
    assert written == rows, "Run python docs/make_reference.py; it would drop rows."

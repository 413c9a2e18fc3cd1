"""Learning curves: read, or named if they are damaged."""

import pytest

from dmt.utils import history

GOOD = b"step,elapsed_time,loss\r\n2,0.5,1.25\r\n4,1.0,nan\r\n"


def test_curves_are_read(tmp_path):
    (tmp_path / "history.csv").write_bytes(GOOD)
    rows = history.read(str(tmp_path / "history.csv"))
    assert [row["step"] for row in rows] == ["2", "4"] and rows[0]["loss"] == "1.25"


@pytest.mark.parametrize(
    "content",
    [
        GOOD[:-8],
        GOOD + b"text\n",
        GOOD + b"6,1.0\n",
        GOOD + b"6,1.0,1,2\n",
        b"a,b\n1,2\n",
        b"\xff\xfe\x00\x80",
    ],
)
def test_damaged_curves_are_named(content, tmp_path):
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="history.csv is damaged: line .*Delete the"):
        history.read(str(path))

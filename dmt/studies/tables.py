"""Tables and claims of studies, for their pages and as text.

A cell of a table is None, text, a number, the mean and the standard deviation of
numbers, or their median and quartiles.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dmt.utils.statistics import student_interval


def table(
    title: str, caption: str, columns: list[str], rows: list[list]
) -> dict[str, Any]:
    """A table, whose rows begin with their label."""
    return {"title": title, "caption": caption, "columns": columns, "rows": rows}


def mean_and_std(values: Any) -> dict[str, float]:
    """Cell with the mean and the standard deviation of at least two numbers."""
    values = np.asarray(values, dtype=float)
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1))}


def median_and_quartiles(values: Any) -> dict[str, float]:
    """Cell with the median and the quartiles of an array of any shape."""
    first, median, third = np.percentile(np.asarray(values, dtype=float), [25, 50, 75])
    return {"median": float(median), "first": float(first), "third": float(third)}


def claim(
    text: str,
    values: Any,
    above: float | None = 0.0,
    below: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A claim that a mean lies in a range.

    Args:
        text: what is in the range.
        values: a number for each seed, at least two.
        above: lower end of the range, None if it has none.
        below: upper end of the range, None if it has none.
        **more: further entries of the claim.

    Returns:
        Dictionary with the text as "claim", the mean as "difference", Student's 95 %
        interval as "low" and "high", the "verdict", and the arguments.
    """
    values = np.asarray(values, dtype=float)
    low, high = student_interval(values)
    return {
        "claim": text,
        **more,
        "values": values.tolist(),
        "above": above,
        "below": below,
        "difference": float(values.mean()),
        "low": low,
        "high": high,
        "verdict": verdict(low, high, above, below),
    }


def verdict(
    low: float, high: float, above: float | None = 0.0, below: float | None = None
) -> str:
    """What an interval says of the claim that a number lies in a range.

    Returns:
        "agrees" if the interval lies inside the range, "disagrees" if it lies outside,
        and "not decided" if it reaches beyond an end of the range, or is not known.
    """
    lowest = -np.inf if above is None else above
    highest = np.inf if below is None else below
    if lowest < low and high < highest:
        return "agrees"
    if high < lowest or highest < low:
        return "disagrees"
    return "not decided"


def digits(value: float) -> str:
    """A number for readers, with three digits after the point if it is small."""
    text = f"{value:z.3f}" if abs(value) < 10 else f"{value:z.1f}"
    return text.replace("-", "−")


def format_cell(cell: Any) -> str:
    """A cell as text."""
    if cell is None:
        return "–"
    if isinstance(cell, Mapping):
        if "mean" in cell:
            return f"{digits(cell['mean'])} ± {digits(cell['std'])}"
        ends = f"{digits(cell['first'])} to {digits(cell['third'])}"
        return f"{digits(cell['median'])} ({ends})"
    return digits(cell) if isinstance(cell, float) else str(cell)


def format_range(above: float | None, below: float | None) -> str:
    """The range of a claim as text, for example "above 0"."""
    ends = [f"{end:g}".replace("-", "−") for end in (above, below) if end is not None]
    if len(ends) == 2:
        return f"between {ends[0]} and {ends[1]}"
    return f"{'below' if above is None else 'above'} {ends[0]}"


def markdown(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines of tables in Markdown, each with its title and caption."""
    lines = []
    for one in tables:
        lines += ["", f"## {one['title']}", "", one["caption"], ""]
        lines.append("| | " + " | ".join(one["columns"]) + " |")
        lines.append("|---" * (len(one["columns"]) + 1) + "|")
        for label, *cells in one["rows"]:
            lines.append(f"| {label} | " + " | ".join(map(format_cell, cells)) + " |")
    return lines

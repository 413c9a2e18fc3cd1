"""The page of the study of multi-task learning, and its tables as text."""

import dataclasses
import os

from dmt.studies.multitask import figures
from dmt.studies.multitask.scores import Scores
from dmt.utils import files, results
from dmt.visualize import pages


def write(definition, output_dir):
    """Writes `study.json`, `tables.md`, `figures/` and `index.html`.

    Args:
        definition: the `dmt.studies.multitask.runs.Study`.
        output_dir: directory of its complete runs.

    Returns:
        Path of the page.
    """
    scores = Scores(definition, output_dir)
    tables, claims = scores.tables(), scores.claims()
    facts = {**scores.facts(), "definition": dataclasses.asdict(definition)}
    results.save_dict(
        os.path.join(output_dir, "study.json"),
        {**facts, "claims": claims, "tables": tables},
    )
    files.write_text(
        os.path.join(output_dir, "tables.md"), _markdown(facts, claims, tables)
    )
    path = os.path.join(output_dir, "index.html")
    pages.write(
        os.path.join(os.path.dirname(__file__), "page.html.jinja"),
        path,
        **facts,
        claims=claims,
        tables=tables,
        format_cell=_format,
        curves=figures.scores(scores),
        pictures=figures.pictures_of_codes(definition.seeds[0], output_dir),
    )
    return path


def _format(cell):
    if cell is None:
        return "–"
    if isinstance(cell, dict):
        return f"{_digits(cell['mean'])} ± {_digits(cell['std'])}"
    return _digits(cell) if isinstance(cell, float) else str(cell)


def _digits(value):
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return text.replace("-", "−")


def _markdown(facts, claims, tables):
    definition = facts["definition"]
    lines = [
        f"# Multi-task learning and disentanglement: {definition['dataset']}",
        "",
        f"{facts['num_runs']} runs, {facts['process_seconds'] / 60:.0f} minutes of one "
        f"process; {facts['steps']:,} steps of each multi-task encoder; "
        f"{len(definition['seeds'])} seeds.",
        "",
        "## Claims",
        "",
        "| claim | difference, 95 % interval | verdict |",
        "|---|---|---|",
    ]
    for claim in claims:
        note = "" if claim["made_by_paper"] else " (not claimed)"
        interval = f"{_digits(claim['low'])} to {_digits(claim['high'])}"
        lines.append(
            f"| {claim['claim']}{note} | {_digits(claim['difference'])}, {interval} "
            f"| {claim['verdict']} |"
        )
    for table in tables:
        lines += ["", f"## {table['title']}", "", table["caption"], ""]
        lines.append("| | " + " | ".join(table["columns"]) + " |")
        lines.append("|---" * (len(table["columns"]) + 1) + "|")
        for label, *cells in table["rows"]:
            lines.append(f"| {label} | " + " | ".join(map(_format, cells)) + " |")
    return "\n".join(lines) + "\n"

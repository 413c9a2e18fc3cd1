"""The page of the study of multi-task learning, and its tables as text."""

import dataclasses
import os

from dmt.studies.multitask import figures
from dmt.studies.multitask.scores import Scores
from dmt.studies.tables import digits, format_cell, markdown
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
        format_cell=format_cell,
        curves=figures.scores(scores),
        pictures=figures.pictures_of_codes(definition.seeds[0], output_dir),
    )
    return path


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
        interval = f"{digits(claim['low'])} to {digits(claim['high'])}"
        lines.append(
            f"| {claim['claim']}{note} | {digits(claim['difference'])}, {interval} "
            f"| {claim['verdict']} |"
        )
    return "\n".join(lines + markdown(tables)) + "\n"

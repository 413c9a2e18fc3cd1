"""The page of the study of evidence accumulation, and its tables as text."""

import dataclasses
import itertools
import os
from collections import Counter

from dmt.studies.evidence import figures
from dmt.studies.evidence.claims import CLAIMS, claims
from dmt.studies.evidence.scores import HOW_TO_READ, Scores
from dmt.studies.tables import digits, format_cell, format_range, markdown
from dmt.utils import files, results
from dmt.visualize import pages

SECTIONS = {
    "tasks": "Number of tasks",
    "directions": "Directions of the decoders",
    "states": "States",
    "attractor": "Fixed points",
    "sparseness": "Sparseness",
    "free": "Free reaction times",
    "changes": "Noise, latents, dimensions and variants",
}


def write(definition, output_dir):
    """Writes `study.json`, `tables.md` and `index.html`.

    Args:
        definition: the `dmt.studies.evidence.runs.Study`.
        output_dir: directory of its complete runs.

    Returns:
        Path of the page.
    """
    scores = Scores(definition, output_dir)
    found, tables = claims(scores), scores.tables()
    facts = {**scores.facts(), "definition": dataclasses.asdict(definition)}
    all_tables = list(itertools.chain(*tables.values()))
    results.save_dict(
        os.path.join(output_dir, "study.json"),
        {**facts, "claims": found, "tables": all_tables},
    )
    files.write_text(
        os.path.join(output_dir, "tables.md"), _markdown(facts, found, all_tables)
    )
    pictures = figures.draw_all(scores)
    path = os.path.join(output_dir, "index.html")
    pages.write(
        os.path.join(os.path.dirname(__file__), "page.html.jinja"),
        path,
        **facts,
        how_to_read=HOW_TO_READ,
        claims=_by_number(found),
        verdicts=_verdicts(found),
        sections=[
            (title, pictures[part], tables[part])
            for part, title in SECTIONS.items()
            if pictures[part] or tables[part]
        ],
        format_cell=format_cell,
        format_range=format_range,
    )
    return path


def _by_number(found):
    """List of the number and the text of each claim of the paper, and its rows."""
    groups = itertools.groupby(found, key=lambda row: row["number"])
    return [(number, CLAIMS[number], list(rows)) for number, rows in groups]


def _verdicts(found):
    """How many rows agree, as a sentence."""
    counts = Counter(row["verdict"] for row in found)
    return (
        f"Of {len(found)} rows, {counts['agrees']} agree with the paper, "
        f"{counts['disagrees']} disagree, and {counts['not decided']} are not decided."
    )


def _markdown(facts, found, tables):
    definition = facts["definition"]
    lines = [
        "# Multi-task learning and evidence accumulation",
        "",
        f"{facts['num_runs']} runs of {facts['num_settings']} settings, "
        f"{facts['num_updates']:,} updates, {len(definition['seeds'])} seeds. "
        f"{HOW_TO_READ}",
        "",
        "## Claims",
        "",
        _verdicts(found),
    ]
    for number, text, rows in _by_number(found):
        lines += ["", f"{number}. {text}", ""]
        lines += ["| claim | mean, 95 % interval | verdict |", "|---|---|---|"]
        for row in rows:
            limits = format_range(row["above"], row["below"])
            interval = f"{digits(row['low'])} to {digits(row['high'])}"
            lines.append(
                f"| {row['claim']} is {limits}. | {digits(row['difference'])}, "
                f"{interval} | {row['verdict']} |"
            )
    return "\n".join(lines + markdown(tables)) + "\n"

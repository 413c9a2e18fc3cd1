"""Writes docs/reference.md, the tables of what the package has.

    python docs/make_reference.py

A test compares the file with what this program would write now.
"""

import importlib
import inspect
import pathlib
import sys

import gin

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from dmt import evidence  # noqa: E402
from dmt.cli import table  # noqa: E402
from dmt.data import registry as datasets  # noqa: E402
from dmt.data.ground_truth import named_data  # noqa: E402, F401 (registers datasets)
from dmt.evaluation.metrics import registry as metrics  # noqa: E402
from dmt.methods.shared.training import TrainableModel  # noqa: E402
from dmt.studies import registry as studies  # noqa: E402
from dmt.utils import modules  # noqa: E402

INTRODUCTION = """\
# Reference

`python docs/make_reference.py` writes these tables from the package.
"""


def first_line(documented) -> str:
    """First line of a docstring."""
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def commands() -> list[tuple[str, ...]]:
    """Rows of the table of commands."""
    found = {command.name: command for group in table.groups() for command in group}
    return [
        (f"`{table.PREFIX}{name}`", found[name].help.partition(" (")[0])
        for name in sorted(found)
    ]


def models() -> list[tuple[str, ...]]:
    """Rows of the table of models."""
    modules.import_all("dmt.methods")
    rows = []
    # Gin has no public list of what is registered.
    for selector, entry in gin.config._REGISTRY.items():
        model = entry.wrapped
        if inspect.isclass(model) and issubclass(model, TrainableModel):
            parameters = list(inspect.signature(model.__init__).parameters)[1:]
            arguments = ", ".join(f"`{name}`" for name in parameters)
            rows.append(
                (f"`{selector.rpartition('.')[2]}`", first_line(model), arguments)
            )
    return sorted(rows)


def analyses() -> list[tuple[str, ...]]:
    """Rows of the table of analyses of agents that accumulate evidence."""
    modules.import_all("dmt.evaluation.evidence")
    return sorted(
        (f"`{selector.rpartition('.')[2]}`", first_line(entry.wrapped))
        for selector, entry in gin.config._REGISTRY.items()
        if entry.wrapped.__module__.startswith("dmt.evaluation.evidence.")
        and "representation_function" in inspect.signature(entry.wrapped).parameters
    )


def reference() -> str:
    """The whole page."""
    tables = {
        "Commands": (("command", "what it does"), commands()),
        "Datasets": (
            ("`dataset.name`", "dataset"),
            [(f"`{name}`", datasets.describe(name)) for name in datasets.names()],
        ),
        "Models": (("`model.model`", "model", "parameters"), models()),
        "Metrics": (
            ("in `dmt.metrics`", "gin name", "metric", "scores in tables"),
            [
                (
                    f"`{name}`",
                    f"`{entry.gin_name}`",
                    first_line(entry.function),
                    ", ".join(f"`{score}`" for score in entry.scores),
                )
                for name, entry in sorted(metrics.all_metrics().items())
            ],
        ),
        "Analyses of agents": (("`evaluation.evaluation_fn`", "analysis"), analyses()),
        "Evidence accumulation": (
            ("in `dmt.evidence`", "function or class"),
            [
                (f"`{name}`", first_line(getattr(evidence, name)))
                for name in evidence.__all__
            ],
        ),
        "Studies": (
            ("`--study`", "study", "options of `dmt_study`"),
            [
                (
                    f"`{name}`",
                    first_line(importlib.import_module(_folder(entry.place))),
                    ", ".join(f"`--{option.name}`" for option in entry.options),
                )
                for name, entry in sorted(studies.registered().items())
            ],
        ),
    }
    lines = [INTRODUCTION]
    for title, (columns, rows) in tables.items():
        lines += [f"## {title}", "", _row(columns), _row(["---"] * len(columns))]
        lines += [*map(_row, rows), ""]
    return "\n".join(lines)


def _folder(place):
    return place.partition(":")[0].rpartition(".")[0]


def _row(cells):
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    (ROOT / "docs" / "reference.md").write_text(reference(), encoding="utf-8")

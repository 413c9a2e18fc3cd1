"""Names of factors may be any text; pages and pictures show them as it is."""

import base64
import os
import warnings
import xml.etree.ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from dmt.data.ground_truth import dummy_data
from dmt.evaluation.metrics import unified_scores
from dmt.utils import pictures
from dmt.visualize import pages, visualize_dataset, visualize_model

NAMES = [
    "$x$",
    r"$\frac{a}",
    "_hidden",
    "<b>&amp;",
    "{0} %s",
    "new\nline",
    "nul\0 and \x1b[1m",
    os.fsdecode(b"\xff"),
    "long" * 1000,
    "",
    "日本語",
]


def test_labels_are_one_short_line():
    labels = list(map(pictures.as_label, NAMES))
    assert labels[:5] == NAMES[:5]
    assert labels[5:8] == [r"new\nline", r"nul\x00 and \x1b[1m", r"\udcff"]
    assert len(labels[8]) == 60 and labels[9] == ""


@pytest.mark.parametrize("names", [NAMES, ["$x$"], ["_x", "_y"]])
def test_pictures_of_models_and_metrics(names, tmp_path):
    generator = np.random.RandomState(0)
    factors = generator.randint(3, size=(50, len(names)))
    codes = generator.normal(size=(50, 2))
    path = tmp_path / "effects.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        visualize_model._save_effects(
            names, [False] * len(names), factors, codes, [1, 0], str(path)
        )
        unified_scores._plot(generator.rand(3, len(names)), tmp_path, "m", names)
    assert {"effects.png", "m.png"} <= set(os.listdir(tmp_path))


def test_legend_has_every_factor(monkeypatch, tmp_path):
    legends = []
    savefig = Figure.savefig

    def save(figure, *arguments, **options):
        legends.append([text.get_text() for text in figure.legends[0].get_texts()])
        savefig(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", save)
    factors, codes = np.eye(4, dtype=int), np.eye(4)[:, :2]
    names = ["_x", "$y", "a\nb", "$z$"]
    path = str(tmp_path / "effects.png")
    visualize_model._save_effects(names, [False] * 4, factors, codes, [0, 1], path)
    assert legends == [["_x", "$y", r"a\nb", "$z$"]]


def test_pictures_of_datasets():
    class Named(dummy_data.DummyData):
        factor_names = NAMES[: dummy_data.DummyData().num_factors]

    picture = visualize_dataset.factors_picture(Named(), np.random.RandomState(0))
    assert picture.ndim == 3 and picture.shape[1] < 4000


def test_pages_show_text(tmp_path):
    template = tmp_path / "page.html.jinja"
    template.write_text("<p>{{ names | join('|') }}</p><img src='{{ figure }}'>")
    with pages.drawing():
        figure = Figure()
        figure.subplots().set_title(pictures.as_label("$\\frac{a}\0<b>\udcff"))
        url = pages.inlined_figure(figure)
    pages.write(str(template), str(tmp_path / "page.html"), names=NAMES, figure=url)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for shown in (
        "<p>$x$|",
        "|&lt;b&gt;&amp;amp;|",
        "|{0} %s|",
        r"|nul\x00 and \x1b[1m|",
        r"|\udcff|",
    ):
        assert shown in text
    svg = base64.b64decode(url.partition("base64,")[2])
    xml.etree.ElementTree.fromstring(svg)  # NUL would be no XML.

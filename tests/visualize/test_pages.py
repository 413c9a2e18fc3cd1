"""Numbers and figures on HTML pages."""

import base64

import jinja2
import pytest
from matplotlib.figure import Figure

from dmt.visualize import pages


@pytest.mark.parametrize(
    "value, text",
    [(None, "undefined"), (0.12345, "0.123"), (123.456, "123.5"), (4608, "4,608")],
)
def test_numbers(value, text):
    assert pages.number(value) == text


@pytest.mark.parametrize(
    "seconds, text", [(1.23, "1.2 s"), (75, "1 min 15 s"), (7260, "2 h 1 min")]
)
def test_durations(seconds, text):
    assert pages.duration(seconds) == text


def test_figures_have_plain_axes_and_do_not_change(tmp_path):
    def picture():
        with pages.drawing():
            figure = Figure()
            used, unused = figure.subplots(1, 2)
            pages.plain_axes([used], [unused])
            used.plot([0, 1], [2, 3])
            assert used.get_visible() and not unused.get_visible()
            assert not used.spines["top"].get_visible()
            assert used.spines["left"].get_visible()
            return pages.inlined_figure(figure)

    url = picture()
    assert url == picture()
    kind, content = url.split(",", 1)
    assert kind == "data:image/svg+xml;base64"
    assert b"<svg" in base64.b64decode(content)


def test_pages_escape_text_and_are_written_whole(tmp_path):
    template = tmp_path / "page.html.jinja"
    template.write_text("{{ name }} {{ value | number }}")
    path = tmp_path / "out" / "page.html"
    pages.write(str(template), str(path), name="<vae>", value=0.5)
    assert path.read_text() == "&lt;vae&gt; 0.500"
    template.write_text("{{ missing }}")
    with pytest.raises(jinja2.UndefinedError):
        pages.write(str(template), str(path))
    assert path.read_text() == "&lt;vae&gt; 0.500"


def test_missing_pictures_are_none(tmp_path):
    assert pages.inlined(str(tmp_path / "no.png")) is None
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert pages.inlined(str(tmp_path / "a.jpg")) == "data:image/jpeg;base64,eA=="

"""HTML pages, each of which is one file without external parts."""

import base64
import contextlib
import io
import os
import re

from dmt.utils import files, pictures

# This grey is legible on light and on dark pages.
GREY = "#808080"
_NO_HTML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def write(template_path, output_path, **values):
    """Writes a page, completely or not at all.

    Args:
        template_path: jinja template, which can include "page.css" and use the filters
            `number` and `duration`.
        output_path: HTML file to write.
        **values: the variables of the template.
    """
    import jinja2

    directory, name = os.path.split(template_path)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([directory, os.path.dirname(__file__)]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"number": number, "duration": duration}
    text = environment.get_template(name).render(**values)
    # HTML has no place for these, but names in files may hold them.
    text = _NO_HTML.sub(lambda c: c[0].encode("unicode_escape").decode(), text)
    files.write_text(output_path, text)


@contextlib.contextmanager
def drawing():
    """Context in which figures for pages are drawn."""
    import matplotlib

    parts = ("text.", "axes.label", "axes.edge", "xtick.", "ytick.")
    grey = {f"{part}color": GREY for part in parts}
    with (
        pictures.plain_text(),
        matplotlib.rc_context({"svg.hashsalt": "dmt", **grey}),
    ):
        yield


def plain_axes(axes, unused=()):
    """Gives matplotlib axes the style of all figures; hides the unused ones."""
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.2, color=GREY)
    for axis in unused:
        axis.set_visible(False)


def inlined_figure(figure):
    """Returns a matplotlib figure as a data URL; call it in `drawing`."""
    content = io.BytesIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return data_url("image/svg+xml", content.getvalue())


def inlined(path):
    """Returns a picture file as a data URL, None if there is no such file."""
    if not os.path.isfile(path):
        return None
    kind = os.path.splitext(path)[1][1:].replace("jpg", "jpeg")
    with open(path, "rb") as file:
        return data_url(f"image/{kind}", file.read())


def data_url(kind, content):
    """Returns bytes of a MIME type as a URL that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def number(value):
    """Formats a number for readers; None is "undefined"."""
    if value is None:
        return "undefined"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def duration(seconds):
    """Formats a number of seconds for readers."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"

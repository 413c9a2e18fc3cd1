"""HTML pages in one file, without external parts."""

import base64
import contextlib
import io
import os

from dmt.utils import files

# Reads on light and on dark pages.
GREY = "#808080"


def write(template_path, output_path, **values):
    """Writes a page, whole or not at all.

    Args:
        template_path: jinja template; it can include "page.css" and has the filters
            `number` and `duration`.
        output_path: HTML file to write.
        **values: what the template shows.
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
    files.write_text(output_path, environment.get_template(name).render(**values))


@contextlib.contextmanager
def drawing():
    """Figures that are drawn inside are for pages."""
    import matplotlib

    style = {
        "text.color": GREY,
        "axes.labelcolor": GREY,
        "axes.edgecolor": GREY,
        "xtick.color": GREY,
        "ytick.color": GREY,
    }
    with matplotlib.rc_context({"svg.hashsalt": "dmt", **style}):
        yield


def inlined_figure(figure):
    """A matplotlib figure as a data URL, to be made in `drawing`."""
    content = io.BytesIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return data_url("image/svg+xml", content.getvalue())


def inlined(path):
    """A picture as a data URL, None where there is none."""
    if not os.path.exists(path):
        return None
    kind = os.path.splitext(path)[1][1:].replace("jpg", "jpeg")
    with open(path, "rb") as file:
        return data_url(f"image/{kind}", file.read())


def data_url(kind, content):
    """Bytes of a MIME type as a URL that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def number(value):
    """A number as people read it; None is "undefined"."""
    if value is None:
        return "undefined"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def duration(seconds):
    """Seconds as people read them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"

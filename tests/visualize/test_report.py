import base64
import json
import re
import shutil

import numpy as np
import pytest

from dmt.utils.pictures import save_image
from dmt.visualize.report import write_report


def page_of(run_dir):
    path = str(run_dir / "report.html")
    assert write_report(str(run_dir), path) == path
    return (run_dir / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def bare_run(run_dir, tmp_path):
    """A run of which only the model exists."""
    shutil.copytree(run_dir / "model", tmp_path / "run" / "model")
    return tmp_path / "run"


@pytest.fixture
def full_run(bare_run):
    """The same with two scores and all pictures."""
    for name, scores in {
        "mig": {
            "discrete_mig": 0.123456,
            "mig_per_factor": [0.1, 0.2, 0.3, 0.4, None],
            "mutual_information": np.linspace(0, 1.5, 15).reshape(3, 5).tolist(),
            "num_bins": 20,
        },
        "dci": {
            "disentanglement": None,
            "predictor": "<Forest>",
            "nested": [[[1]]],
            "long": [0.5] * 100,
        },
    }.items():
        found = {**scores, "elapsed_time": 75.0, "origin": "rendered", "uuid": "u"}
        aggregate = bare_run / "metrics" / "mean" / name / "results" / "aggregate"
        aggregate.mkdir(parents=True)
        (aggregate / "evaluation.json").write_text(
            json.dumps({f"evaluation_results.{k}": v for k, v in found.items()})
        )
    for name in (
        "traversals.png",
        "reconstructions/reconstructions.jpg",
        "sampled/samples.jpg",
        "interventional_effects/interventional_effect.png",
    ):
        save_image(np.zeros((8, 8, 1)), str(bare_run / "visualizations" / name))
    (bare_run / "visualizations" / "traversals.gif").write_bytes(b"GIF89a")
    return bare_run


def test_page_needs_nothing_from_elsewhere(full_run):
    page = page_of(full_run)
    assert not re.search(r"https?://|src=\"(?!data:)|<script|<link|@import", page)
    urls = re.findall(r'src="data:image/([^;]+);base64,([^"]+)"', page)
    kinds = sorted(kind for kind, _ in urls)
    assert kinds == ["gif", "jpeg", "jpeg", "png", "png", "svg+xml"]
    assert base64.b64decode(dict(urls)["gif"]) == b"GIF89a"
    assert "not drawn yet" not in page.lower()


def test_page_says_what_was_trained(bare_run):
    page = " ".join(page_of(bare_run).split())
    assert "<h1>vae on dsprites_rendered_small</h1>" in page
    assert "(beta = 4.0)" in page and "for 2 steps of 4 images, seed 0" in page
    assert "(4,608 images)" in page and "The batches held 8 images" in page
    assert "After training, on 4 examples" in page
    assert '<p class="soft">Run run</p>' in page
    assert "not comparable with published tables" in page
    assert "encoder.num_latent = 3" in page


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["dynamics.k = 1"], ["2 steps of 4 pairs of images", "held 16 images"]),
        (
            ["model.num_labelled_samples = 100"],
            ["2 steps of 4 images and 4 labelled images", "held 16 images"],
        ),
        (
            ["vae.steps_per_update = 2"],
            ["2 steps (1 updates) of 4 images", "held 4 images"],
        ),
        (
            ["image_folder.path = '/data/my photos/'", "image_folder.csv = 'f.csv'"],
            [
                "vae on my photos (image_folder)</h1>",
                "my photos (image_folder)</b> for",
            ],
        ),
    ],
)
def test_images_and_folders_are_the_true_ones(bare_run, lines, words):
    path = bare_run / "model" / "results" / "gin" / "train.gin"
    text = path.read_text()
    if any("image_folder" in line for line in lines):
        text = text.replace("'dsprites_rendered_small'", "'image_folder'")
    path.write_text("\n".join([text, *lines]))
    page = " ".join(page_of(bare_run).split())
    for word in words:
        assert word in page


@pytest.mark.parametrize(
    ("steps", "words"),
    [([100, 200, 240], "the last 40 steps"), ([1500], "the last 1,500 steps")],
)
def test_the_last_point_of_a_curve_is_explained(bare_run, steps, words):
    rows = [f"{step},1.0,2.5,2.5" for step in steps]
    text = "\n".join(["step,elapsed_time,loss,kl_loss", *rows])
    (bare_run / "model" / "history.csv").write_text(text)
    assert f"is the mean over {words}" in page_of(bare_run)


def test_scores_are_shown(full_run):
    page = page_of(full_run)
    assert re.search(r"discrete_mig</span> <b>0\.123</b>", page)
    assert re.search(r"disentanglement</span> <b>undefined</b>", page)
    assert "num_bins 20" in page and "1 min 15 s" in page
    assert "&lt;Forest&gt;" in page and "<Forest>" not in page
    # A heat map: three codes, five factors by name.
    assert page.count("--share: ") == 15
    assert '<td style="--share: 1.000">1.500</td>' in page
    for name in ("<th>position x</th>", "<th>code 2</th>", "<th>mig_per_factor</th>"):
        assert name in page
    assert "nested" not in page and "long" not in page


def test_missing_parts_are_named(bare_run):
    (bare_run / "model" / "history.csv").unlink()
    page = page_of(bare_run)
    assert "Not evaluated yet" in page
    assert page.count("Not drawn yet") == 5
    assert "There is no history.csv" in page


def test_macros_are_resolved(bare_run):
    path = bare_run / "model" / "results" / "gin" / "train.gin"
    text = path.read_text().replace("num_latent = 3", "num_latent = %codes")
    path.write_text(f"codes = 3\n{text}")
    assert "with 3 codes" in page_of(bare_run)


def test_origin_may_be_unknown(bare_run):
    path = bare_run / "model" / "results" / "json" / "train_results.json"
    found = json.loads(path.read_text())
    assert found.pop("origin") == "rendered"
    path.write_text(json.dumps(found))
    assert "not comparable with published tables" not in page_of(bare_run)


def test_no_model_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished model") as error:
        write_report(str(tmp_path), str(tmp_path / "report.html"))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"[1]",
        b"\xff\xfe\x00",
        b'{"evaluation_results.versions": {}, "a": NaN',
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "metrics/mean/mig/results/aggregate/evaluation.json",
        "model/results/json/train_results.json",
    ],
)
def test_damaged_scores_are_named(full_run, name, content):
    check_damage(full_run, name, content)


def check_damage(full_run, name, content):
    (full_run / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(full_run / name))) as error:
        write_report(str(full_run), str(full_run / "report.html"))
    assert "\n" not in str(error.value)
    assert not (full_run / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model/results/json/train_results.json", b'{"global_step": 3}'),
        (
            "model/results/json/train_results.json",
            b'{"global_step": [], "elapsed_time": 1}',
        ),
        ("model/history.csv", b"step,kl_loss\n1,many\n"),
        ("model/history.csv", b"step,kl_loss\n1\n"),
        ("model/history.csv", b"kl_loss\n1\n"),
        ("model/history.csv", b"\xff\xfe\n1\n"),
        ("model/results/gin/train.gin", b"\xff\xfe = 3"),
        (
            "metrics/mean/mig/results/aggregate/evaluation.json",
            b'{"evaluation_results.confidence_intervals": [1]}',
        ),
        (
            "metrics/mean/mig/results/aggregate/evaluation.json",
            b'{"evaluation_results.elapsed_time": "long"}',
        ),
        (
            "metrics/mean/mig/results/aggregate/evaluation.json",
            b'{"evaluation_config.evaluation.evaluation_fn": 3}',
        ),
    ],
)
def test_wrong_content_is_named(full_run, name, content):
    check_damage(full_run, name, content)

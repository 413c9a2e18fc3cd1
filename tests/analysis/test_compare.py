import json
import re

import numpy as np
import pytest
from scipy import stats

from dmt.analysis.compare import compare

OURS = {
    "train_config.model.dtype_policy": "'float32'",
    "train_config.model.log_steps": "1000",
    "train_results.origin": "official",
    "evaluation_config.bootstrap.num_resamples": "0",
    "evaluation_results.versions": {"dmt": "1"},
    "evaluation_results.confidence_intervals": {"discrete_mig": [0.0, 1.0]},
}
THEIRS = {
    "train_config.AdamOptimizer.use_locking": "False",
    "train_config.piecewise_constant.values": "\\",
}
BETAS = (1.0, 2.0, 4.0, 6.0, 8.0, 16.0)


def row(beta, scores, seed=0, metric="mig", method="mean", **changes):
    """What aggregate/evaluation.json holds, keys as disentanglement_lib has them."""
    return {
        "train_config.dataset.name": "'dsprites_full'",
        "train_config.model.model": "@vae()",
        "train_config.model.random_seed": f"{seed}",
        "train_config.model.name": f"'run {beta} {seed}'",
        "train_config.model.model_num": f"{seed}",
        "train_config.vae.beta": f"{beta}",
        "train_results.elapsed_time": 7.0 * seed,
        "train_results.uuid": f"{beta}{seed}",
        "postprocess_config.dataset.name": "'dsprites_full'",
        "postprocess_config.postprocess.postprocess_fn": f"@{method}_representation",
        "postprocess_config.postprocess.random_seed": "3",
        "evaluation_config.dataset.name": "'dsprites_full'",
        "evaluation_config.evaluation.evaluation_fn": f"@{metric}",
        "evaluation_config.evaluation.random_seed": f"{seed + 1}",
        f"evaluation_config.{metric}.num_train": "10000",
        **{f"evaluation_results.{key}": value for key, value in scores.items()},
        "evaluation_results.elapsed_time": 1.0 + seed,
        "evaluation_results.uuid": f"{seed}",
        **{key.replace("__", "."): value for key, value in changes.items()},
    }


def write(root, rows):
    """A tree of runs, as deep as both libraries make it."""
    for i, cells in enumerate(rows):
        folder = root / f"{i}" / "metrics" / "mean" / "mig" / "results" / "aggregate"
        folder.mkdir(parents=True)
        (folder / "evaluation.json").write_text(json.dumps(cells))
    return str(root)


def migs(values, **extra):
    return [
        row(beta, {"discrete_mig": value}, **extra)
        for beta, value in zip(BETAS, values, strict=False)
    ]


def found_in(tmp_path):
    return json.loads((tmp_path / "out" / "compare.json").read_text())


def by_metric(tmp_path):
    return {
        (row["representation"], row["metric"], row["score"]): row
        for row in found_in(tmp_path)["metrics"]
    }


def test_known_differences(tmp_path):
    first = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    second = np.array([0.2, 0.1, 0.5, 0.4, 0.7, 0.8])
    ours = [{**cells, **OURS} for cells in migs(first)]
    theirs = [{**cells, **THEIRS} for cells in migs(second)]
    table = compare(
        write(tmp_path / "ours", ours),
        write(tmp_path / "theirs", theirs),
        str(tmp_path / "out"),
    )
    (found,) = by_metric(tmp_path).values()
    assert found["configurations"] == 6
    assert found["first"] == pytest.approx(0.35)
    assert found["second"] == pytest.approx(0.45)
    assert found["difference"] == pytest.approx(0.1)
    interval = stats.ttest_rel(second, first).confidence_interval()
    assert (found["low"], found["high"]) == pytest.approx(interval)
    # Ranks 1..6 against 2 1 4 3 5 6: four of them are off by one.
    assert found["rank_correlation"] == pytest.approx(1 - 6 * 4 / (6 * 35))
    lines = table.splitlines()
    numbers = ["mean", "mig", "discrete_mig", "6", "0.3500", "0.4500", "+0.1000"]
    assert lines[1].split()[:7] == numbers
    assert lines[1].endswith("+0.89")
    assert "both sets 6, only in the first 0, only in the second 0" in lines[-1]

    keys = {row["key"]: row for row in found_in(tmp_path)["keys"]}
    assert keys.keys() == {
        "train_config.model.dtype_policy",
        "train_config.model.log_steps",
        "train_config.AdamOptimizer.use_locking",
        "evaluation_config.bootstrap.num_resamples",
    }
    assert keys["train_config.model.log_steps"] == {
        "key": "train_config.model.log_steps",
        "first": [1000],
        "second": [],
        "matched": False,
    }


def test_runs_of_a_configuration_are_averaged(tmp_path):
    first = [*migs([0.1, 0.2], seed=0), *migs([0.3, 0.6], seed=1)]
    second = [*migs([0.3, 0.5], seed=7)]
    compare(
        write(tmp_path / "a", first),
        write(tmp_path / "b", second),
        str(tmp_path / "out"),
    )
    (found,) = by_metric(tmp_path).values()
    assert found["configurations"] == 2
    assert found["first"] == pytest.approx(0.3)
    assert found["difference"] == pytest.approx(0.1)
    # The differences are 0.1 and 0.1; two points have no rank correlation.
    assert (found["low"], found["high"]) == pytest.approx((0.1, 0.1))
    assert found["rank_correlation"] is None


def test_metrics_and_representations_are_told_apart(tmp_path):
    def rows(shift):
        return [
            row(beta, {"eval_accuracy": value + shift, "num_active_dims": 5}, **of)
            for beta in BETAS[:4]
            for of, value in (
                ({"metric": "beta_vae_sklearn"}, 0.5),
                ({"metric": "factor_vae_score"}, 0.6),
                ({"metric": "factor_vae_score", "method": "sampled"}, 0.7),
            )
        ]

    table = compare(
        write(tmp_path / "a", rows(0.0)),
        write(tmp_path / "b", rows(0.25)),
        str(tmp_path / "out"),
    )
    found = by_metric(tmp_path)
    assert {key[:2]: row["first"] for key, row in found.items() if row["headline"]} == {
        ("mean", "beta_vae_sklearn"): pytest.approx(0.5),
        ("mean", "factor_vae_score"): pytest.approx(0.6),
        ("sampled", "factor_vae_score"): pytest.approx(0.7),
    }
    # No correlation without variation.
    assert all(row["rank_correlation"] is None for row in found.values())
    assert not found["mean", "factor_vae_score", "num_active_dims"]["headline"]
    assert "num_active_dims" not in table


def test_configurations_of_one_side(tmp_path):
    other = row(
        0,
        {"discrete_mig": 0.5},
        train_config__model__model="@factor_vae()",
        train_config__factor_vae__gamma="10.0",
    )
    del other["train_config.vae.beta"]
    compare(
        write(tmp_path / "a", migs([0.1, 0.2, 0.3])),
        write(tmp_path / "b", [*migs([0.1, 0.2]), other]),
        str(tmp_path / "out"),
    )
    configurations = found_in(tmp_path)["configurations"]
    assert configurations["both"] == 2
    assert configurations["only_first"] == [
        {"train_config.model.model": "@vae()", "train_config.vae.beta": 4.0}
    ]
    assert configurations["only_second"] == [
        {"train_config.model.model": "@factor_vae()"}
    ]


def test_undefined_scores_are_left_out(tmp_path):
    first, second = migs([0.1, None, 0.3]), migs([0.2, 0.2, 0.2])
    second[2]["evaluation_results.discrete_mig"] = float("nan")
    compare(
        write(tmp_path / "a", first),
        write(tmp_path / "b", second),
        str(tmp_path / "out"),
    )
    (found,) = by_metric(tmp_path).values()
    assert found["configurations"] == 1
    assert found["difference"] == pytest.approx(0.1)
    assert found["low"] is found["high"] is None
    assert found_in(tmp_path)["configurations"]["both"] == 3


def test_one_value_is_written_in_several_ways(tmp_path):
    first = migs([0.1, 0.2], train_config__model__model="@unsupervised/methods.vae()")
    second = migs([0.1, 0.2])
    for cells, codes in zip(first, ("10", "%codes"), strict=True):
        cells |= {"train_config.encoder.num_latent": codes, "train_config.codes": "10"}
    for cells, beta in zip(second, ("1", 2), strict=True):
        cells |= {
            "train_config.encoder.num_latent": "10.",
            "train_config.vae.beta": beta,
        }
    compare(
        write(tmp_path / "a", first),
        write(tmp_path / "b", second),
        str(tmp_path / "out"),
    )
    assert found_in(tmp_path)["configurations"]["both"] == 2
    assert not found_in(tmp_path)["keys"]


def test_aggregated_file_is_the_tree(tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = [{**cells, **THEIRS, "path": "p"} for cells in migs([0.1, 0.3, 0.2, 0.5])]
    tree = write(tmp_path / "tree", rows)
    other = write(tmp_path / "other", migs([0.2, 0.3, 0.4, 0.5]))
    compare(other, tree, str(tmp_path / "out"))
    expected = found_in(tmp_path)
    path = tmp_path / "results.json"
    pandas.DataFrame(rows).to_json(path)
    for _ in range(2):
        compare(other, str(path), str(tmp_path / "out"))
        found = found_in(tmp_path)
        assert found.pop("second") == {"path": str(path), "runs": 4}
        assert found == {k: v for k, v in expected.items() if k != "second"}
        # Read and written once more, numbers are no strings any longer.
        pandas.read_json(path).to_json(path)


def test_settings_of_a_metric_are_reported(tmp_path):
    compare(
        write(tmp_path / "a", migs([0.1, 0.2])),
        write(
            tmp_path / "b",
            migs([0.1, 0.2], evaluation_config__mig__num_train="1000"),
        ),
        str(tmp_path / "out"),
    )
    (key,) = found_in(tmp_path)["keys"]
    assert key == {
        "key": "evaluation_config.mig.num_train",
        "first": [10000],
        "second": [1000],
        "matched": False,
    }


@pytest.mark.parametrize(
    "changes, names",
    [
        ({"train_config__dataset__name": "'cars3d'"}, ["train_config.dataset.name"]),
        (
            {
                "train_config__vae__beta": "3.0",
                "evaluation_config__evaluation__evaluation_fn": "@dci",
            },
            ["train_config.vae.beta", "evaluation_config.evaluation.evaluation_fn"],
        ),
    ],
)
def test_nothing_in_common(changes, names, tmp_path):
    first = write(tmp_path / "a", migs([0.1, 0.2]))
    second = write(tmp_path / "b", migs([0.1, 0.2], **changes))
    with pytest.raises(ValueError, match="No configuration is in both") as error:
        compare(first, second, str(tmp_path / "out"))
    text = str(error.value)
    assert "\n" not in text and not (tmp_path / "out").exists()
    assert set(re.findall(r"(\w+_config[\w.]+) \(", text)) == set(names)


def test_combinations_that_differ_are_named(tmp_path):
    first = write(tmp_path / "a", migs([0.1, 0.2], train_config__model__batch_size="8"))
    second = migs([0.1, 0.2], train_config__model__batch_size="16")
    both = [
        row(3.0, {"discrete_mig": 0.1}, train_config__model__batch_size="8"),
        row(5.0, {"discrete_mig": 0.1}, train_config__model__batch_size="16"),
    ]
    second = write(tmp_path / "b", [*second, both[0]])
    write(tmp_path / "a" / "more", [both[1]])
    with pytest.raises(ValueError, match="model.batch_size .*vae.beta "):
        compare(first, second, str(tmp_path / "out"))


def test_ignored_keys(tmp_path):
    changes = {
        f"{step}_config__dataset__name": "'dsprites_rendered'"
        for step in ("train", "postprocess", "evaluation")
    }
    first = write(tmp_path / "a", migs([0.1, 0.2]))
    second = write(tmp_path / "b", migs([0.1, 0.2], **changes))
    with pytest.raises(ValueError, match="--ignore=evaluation_config.dataset.name"):
        compare(first, second, str(tmp_path / "out"))
    compare(first, second, str(tmp_path / "out"), ignore=["dataset.name"])
    found = found_in(tmp_path)
    assert found["configurations"]["both"] == 2
    assert [key["matched"] for key in found["keys"]] == [False] * 3


@pytest.mark.parametrize(
    "text, error",
    [
        (None, "There is no "),
        ("{}", "holds no scores"),
        ('{"path": {"0": "x"}}', "holds no scores"),
        ("[1]", "is no JSON object"),
        ('{"evaluation_results.mig": 0.5}', "is not a table"),
        ("{", "is not JSON"),
    ],
)
def test_unreadable_sets(text, error, tmp_path):
    first = write(tmp_path / "a", migs([0.1, 0.2]))
    path = tmp_path / "second.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises((ValueError, OSError), match=error) as raised:
        compare(first, str(path), str(tmp_path / "out"))
    assert "\n" not in str(raised.value) and not (tmp_path / "out").exists()


def test_empty_directory(tmp_path):
    first = write(tmp_path / "a", migs([0.1, 0.2]))
    (tmp_path / "b").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no scores"):
        compare(first, str(tmp_path / "b"), str(tmp_path / "out"))


def test_page(tmp_path):
    first = migs([0.1, 0.2, 0.3, 0.4], method="<mean>")
    second = migs([0.3, 0.4, 0.5, 0.7], method="<mean>")
    extra = row(99.0, {"discrete_mig": 0.1}, method="<mean>")
    compare(
        write(tmp_path / "a", first),
        write(tmp_path / "b", [*second, extra]),
        str(tmp_path / "out"),
    )
    page = (tmp_path / "out" / "compare.html").read_text()
    assert not re.search(r"https?://|src=\"(?!data:)|<script|<link|@import", page)
    assert '<td class="apart">+0.225</td>' in page
    assert '<td class="text long">vae.beta = 99.0</td>' in page
    assert "&lt;mean&gt;" in page and "<mean>" not in page


def test_thousands_of_runs(tmp_path):
    number = 20000
    columns = {}
    for i in range(number):
        cells = row(i % 5000, {"discrete_mig": i / number}, seed=i // 5000, **OURS)
        for column, value in cells.items():
            columns.setdefault(column, {})[str(i)] = value
    path = tmp_path / "results.json"
    path.write_text(json.dumps(columns))
    compare(str(path), str(path), str(tmp_path / "out"))
    (found,) = by_metric(tmp_path).values()
    assert found["configurations"] == 5000
    assert found["difference"] == 0
    assert found["rank_correlation"] == pytest.approx(1)

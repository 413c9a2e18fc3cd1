"""Scores as lines of text."""

import json
import math

from dmt.evaluation import tables


def test_headline_is_what_the_metric_declares():
    scores = {"disentanglement": 0.5, "completeness": 0.25, "other": 1.0, "num": 3}
    expected = {"disentanglement": 0.5, "completeness": 0.25}
    assert tables.headline(scores, "dci") == expected
    # By its gin name; the prefix of a key is a number of training samples.
    scores = {"10:eval_accuracy": 0.1, "eval_accuracy_per_factor": 0.3}
    assert tables.headline(scores, "beta_vae_sklearn") == {"10:eval_accuracy": 0.1}
    assert tables.headline({"mine": 0.5, "num": 3}, "my_metric") == {"mine": 0.5}
    assert tables.headline({"mine": 0.5}) == {"mine": 0.5}


def test_table_has_a_line_for_each_score():
    rows = [
        ("one", "mig", {"discrete_mig": 0.125}),
        (
            "another",
            "mig",
            {
                "discrete_mig": 0.5,
                "confidence_intervals": {"discrete_mig": [0.25, 0.75]},
            },
        ),
    ]
    lines = tables.table(rows).splitlines()
    assert [line.split() for line in lines] == [
        ["one", "discrete_mig", "0.1250"],
        ["another", "discrete_mig", "0.5000", "[0.2500,", "0.7500]"],
    ]
    assert lines[0].index("0.1250") == lines[1].index("0.5000")


def test_scores_in_results(tmp_path):
    aggregate = {
        "evaluation_config.evaluation.evaluation_fn": "%metric",
        "evaluation_config.metric": "@scope/mig",
        "evaluation_results.discrete_mig": 0.5,
        "evaluation_results.other": None,
        "train_results.elbo": 3.0,
    }
    name, scores = tables.scores_in(aggregate)
    assert name == "mig" and set(scores) == {"discrete_mig", "other"}
    assert math.isnan(scores["other"])
    assert tables.scores_in({}) == ("", {})
    folder = tmp_path / "results" / "aggregate"
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text(json.dumps(aggregate))
    line = tables.score_table({"label": str(tmp_path)})
    assert line.split() == ["label", "discrete_mig", "0.5000"]

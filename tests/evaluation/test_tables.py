"""Scores as lines of text."""

import json
import math

import numpy as np

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
    # Gin names both by their modules if a user's metric has the name of another one.
    scores = {"disentanglement": 0.5, "other": 1.0}
    assert tables.headline(scores, "dci.dci") == {"disentanglement": 0.5}
    assert tables.headline(scores, "my_metrics.dci") == scores


def test_facts_are_no_scores(tmp_path):
    facts = {
        "evaluation_results.elapsed_time": 1.5,
        "evaluation_results.renderer_version": None,
        "evaluation_results.origin": "user",
        "evaluation_results.uuid": "u",
        "evaluation_results.versions": {"numpy": "2"},
    }
    aggregate = {
        "evaluation_config.evaluation.evaluation_fn": "@my_module.my_metric",
        "evaluation_results.mine": 0.5,
        "evaluation_results.undefined": None,
        "evaluation_results.number": 3,
        **facts,
    }
    folder = tmp_path / "results" / "aggregate"
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text(json.dumps(aggregate))
    lines = tables.score_table({"mine": str(tmp_path)}).splitlines()
    assert [line.split() for line in lines] == [
        ["mine", "mine", "0.5000"],
        ["mine", "undefined", "nan"],
    ]
    # A number of NumPy is a score, as it is after it was written.
    scores = {"mine": np.float32(0.5), "count": np.int64(3), "elapsed_time": 2.0}
    assert tables.headline(scores, "my_metric") == {"mine": 0.5}


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
    line = tables.score_table({"new\nline": str(tmp_path)})
    assert line.split() == ["new\\nline", "discrete_mig", "0.5000"]

"""Results of many runs: tables and comparisons."""

import pytest

from tests.helpers.commands import load, names
from tests.helpers.runs import printed


def test_aggregated_results(few_labels, world, run):
    path = few_labels / "metrics" / "aggregated_results.json"
    table = load(path)
    runs = [
        f"few_labels/metrics/mean/{name}/results/aggregate/evaluation.json"
        for name in ("mig_5", "unsupervised_5")
    ]
    assert table["path"] == dict(zip("01", runs, strict=True))
    assert table["evaluation_config.evaluation.name"] == {
        "0": "'mig'",
        "1": "'unsupervised'",
    }
    assert table["evaluation_results.discrete_mig"].keys() == {"0"}
    assert table["evaluation_results.gaussian_total_correlation"].keys() == {"1"}
    assert table["train_config.s2_vae.beta"] == {"0": "1.0", "1": "1.0"}
    for row, run_path in enumerate(runs):
        values = {**load(world / run_path), "path": run_path}
        assert values == {k: v[str(row)] for k, v in table.items() if str(row) in v}

    pattern = "few_labels/metrics/*/*/results/aggregate/evaluation.json"
    command = ("dmt_aggregate_results", f"--result_file_pattern={pattern}")
    printed(run(*command, "--output_path=tables/few_labels.json"))
    assert (world / "tables/few_labels.json").read_bytes() == path.read_bytes()
    parquet = pytest.importorskip("pyarrow.parquet")
    printed(run(*command, "--output_path=tables/few_labels.parquet"))
    columns = parquet.read_table(world / "tables/few_labels.parquet").to_pydict()
    assert columns.keys() == table.keys()
    assert columns["path"] == runs
    assert names(world / "tables") == {"few_labels.json", "few_labels.parquet"}


@pytest.mark.slow
def test_results_of_a_study_are_compared(study, world, run):
    # By default, all that dmt_reproduce writes by default.
    printed(run("dmt_aggregate_results"))
    table = load(world / "results.json")
    assert table["path"] == {
        row: f"output/tiny/1/metrics/mean/{name}/results/aggregate/evaluation.json"
        for row, name in (("0", "mig"), ("1", "unsupervised"))
    }
    flags = ("--first=output", "--second=results.json", "--output_dir=comparison")
    text = printed(run("dmt_compare", *flags))
    assert "discrete_mig" in text and "+0.0000" in text
    assert names(world / "comparison") == {"compare.json", "compare.html"}
    found = load(world / "comparison/compare.json")
    assert found["configurations"]["both"] == 1
    assert {row["difference"] for row in found["metrics"]} == {0.0}

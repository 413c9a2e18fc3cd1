"""Scores with labelled images."""

from tests.helpers.commands import bound, contents, names
from tests.helpers.runs import check_mistake, printed, results


def test_validate(few_labels, world, run):
    flags = bound(
        validation__random_seed=5,
        validation__num_labelled_samples=40,
        labeller__labeller_fn="@perfect_labeller",
        sap_score_validation__train_percentage=0.9,
    )
    flags += ["--input_dir=few_labels/postprocessed/mean", "--output_dir=validated"]
    flags.append("--gin_evaluation_config_glob=validation/*.gin")
    table = printed(run("dmt_validate", *flags))
    assert "discrete_mig" in table and "SAP_score" in table
    assert names(world / "validated") == {"mig", "sap_score"}
    for name in ("mig", "sap_score"):
        found = results(world / "validated" / name, "validation")
        of_pipeline = few_labels / "validation/mean" / f"{name}_validation_5_40"
        assert found == results(of_pipeline, "validation")
    before = contents(world)
    process = run("dmt_validate", *flags)
    check_mistake(process, "validated/mig exists", "--resume")
    assert printed(run("dmt_validate", *flags, "--resume")) == table
    assert contents(world) == before

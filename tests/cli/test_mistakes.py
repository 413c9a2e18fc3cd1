"""Mistakes of users are one line and change nothing."""

import pytest

from tests.helpers.commands import (
    GIN_FILES,
    LABELS,
    PLAN,
    SEEDS,
    bound,
    contents,
    model,
)
from tests.helpers.runs import bindings, check_mistake

OUT = "--output_directory=begun"


TRAIN_LABELS = (OUT, *model("s2_vae"), *PLAN, *SEEDS)


MISTAKES = [
    ("dmt_reproduce", ["--study=unsupervised"], ["--study", "unsupervised_study_v1"]),
    ("dmt_reproduce", ["--model_num=12600"], ["models 0 to 12599", "model_num=12600"]),
    ("dmt_reproduce", ["--model_num=-1"], ["models 0 to 12599", "model_num=-1"]),
    ("dmt_reproduce", ["--model_num=one"], ["--model_num=one"]),
    ("dmt_reproduce_jmlr", [], ["--output_directory is missing"]),
    ("dmt_reproduce_jmlr", [OUT], ["--random_seed is missing"]),
    (
        "dmt_reproduce_jmlr",
        [OUT, "--random_seed=0"],
        ["--gin_model_config_name is missing"],
    ),
    (
        "dmt_reproduce_jmlr",
        [OUT, "--random_seed=0", *model("vae")],
        ["--gin_postprocess_config_glob is missing"],
    ),
    (
        "dmt_reproduce_jmlr",
        [OUT, "--random_seed=0", *model("vae"), *PLAN, "--scores_list=mig"],
        ["--scores_list", "--evaluation_num_samples_train"],
    ),
    (
        "dmt_reproduce_jmlr",
        [OUT, "--random_seed=0", *model("no"), *PLAN],
        ["no gin file models/no.gin"],
    ),
    ("dmt_reproduce_semi_supervised", [], ["--output_directory is missing"]),
    ("dmt_reproduce_semi_supervised", [OUT, *LABELS], ["--pipeline_seed is missing"]),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS, *LABELS[:-1]],
        ["--labeller_fn is missing"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS[:-1], *LABELS],
        ["--eval_seed is missing"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS, *LABELS, "--gin_validation_config_glob=no/*.gin"],
        ["--gin_validation_config_glob=no/*.gin matches no file"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS, *LABELS, "--model_dir=few_labels"],
        ["--model_dir", "leave out --supervised_seed, --num_labelled_samples"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [OUT, *PLAN, *SEEDS, "--model_dir=empty"],
        ["no empty/model/results/gin/train.gin"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [OUT, *PLAN, *SEEDS, "--model_dir=pairs"],
        ["pairs/model/results/gin/train.gin binds no"],
    ),
    (
        "dmt_reproduce_semi_supervised",
        [*TRAIN_LABELS, *LABELS, "--labeller_fn=@perfect"],
        ["labeller.labeller_fn = @perfect", "misspelt"],
    ),
    ("dmt_reproduce_weakly_supervised", [], ["--output_directory is missing"]),
    ("dmt_reproduce_weakly_supervised", [OUT], ["--pipeline_seed is missing"]),
    (
        "dmt_reproduce_weakly_supervised",
        [OUT, "--pipeline_seed=0", *model("group_vae"), PLAN[0]],
        ["--gin_evaluation_config_glob is missing"],
    ),
    (
        "dmt_reproduce_weakly_supervised",
        [OUT, "--pipeline_seed=0", *PLAN, "--model_dir=empty"],
        ["no empty/model/results/gin/train.gin"],
    ),
    (
        "dmt_reproduce_weakly_supervised",
        ["--output_directory=few_labels", SEEDS[0], *model("group_vae"), *PLAN],
        ["few_labels/model was made with another configuration", "--overwrite"],
    ),
    (
        "dmt_train_semi_supervised",
        ["--model_dir=out", "--gin_config=models/without_seed.gin"],
        ["missing", "model.supervised_data_seed"],
    ),
    (
        "dmt_train_semi_supervised",
        ["--model_dir=out", "--gin_config=models/without_labeller.gin"],
        ["missing: labeller.labeller_fn"],
    ),
    (
        "dmt_train_semi_supervised",
        [
            "--model_dir=out",
            "--gin_config=models/s2_vae.gin",
            "--gin_bindings=model.model=@s2_vae()",
        ],
        ["s2_vae"],
    ),
    (
        "dmt_train_weakly_supervised",
        ["--model_dir=out", "--gin_config=models/without_dynamics.gin"],
        ["missing: dynamics.k"],
    ),
    (
        "dmt_train",
        ["--model_dir=few_labels/model", "--gin_config=models/s2_vae.gin"],
        ["few_labels/model exists", "--overwrite", "--resume"],
    ),
    (
        "dmt_visualize_model",
        ["--model_dir=pairs/model", "--output_dir=pairs/visualizations"],
        ["pairs/visualizations exists. Give --overwrite to replace it, or another"],
    ),
    ("dmt_validate", ["--input_dir=empty"], ["--output_dir is missing"]),
    (
        "dmt_validate",
        [
            "--input_dir=few_labels/postprocessed/mean",
            "--output_dir=out",
            "--gin_config=validation/mig.gin",
            *bound(validation__random_seed=5, validation__num_labelled_samples=40),
        ],
        ["missing: labeller.labeller_fn"],
    ),
    (
        "dmt_validate",
        [
            "--input_dir=few_labels/postprocessed/mean",
            "--output_dir=out",
            "--gin_evaluation_config_glob=no/*.gin",
        ],
        ["--gin_evaluation_config_glob=no/*.gin matches no file"],
    ),
    (
        "dmt_validate",
        [
            "--input_dir=empty",
            "--output_dir=out",
            "--gin_config=validation/mig.gin",
            *bound(validation__random_seed=5, validation__num_labelled_samples=40),
        ],
        ["no empty/results/gin/postprocess.gin"],
    ),
    ("dmt_aggregate_results", ["--result_file_pattern=no/*"], ["no/* matches no file"]),
    (
        "dmt_aggregate_results",
        ["--result_file_pattern=broken/half.json", "--output_path=out/table.json"],
        ["broken/half.json is not JSON"],
    ),
    (
        "dmt_aggregate_results",
        ["--result_file_pattern=broken/list.json", "--output_path=out/table.json"],
        ["broken/list.json is no JSON object"],
    ),
    ("dmt_compare", ["--first=few_labels"], ["--second is missing"]),
    *(
        (
            "dmt_compare",
            ["--first=few_labels", f"--second={path}", "--output_dir=out"],
            words,
        )
        for path, words in (
            ("no", ["There is no no."]),
            ("empty", ["empty holds no scores"]),
            ("broken/half.json", ["broken/half.json is not JSON"]),
            ("broken/list.json", ["broken/list.json is no JSON object"]),
            ("broken/bytes.json", ["broken/bytes.json is not JSON"]),
            ("broken/run", ["aggregate/evaluation.json is no JSON object"]),
            ("pairs", ["No configuration is in both sets", "--ignore="]),
        )
    ),
    ("dmt_import", ["--output_dir=out"], ["--model_dir is missing"]),
    (
        "dmt_import",
        ["--model_dir=no", "--output_dir=out"],
        ["There is no no/tfhub/tfhub_module.pb", "disentanglement_lib"],
    ),
    (
        "dmt_import",
        ["--model_dir=few_labels/model", "--output_dir=out"],
        ["There is no few_labels/model/tfhub/tfhub_module.pb"],
    ),
]


@pytest.fixture(scope="module")
def faults(world, few_labels, pairs):
    """Files that are not what they should be, along with good ones."""
    for name, lines, missing in (
        ("without_seed", "models/s2_vae", "model.supervised_data_seed"),
        ("without_labeller", "models/s2_vae", "labeller.labeller_fn"),
        ("without_dynamics", "models/group_vae", "dynamics.k"),
    ):
        lines = bindings({k: v for k, v in GIN_FILES[lines].items() if k != missing})
        (world / "models" / f"{name}.gin").write_text("\n".join(lines))
    for name, content in (
        ("half.json", b'{"evaluation_results.mig": {"0"'),
        ("list.json", b"[1]"),
        ("bytes.json", b"\xff\xfe\x00"),
        ("run/results/aggregate/evaluation.json", b"[1]"),
    ):
        path = world / "broken" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return world


@pytest.mark.parametrize(("command", "flags", "words"), MISTAKES)
def test_mistakes(command, flags, words, faults, run):
    before = contents(faults)
    lines = check_mistake(run(command, *flags), f"{command}: ", *words)
    assert len(lines) == 1, lines
    assert contents(faults) == before
    assert not (faults / "out").exists()

"""Published studies: sweeps of models, each trained and scored by one pipeline."""

from dmt.studies.registry import Option, register

_OPTIONS = (
    Option(
        "model_nums", "numbers of the models to make, as in 0-39,100; by default all."
    ),
    Option(
        "gin_postprocess_config_glob",
        "pattern of gin files that replace the study's, one for each representation.",
    ),
    Option(
        "gin_evaluation_config_glob",
        "pattern of gin files that replace the study's, one for each metric.",
    ),
    Option(
        "visualize",
        "whether to draw what each model learned; by default yes.",
        default=True,
        kind="bool",
    ),
)

for _name in (
    "unsupervised_study_v1",
    "abstract_reasoning_study_v1",
    "fairness_study_v1",
    "weakly_supervised_study",
    "few_labels_study",
):
    register(_name, "dmt.studies.published.runs:PublishedModels", *_OPTIONS)

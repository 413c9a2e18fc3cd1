"""Models and numbers of Maziarka et al. (2021), on the published images."""

# Encoders whose codes are decoded, and their labels in tables.
DECODED_ENCODERS = {
    "random": "random encoder",
    "single_task_0": "single-task",
    "multi_head": "multi-head",
}

# Encoders in the order of the scores below.
ENCODERS = ("random encoder", "single-task, mean", "one head", "multi-head")
# "decoder" has the errors for the random, single-task and multi-head encoders, "heads"
# those on the true factors and on the codes of AE, VAE and FactorVAE.
NUMBERS = {
    "dsprites": {
        "FactorVAE score": (0.00, 0.31, 0.42, 0.50),
        "MIG": (None, 0.01, 0.02, 0.04),
        "DCI completeness": (None, 0.03, 0.06, 0.08),
        "DCI informativeness": (None, 0.25, 0.36, 0.41),
        "decoder": (308, 326, 36),
        "heads": (150, 80, 115, 150),
        "retrieved": (None, 4, None, 4),
        "task losses": ("68 to 111", "57"),
    },
    "shapes3d": {
        "FactorVAE score": (0.00, 0.27, 0.44, 0.59),
        "MIG": (None, 0.01, 0.02, 0.08),
        "DCI completeness": (None, 0.02, 0.05, 0.14),
        "DCI informativeness": (None, 0.28, 0.44, 0.53),
        "decoder": (0.044, 0.082, 0.008),
        "heads": (73, 63, 132, 195),
        "retrieved": (None, 4, None, 5),
        "task losses": ("13 to 25", "24"),
    },
    "mpi3d": {
        "FactorVAE score": (0.00, 0.21, 0.30, 0.36),
        "MIG": (None, 0.01, 0.02, 0.04),
        "DCI completeness": (None, 0.04, 0.05, 0.10),
        "DCI informativeness": (None, 0.30, 0.47, 0.53),
        "decoder": (0.0021, 0.0061, 0.0009),
        "heads": (109, 92, 118, 152),
        "retrieved": (None, 5, None, 6),
        "task losses": ("117 to 165", "85"),
    },
}
# Datasets of this package that correspond to those of the paper.
DATASETS = {
    "dsprites": ("dsprites_full", "dsprites_rendered", "dsprites_rendered_small"),
    "shapes3d": ("shapes3d", "shapes3d_rendered"),
    "mpi3d": ("mpi3d_real", "mpi3d_realistic", "mpi3d_toy"),
}


def numbers_for(dataset):
    """The numbers of the paper for a dataset, {} if it has none."""
    family = next((key for key, names in DATASETS.items() if dataset in names), None)
    return NUMBERS.get(family, {})

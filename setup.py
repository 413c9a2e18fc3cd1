"""Installs the package `dmt` and its command lines."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.*)"', (HERE / "dmt" / "__init__.py").read_text()
).group(1)
COMMANDS = (
    "data",
    "train",
    "train_semi_supervised",
    "train_weakly_supervised",
    "postprocess",
    "evaluate",
    "validate",
    "score",
    "udr",
    "visualize_model",
    "visualize_dataset",
    "report",
    "study",
    "pbt",
    "reproduce",
    "reproduce_jmlr",
    "reproduce_semi_supervised",
    "reproduce_weakly_supervised",
    "aggregate_results",
    "compare",
    "select",
)

setup(
    name="dmt-lib",
    version=VERSION,
    description="Disentanglement and multi-task learning on Keras 3",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=[*find_packages(include=["dmt", "dmt.*"]), "dmt.gin_configs"],
    package_dir={"dmt.gin_configs": "gin_configs"},
    package_data={
        "dmt": ["**/*.jinja", "**/*.css", "py.typed"],
        "dmt.gin_configs": ["**/*.gin"],
    },
    install_requires=[
        "absl-py",
        "gin-config==0.5.0",
        "h5py",
        "jinja2",
        "keras>=3.15",
        "matplotlib",
        "numba",
        "numpy>=2.0",
        "pillow>=10",
        "scikit-learn>=1.9",
        "scipy>=1.15",
        "tabulate",
        "tensorboard",
        "tensorflow>=2.20",
        "tensorflow-datasets",
        "threadpoolctl",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]"],
        "jax": ["jax"],
        "jax-gpu": ["jax[cuda13]"],
        "parquet": ["pyarrow"],
        "ray": ["ray"],
        "test": [
            "import-linter",
            "jax",
            "mypy",
            "pyarrow",
            "pytest",
            "pytest-xdist",
            "ray",
            "ruff",
        ],
        "umap": ["umap-learn"],
    },
    entry_points={
        "console_scripts": [
            *(f"dmt_{command} = dmt.cli:{command}" for command in COMMANDS),
            "dmt_import = dmt.cli:import_model",
        ]
    },
)

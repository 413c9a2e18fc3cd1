"""Installs the package `dmt` and its commands, and links them in the folder bin."""

import pathlib
import sys

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))  # A build has the installed packages only.

import dmt  # noqa: E402
from dmt.cli import table  # noqa: E402

COMMANDS = table.names()

if (HERE / "bin" / "dmt").exists():
    for name in COMMANDS:
        if not (HERE / "bin" / name).exists():
            (HERE / "bin" / name).symlink_to("dmt")

setup(
    name="dmt-lib",
    version=dmt.__version__,
    description="Disentanglement and multi-task learning on Keras 3",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=[*find_packages(include=["dmt", "dmt.*"]), "dmt.gin_configs"],
    package_dir={"dmt.gin_configs": "gin_configs"},
    package_data={
        "dmt": ["**/*.gin", "**/*.jinja", "**/*.css", "py.typed"],
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
        "pillow>=10.1",
        "platformdirs",
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
            "hypothesis",
            "import-linter",
            "jax",
            "mypy",
            "pandas",
            "polars",
            "pyarrow",
            "pytest",
            "pytest-xdist",
            "ray",
            "ruff",
        ],
        "umap": ["umap-learn"],
    },
    entry_points={
        "console_scripts": [f"{name} = dmt.cli.main:main" for name in COMMANDS]
    },
)

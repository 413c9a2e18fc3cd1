import re

import numpy as np
import pytest

from dmt.data.ground_truth import cars3d, dsprites, mpi3d, shapes3d, smallnorb
from dmt.data.official import catalog

FILES = {
    form.path: form
    for dataset in catalog.DATASETS.values()
    for file in dataset.files
    for form in (file, *file.or_else)
}


def test_a_path_means_one_file():
    for dataset in catalog.DATASETS.values():
        for file in dataset.files:
            for form in (file, *file.or_else):
                assert FILES[form.path] == form


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_facts_of_files(file):
    assert re.fullmatch(r"[\w.-]+(/[\w.-]+)+", file.path)
    lengths = {"sha256": 64, "md5": 32, "git_blob": 40}
    for algorithm, digest in file.checksums.items():
        assert re.fullmatch(f"[0-9a-f]{{{lengths[algorithm]}}}", digest)
    assert file.strictness in ("strict", "warn")
    assert file.size is None or file.about is None
    assert len(set(file.urls)) == len(file.urls)
    for url in file.urls:
        assert re.match(r"https?://", url)
        # The storage that these files were in is gone, or held a corrupt one.
        assert "disentanglement_dataset" not in url


@pytest.mark.parametrize("dataset", catalog.DATASETS.values(), ids=catalog.DATASETS)
def test_facts_of_datasets(dataset):
    assert dataset.files and dataset.licence and dataset.citation
    # Either a program can fetch all of it, or the user is told how to.
    assert bool(dataset.by_hand) != all(file.urls for file in dataset.files)
    assert dataset.terms or not dataset.needs_consent
    if dataset.name != "celeba":
        assert min(dataset.factors.values()) > 1


def test_grids_have_an_image_of_each_combination():
    is_grid = {
        name: np.prod(list(dataset.factors.values())) == dataset.num_images
        for name, dataset in catalog.DATASETS.items()
    }
    assert [name for name, grid in is_grid.items() if grid] == [
        "dsprites_full",
        "color_dsprites",
        "noisy_dsprites",
        "scream_dsprites",
        "shapes3d",
        "mpi3d_toy",
        "mpi3d_realistic",
        "mpi3d_real",
        "mpi3d_real_complex",
        "cars3d",
    ]


@pytest.mark.parametrize(
    ("name", "data_class", "sizes"),
    [
        ("dsprites_full", dsprites.DSprites, None),
        ("shapes3d", shapes3d.Shapes3D, None),
        ("mpi3d_real", mpi3d.MPI3D, mpi3d.MPI3D.possible_factor_sizes[0]),
        ("mpi3d_real_complex", mpi3d.MPI3D, mpi3d.MPI3D.possible_factor_sizes[1]),
        ("cars3d", cars3d.Cars3D, None),
        ("smallnorb", smallnorb.SmallNORB, None),
    ],
)
def test_catalogue_agrees_with_the_class(name, data_class, sizes):
    factors = zip(
        data_class.state_space_names, sizes or data_class.factor_sizes, strict=True
    )
    drawn = ("color", "instance")
    expected = [factor for factor in factors if factor[0] not in drawn]
    assert [*catalog.DATASETS[name].factors.items()] == expected

"""Official datasets at their real sizes against draws of disentanglement_lib.

The files of images are sparse: only the rows that are drawn hold something.
"""

import functools
import io
import json
import zipfile
from pathlib import Path

import gin
import numpy as np
import pytest

from dmt.data.ground_truth import cars3d, mpi3d, prepared, shapes3d, smallnorb

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "sampling_official.json").read_text()
)


def write_prepared(root, name, sources, shape, rows, numbers):
    """Sealed images; those of the rows hold the numbers in their first three pixels."""
    folder = root / "prepared" / name
    folder.mkdir(parents=True)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", "u1", shape)
    for row, number in zip(rows, numbers, strict=True):
        images[row, 0, :3, 0] = list(number.to_bytes(3))
    images.flush()
    seal = prepared._fingerprint(sources)
    (folder / "meta.json").write_text(json.dumps(seal))


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def open_shapes3d(root, indices):
    source = touch(root / "3dshapes" / "3dshapes.h5")
    write_prepared(root, "shapes3d", [source], (480000, 64, 64, 3), indices, indices)
    return shapes3d.Shapes3D()


def open_mpi3d(root, indices, name, count):
    source = touch(root / name / f"{name}.npz")
    header = io.BytesIO()
    layout = {"descr": "|u1", "fortran_order": False, "shape": (count, 64, 64, 3)}
    np.lib.format.write_array_header_1_0(header, layout)
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header.getvalue())
    write_prepared(root, name, [source], (count, 64, 64, 3), indices, indices)
    return mpi3d.MPI3D(name)


def open_cars3d(root, indices):
    sources = [touch(root / "cars" / f"car_{i:03}_mesh.mat") for i in range(183)]
    # A file holds all pictures of one car.
    elevation, azimuth, car = np.unravel_index(indices, [4, 24, 183])
    rows = car * 96 + azimuth * 4 + elevation
    write_prepared(root, "cars3d", sources, (17568, 64, 64, 3), rows, indices)
    return cars3d.Cars3D()


def open_smallnorb(root, indices):
    sizes = [5, 10, 9, 18, 6]
    order = np.random.RandomState(0).permutation(48600)
    features = np.stack(np.unravel_index(order, sizes), axis=1).astype("<i4")
    features[:, 3] *= 2
    sources = []
    for kind in ("dat", "cat", "info"):
        for half, part in enumerate(smallnorb.PARTS):
            source = touch(root / "small_norb" / f"smallnorb-{part}-{kind}.mat")
            sources.append(source)
            columns = {"cat": 0, "info": slice(1, 5)}.get(kind)
            if columns is not None:
                values = features[24300 * half :][:24300, columns]
                dims = [values.ndim, *values.shape, 1, 1][: 1 + max(3, values.ndim)]
                header = np.array([507333716, *dims], "<i4").tobytes()
                source.write_bytes(header + values.tobytes())
    rows = np.argsort(order)[indices]
    write_prepared(root, "smallnorb", sources, (48600, 64, 64, 1), rows, indices)
    return smallnorb.SmallNORB()


OPEN = {
    "shapes3d": open_shapes3d,
    "mpi3d_toy": functools.partial(open_mpi3d, name="mpi3d_toy", count=460800),
    "mpi3d_real": functools.partial(open_mpi3d, name="mpi3d_real", count=1036800),
    "cars3d": open_cars3d,
    "smallnorb": open_smallnorb,
}


@pytest.mark.parametrize("name", OPEN)
def test_same_draws_as_the_original(root, name):
    gin.bind_parameter("official_data.preload", False)
    golden = GOLDEN[name]
    data = OPEN[name](root, golden["image_index"])
    assert data.name == name
    assert data.num_factors == golden["num_factors"]
    assert data.factors_num_values == golden["factors_num_values"]
    assert data.observation_shape == golden["observation_shape"]

    random_state = np.random.RandomState(golden["seed"])
    factors = data.sample_factors(golden["num"], random_state)
    state = random_state.get_state()
    indices = data.indices_of(factors, random_state)
    assert factors.tolist() == golden["factors"]
    assert indices.tolist() == golden["image_index"]
    assert random_state.randint(1 << 30) == golden["next_draw"]
    np.testing.assert_array_equal(data.factors_at(indices), factors)

    random_state.set_state(state)
    observed = data.sample_observations_from_factors(factors, random_state)
    assert random_state.randint(1 << 30) == golden["next_draw"]
    digits = np.rint(observed[:, 0, :3, 0] * 255).astype(int)
    assert (digits @ [65536, 256, 1]).tolist() == golden["image_index"]

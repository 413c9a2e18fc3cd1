"""Records of the published datasets: contents, terms, and addresses of the files.

Paths are relative to the data root and use the folders of disentanglement_lib, so that
both packages can share one root. Nothing here reads a file or the network.
"""

import math
import os

from dmt.data import registry
from dmt.data.ground_truth import (
    cars3d,
    dsprites,
    dsprites_variants,
    mpi3d,
    shapes3d,
    smallnorb,
    trifinger,
)
from dmt.data.official.records import Dataset, File, Unpack


def find(name):
    """Finds the record of a published dataset.

    Args:
        name: name of any dataset.

    Returns:
        A `Dataset`; None if the dataset of this name needs no published files.

    Raises:
        ValueError: if there is no dataset of this name.
    """
    if name in DATASETS:
        return DATASETS[name]
    known = registry.names()
    if name in known:
        return None
    close = registry.closest(name, known, cutoff=0.5)
    hint = f"Did you mean {close!r}?" if close else "See dmt_data list."
    raise ValueError(f"There is no dataset of this name. {hint} Received: {name!r}")


_DSPRITES_REPOSITORY = "https://github.com/google-deepmind/dsprites-dataset/raw"
_DSPRITES_COMMIT = "fa310c66517cfc1939d77fe17c725154efc97127"


def _dsprites_file(suffix, **facts):
    name = dsprites.FILE_STEM + suffix
    urls = tuple(
        f"{_DSPRITES_REPOSITORY}/{version}/{name}"
        for version in ("master", _DSPRITES_COMMIT)
    )
    return File(path=f"dsprites/{name}", urls=urls, **facts)


_DSPRITES_NPZ = _dsprites_file(
    ".npz",
    about=26_700_000,
    checksums={
        "md5": "7da33b31b13a06f4b04a70402ce90c2e",
        "git_blob": "d98996d3f8ee1550e06b9d4ed78d0beb478910d5",
    },
)
_DSPRITES_FILE = _dsprites_file(
    ".hdf5",
    size=28_024_106,
    checksums={
        "sha256": "729fa22e884c9c500e1f17415d580746b4c5894fbbb780a1319bbcfa39a745bb",
        "git_blob": "3c8de5d40afa425dfd9de811d71248449aae238b",
    },
    or_else=(_DSPRITES_NPZ,),
)
# What users have taken for a mistake of theirs.
_ORIENTATIONS = (
    "orientations 0 and 39 show the same image, because values run from 0 to 2 pi; "
    "squares look nearly the same after a quarter turn, ellipses after half a turn"
)
_SPRITES_NOTES = f"{_ORIENTATIONS}; the file has a factor color with one value"
_HUES = "hues run around the colour circle, so the last is close to the first"
_MPI3D_REST = (
    "sizes small, large; camera heights top, center, bottom; background colors purple, "
    "sea green, salmon"
)
_MPI3D_VALUES = (
    "values in order are object colors white, green, red, blue, brown, olive; object "
    f"shapes cone, cube, cylinder, hexagonal, pyramid, sphere; {_MPI3D_REST}"
)
_OLD_MPI3D = (
    f"{_MPI3D_VALUES}; an older file with 460,800 images has 4 colours and 4 shapes"
)
_RANDOM_ORIENTATION = (
    "the orientation is drawn at random, so images of the same factors differ"
)
_FEASIBLE = (
    "the factors depend on each other, because the arm touches neither the cube nor "
    "the floor; metrics that fix factors need combinations that do not exist"
)
# Notes about datasets that need no published files.
NOTES = {
    "dsprites_rendered": _ORIENTATIONS,
    "dsprites_rendered_noshape": _ORIENTATIONS,
    "color_dsprites_rendered": _ORIENTATIONS,
    "noisy_dsprites_rendered": _ORIENTATIONS,
    "texture_dsprites_rendered": _ORIENTATIONS,
    "armcube_rendered": _FEASIBLE,
    "armcube_rendered_128": _FEASIBLE,
    "armcube_rendered_heldout_colors": _FEASIBLE,
    "armcube_rendered_shifted": _FEASIBLE,
    "abstract_dsprites_rendered": _RANDOM_ORIENTATION,
    "shapes3d_rendered": f"{_HUES}; the published images also have a faint texture",
    "shapes3d_rendered_128": _HUES,
    "dummy_data": "the images are noise, so scores have no meaning",
}

_SCREAM_FILE = File(path="scream/scream.jpg", urls=(dsprites_variants.SCREAM_URL,))


def _factors(data_class, without=(), sizes=None):
    """Names and sizes of the factors of a grid."""
    sizes = sizes or data_class.factor_sizes
    named = zip(data_class.state_space_names, sizes, strict=True)
    return {name: size for name, size in named if name not in without}


def _dsprites(name, description, channels, **changes):
    facts = {
        "factors": _factors(dsprites.DSprites, without=("color",)),
        "num_images": 737_280,
        "image_shape": (64, 64, channels),
        "licence": "Apache-2.0",
        "citation": "Matthey, Higgins, Hassabis and Lerchner (2017), dSprites, "
        "https://github.com/google-deepmind/dsprites-dataset",
        "files": (_DSPRITES_FILE,),
        "notes": _SPRITES_NOTES,
        "twin": "dsprites_rendered",
        **changes,
    }
    return Dataset(name=name, description=description, **facts)


_MPI3D_SIZES, _MPI3D_COMPLEX_SIZES = mpi3d.MPI3D.possible_factor_sizes


def _mpi3d(mode, description, file, sizes=_MPI3D_SIZES, **changes):
    facts = {
        "factors": _factors(mpi3d.MPI3D, sizes=sizes),
        "num_images": math.prod(sizes),
        "image_shape": (64, 64, 3),
        "licence": "CC BY 4.0",
        "citation": "Gondal et al. (2019), On the Transfer of Inductive Bias from "
        "Simulation to the Real World, "
        "https://github.com/rr-learning/disentanglement_dataset",
        "files": (file,),
        "twin": "armcube_rendered",
        **changes,
    }
    return Dataset(name=f"mpi3d_{mode}", description=description, **facts)


def _mpi3d_file(mode, md5):
    name = f"mpi3d_{mode}"
    return File(
        path=f"{name}/{name}.npz",
        urls=(
            f"https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/{name}.npz",
        ),
        about=12_740_000_000,
        checksums={"md5": md5},
        strictness="warn",
    )


_MPI3D_COMPLEX_STEM = "real3d_complicated_shapes_ordered"
_MPI3D_COMPLEX_FILE = File(
    path=f"mpi3d_real_complex/{_MPI3D_COMPLEX_STEM}.npz",
    urls=(
        "https://huggingface.co/datasets/randall-lab/mpi3d-complex/resolve/main/"
        f"{_MPI3D_COMPLEX_STEM}.npz",
        "https://drive.usercontent.google.com/download?"
        "id=1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm&export=download&confirm=t",
    ),
    about=5_662_000_000,
)


def _smallnorb_file(half, kind, size, unpacked_size, sha256):
    path = f"small_norb/smallnorb-{smallnorb.PARTS[half]}-{kind}.mat"
    url = f"https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/{os.path.basename(path)}.gz"
    return File(
        path=f"{path}.gz",
        urls=(url,),
        size=size,
        checksums={"sha256": sha256},
        or_else=(File(path=path, size=unpacked_size),),
    )


_SMALLNORB_DIGESTS = """
    5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873
    2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa
    de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32
    cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474
    ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff
    16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2
""".split()
# Half, kind, compressed and unpacked size.
_SMALLNORB_FILES = (
    (0, "dat", 131_896_188, 447_897_624),
    (0, "cat", 348, 97_220),
    (0, "info", 71_052, 388_820),
    (1, "dat", 130_799_817, 447_897_624),
    (1, "cat", 347, 97_220),
    (1, "info", 10_428, 388_820),
)


def _celeba_file(name, size, sha256):
    return File(path=f"celeba/{name}", size=size, checksums={"sha256": sha256})


def _trifinger(name, folder, description, num_images, images="images.tar"):
    values = trifinger.stored_values(folder)
    return Dataset(
        name=name,
        description=description,
        factors={name: len(known) for name, known in values.items() if len(known) > 1},
        num_images=num_images,
        image_shape=(128, 128, 3),
        licence="not stated",
        citation="Dittadi et al. (2021), On the Transfer of Disentangled "
        "Representations in Realistic Settings, https://arxiv.org/abs/2010.14407",
        files=tuple(
            File(path=f"robot_finger_datasets/{folder}/{folder}_{part}")
            for part in (images, "labels.npz")
        ),
        terms="no licence is stated: ask the authors before you share the files",
        needs_consent=True,
        notes=_FEASIBLE,
        by_hand="ask the authors of the paper for robot_finger_datasets.tar",
    )


_ALL = (
    _dsprites("dsprites_full", "a white square, ellipse or heart on black", 1),
    _dsprites(
        "dsprites_noshape",
        "dsprites_full, the shape drawn at random and not a factor",
        1,
        factors=_factors(dsprites.DSprites, without=("color", "shape")),
        twin="dsprites_rendered_noshape",
    ),
    _dsprites("color_dsprites", "dsprites_full in a random colour", 3),
    _dsprites("noisy_dsprites", "dsprites_full on random noise", 3),
    _dsprites(
        "scream_dsprites",
        "dsprites_full on a random part of The Scream",
        3,
        files=(_DSPRITES_FILE, _SCREAM_FILE),
        licence="Apache-2.0; the painting is in the public domain in most countries",
    ),
    _dsprites(
        "abstract_dsprites",
        "dsprites_full in 6 colours on 5 greys, the orientation drawn at random",
        3,
        factors=_factors(dsprites_variants.AbstractDSprites, without=("orientation",)),
        notes=_RANDOM_ORIENTATION,
        citation="van Steenkiste, Locatello, Schmidhuber and Bachem (2019), Are "
        "Disentangled Representations Helpful for Abstract Visual Reasoning?, "
        "https://arxiv.org/abs/1905.12506",
    ),
    Dataset(
        name="shapes3d",
        description="one of four objects in a room, seen from different sides",
        factors=_factors(shapes3d.Shapes3D),
        num_images=480_000,
        image_shape=(64, 64, 3),
        licence="Apache-2.0",
        citation="Burgess and Kim (2018), 3D Shapes Dataset, "
        "https://github.com/google-deepmind/3d-shapes",
        files=(
            File(
                path="3dshapes/3dshapes.h5",
                urls=("https://storage.googleapis.com/3d-shapes/3dshapes.h5",),
                size=267_573_662,
                checksums={
                    "sha256": "0a0f6ed98baff276a50f3a081a7434d7"
                    "88da63cb135a98189b2a5b5769be1785"
                },
            ),
        ),
        notes="the npz file that disentanglement_lib reads was never published; labels "
        "in the file are values (scale 0.75 to 1.25, orientation -30 to 30 degrees, "
        f"which is no full turn); {_HUES}",
        twin="shapes3d_rendered",
    ),
    _mpi3d(
        "toy",
        "a robot arm that holds an object, simple renderings",
        _mpi3d_file("toy", "55889cb7c7dfc655d6e0277beee88868"),
        notes=_OLD_MPI3D,
    ),
    _mpi3d(
        "realistic",
        "a robot arm that holds an object, realistic renderings",
        _mpi3d_file("realistic", "59a6225b88b635365f70c91b3e52f70f"),
        notes=_OLD_MPI3D,
    ),
    _mpi3d(
        "real",
        "a robot arm that holds an object, photographs",
        _mpi3d_file("real", "0f33f609918fb5c97996692f91129802"),
        notes=_MPI3D_VALUES,
    ),
    _mpi3d(
        "real_complex",
        "a robot arm that holds an everyday object, photographs",
        _MPI3D_COMPLEX_FILE,
        _MPI3D_COMPLEX_SIZES,
        notes="values in order are object colors yellow, green, olive, red; object "
        f"shapes coffee cup, tennis ball, croissant, beer cup; {_MPI3D_REST}; no "
        "checksum is published; the first address is a copy by third parties",
    ),
    Dataset(
        name="cars3d",
        description="183 models of cars, seen from different sides",
        factors=_factors(cars3d.Cars3D),
        num_images=17_568,
        image_shape=(128, 128, 3),
        licence="not stated",
        citation="Reed, Zhang, Zhang and Lee (2015), Deep Visual Analogy-Making; "
        "models of Fidler, Dickinson and Urtasun (2012)",
        files=(
            File(
                path="cars/nips2015-analogy-data.tar.gz",
                urls=("http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",),
                checksums={"md5": "4e866a7919c1beedf53964e6f7a23686"},
                unpack=Unpack(("data/cars/*.mat", "data/cars/list.txt"), "cars", 184),
            ),
        ),
        terms="no licence is stated: do not pass the files on",
        notes="images are scaled to 64 x 64; the 24 azimuths are steps of 15 degrees "
        "of a full turn, so the last is next to the first; cars are numbered in the "
        "order of list.txt, in disentanglement_lib in the order of the file system",
    ),
    Dataset(
        name="smallnorb",
        description="50 toys of five categories, seen by two cameras",
        factors=_factors(smallnorb.SmallNORB, without=("instance",)),
        num_images=48_600,
        image_shape=(96, 96, 1),
        licence="for research, not for sale",
        citation="LeCun, Huang and Bottou (2004), Learning Methods for Generic Object "
        "Recognition, https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/",
        files=tuple(
            _smallnorb_file(*facts, sha256)
            for facts, sha256 in zip(_SMALLNORB_FILES, _SMALLNORB_DIGESTS, strict=True)
        ),
        terms="for research purposes only, not to be sold, cite the paper",
        notes="images are those of the first camera, scaled to 64 x 64, training and "
        "test files together; the 18 azimuths are steps of 20 degrees of a full turn, "
        "so the last is next to the first; the instance (10 of each category) is drawn "
        "at random and is not a factor, so images of the same factors differ",
        needs_consent=True,
    ),
    _trifinger(
        "trifinger",
        "finger",
        "a robot finger and a cube in 8 colours, rendered",
        1_000_000,
    ),
    _trifinger(
        "trifinger_heldout_colors",
        "finger_heldout_colors",
        "a robot finger and a cube in 4 other colours, rendered",
        num_images=None,
    ),
    _trifinger(
        "trifinger_real",
        "finger_real",
        "a robot finger and a cube, photographs",
        1_809,
        "images.npz",
    ),
    Dataset(
        name="celeba",
        description="faces with 40 binary attributes, not a grid of factors",
        factors={},
        num_images=202_599,
        image_shape=(218, 178, 3),
        licence="for non-commercial research, not to be passed on",
        citation="Liu, Luo, Wang and Tang (2015), Deep Learning Face Attributes in the "
        "Wild, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        files=(
            _celeba_file(
                "img_align_celeba.zip",
                1_443_490_838,
                "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
            ),
            _celeba_file(
                "list_attr_celeba.txt",
                26_721_026,
                "f0e5da289d5ccf75ffe8811132694922b60f2af59256ed362afa03fefba324d0",
            ),
            _celeba_file(
                "list_eval_partition.txt",
                2_836_386,
                "fc955bcb3ef8fbdf7d5640d9a8693a8431b5f2ee291a5c1449a1549e7e073fe7",
            ),
        ),
        notes="images are the centre squares, scaled to 64 x 64; the attributes depend "
        "on each other and not all combinations exist",
        terms="for non-commercial research only; do not pass the images on, not even "
        "reduced or changed",
        needs_consent=True,
        by_hand="follow the links of https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    ),
)

DATASETS = {dataset.name: dataset for dataset in _ALL}

"""The verbs of `dmt_data`: each prints what it did or found."""

import contextlib
import importlib.metadata
import inspect
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from dmt.data.ground_truth import ground_truth_data, named_data
from dmt.data.official import catalog, download

_NUM_RANDOM_IMAGES = 64


def list_datasets():
    """Prints all data sets, those without published files after the others."""
    root = ground_truth_data.data_root()
    rows = [("name", "images", "download", "here", "what")]
    for dataset in catalog.DATASETS.values():
        images = f"{dataset.num_images:,}" if dataset.num_images else "?"
        size, presence = _download_size(dataset), _presence(dataset, root)
        rows.append((dataset.name, images, size, presence, dataset.description))
    rows += [(n, "", "-", "", _description(n)) for n in _names_without_files()]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[4]]).rstrip())
    print(f"\nFiles are looked for in {root.absolute()}. More: dmt_data info NAME")


def _download_size(dataset):
    sizes = [file.size or file.about for file in dataset.files]
    known = download.megabytes(sum(filter(None, sizes)))
    return known if all(sizes) else f"> {known}" if any(sizes) else "?"


def _presence(dataset, root):
    found = [download.locate(file, root) is not None for file in dataset.files]
    if all(found):
        return "yes"
    if any(found):
        return "in part"
    return "by hand" if dataset.by_hand else "no"


def _names_without_files():
    installed = importlib.metadata.entry_points(group="dmt.datasets").names
    names = [*named_data.factories(), *installed]
    return [name for name in names if name not in catalog.DATASETS]


def _description(name):
    """One line about a data set without published files."""
    if "_rendered" in name:  # Importing all renderers takes seconds.
        return "drawn on this machine"
    if name not in named_data.factories():
        return "from another installed package"
    factory = named_data.factories()[name]
    if isinstance(factory, str):
        module, attribute = factory.split(":")
        factory = getattr(importlib.import_module(module), attribute)
    return (inspect.getdoc(factory) or "").partition("\n")[0].rstrip(".")


def _find(name):
    return catalog.find(name, _names_without_files())


def _find_files(name):
    dataset = _find(name)
    if dataset is None:
        raise ValueError(f"{name} needs no published file: {_description(name)}.")
    return dataset


def info(name):
    """Prints what is known of a data set.

    Args:
      name: its name.
    """
    dataset = _find(name)
    if dataset is None:
        print(f"{name}: {_description(name)}")
        data = named_data.get_named_ground_truth_data(name)
        factors = dict(zip(data.factor_names, data.factors_num_values, strict=True))
        _print_facts(
            ("origin", data.origin),
            ("images", _size_of(data)),
            ("factors", _listed(factors)),
        )
        return
    root = ground_truth_data.data_root()
    size = "an unknown number" if not dataset.num_images else f"{dataset.num_images:,}"
    twin = dataset.twin if dataset.twin in named_data.factories() else ""
    print(f"{name}: {dataset.description}")
    _print_facts(
        ("origin", "official"),
        ("images", f"{size} of {_times(dataset.image_shape)}"),
        ("factors", _listed(dataset.factors)),
        ("licence", dataset.licence),
        ("terms", dataset.terms),
        ("cite", dataset.citation),
        ("note", dataset.notes),
        *(fact for file in dataset.files for fact in _file_facts(file, root)),
        ("get it", _way(dataset)),
        ("instead", f"{twin} is drawn on this machine" if twin else ""),
    )


def _file_facts(file, root):
    found = download.locate(file, root)
    state = "is here" if found else "is not here"
    path = found[1] if found else root / file.path
    yield "file", f"{path.absolute()} {state}"
    if file.unpack:
        yield "", f"{file.unpack.num_files} files out of {file.name}"
    if file.size or file.about:
        about = "" if file.size else "about "
        yield "", f"{about}{download.megabytes(file.size or file.about)}"
    for algorithm, digest in file.checksums.items():
        hint = "" if file.strictness == "strict" else " (of an older release)"
        yield "", f"{algorithm} {digest}{hint}"
    for url in download.urls_of(file):
        yield "", f"from {url}"
    for other in file.or_else:
        yield "", f"or {(root / other.path).absolute()}"


def _way(dataset):
    if any(not download.urls_of(file) for file in dataset.files):
        return f"{dataset.by_hand}; then dmt_data add {dataset.name} PATH"
    consent = " --accept_licence" if dataset.needs_consent else ""
    return f"dmt_data fetch {dataset.name}{consent}"


def _size_of(data):
    size = "any number" if data.size is None else f"{data.size:,}"
    return f"{size} of {_times(data.observation_shape)}"


def _times(shape):
    return " x ".join(map(str, shape))


def _listed(factors):
    return ", ".join(f"{name} {size}" for name, size in factors.items())


def _print_facts(*facts):
    for label, text in facts:
        if text:
            print(f"  {label:<8} {text}")


def fetch(name, accept_licence=False):
    """Brings the files of a data set from the network to their places.

    Args:
      name: the data set.
      accept_licence: whether the user has accepted its terms.

    Raises:
      ValueError: if there are terms to accept, or no address to fetch from.
      OSError: if a file cannot be had.
    """
    dataset = _find_files(name)
    root = ground_truth_data.data_root()
    print(f"{name}: {dataset.description}")
    _print_facts(
        ("licence", dataset.licence),
        ("terms", dataset.terms),
        ("cite", dataset.citation),
        ("size", _download_size(dataset)),
        *(("to", (root / file.path).absolute()) for file in dataset.files),
    )
    sys.stdout.flush()
    missing = [file for file in dataset.files if download.locate(file, root) is None]
    if any(not download.urls_of(file) for file in missing):
        raise ValueError(f"{name} cannot be fetched by a program: {_way(dataset)}.")
    if missing and dataset.needs_consent and not accept_licence:
        raise ValueError(f"Accept the terms of {name} with --accept_licence.")
    try:
        for file in dataset.files:
            report = download.fetch(file, root)
            print(f"{download.locate(file, root)[1].absolute()}: {report}")
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from here.", file=sys.stderr)
        sys.exit(130)


def add(name, path, link=False):
    """Brings files that were fetched by other means to their places.

    Args:
      name: the data set.
      path: one file of it, a folder that holds some, or an archive that holds some.
      link: whether to place symbolic links instead of copies.

    Raises:
      ValueError: if they are not files of the data set.
      FileNotFoundError: if there is nothing at the path.
    """
    dataset = _find_files(name)
    root, path = ground_truth_data.data_root(), Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}.")
    place = os.symlink if link else shutil.copyfile
    sources = _sources(path, dataset)
    with contextlib.ExitStack() as stack:
        if not sources and path.is_file() and _is_archive(path):
            root.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=root))
            names = [form.name for file in dataset.files for form in _forms(file)]
            patterns = tuple(pattern for n in names for pattern in (n, f"*/{n}"))
            download.unpack(path, catalog.Unpack(patterns, folder, None), root)
            sources, place = _sources(Path(folder), dataset), os.replace
        if not sources:
            names = [
                " or ".join(form.name for form in _forms(f)) for f in dataset.files
            ]
            raise ValueError(f"{name} needs {', '.join(names)}. Received: {path}")
        for form, source in sources:
            target = root / form.path
            if target.exists():
                report = "is there already and left as it is"
            else:
                report = download.add(form, source, root, place)
            print(f"{target.absolute()}: {report}")


def _forms(file):
    return (file, *file.or_else)


def _is_archive(path):
    return path.name.endswith((".tar", ".tar.gz", ".tgz", ".zip", ".gz"))


def _sources(path, dataset):
    """Which files of the data set are at the path: a list of (form, path of it)."""
    found = {}
    for file in dataset.files:
        for form in reversed(_forms(file)):
            places = [path / form.path, path / form.name] if path.is_dir() else [path]
            for place in places:
                # Under another name, only a checksum can tell what it is.
                is_named = place.name == form.name
                if place.is_file() and (is_named or _is_renamed(place, form)):
                    found[file.path] = form, place
    return list(found.values())


def _is_renamed(path, form):
    if path.suffix != Path(form.path).suffix or form.strictness != "strict":
        return False
    with contextlib.suppress(ValueError):
        download.check(path, form)
        return bool(form.checksums)
    return False


def verify(name):
    """Checks the files of a data set and prints what was found.

    Args:
      name: the data set.

    Raises:
      ValueError: if a file is missing or not the published one.
    """
    root = ground_truth_data.data_root()
    problems = []
    for file in _find_files(name).files:
        try:
            report = download.verify(file, root)
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
        else:
            print(f"{download.locate(file, root)[1].absolute()}: {report}")
    if problems:
        raise ValueError(" ".join(problems))


def prepare(name):
    """Makes the files that a data set prepares at its first use or when asked to.

    Args:
      name: the data set.
    """
    data = _open(name)
    data.prepare()
    data.sample(1, np.random.RandomState(0))
    print(f"{name} is ready: {_size_of(data)}, {data.origin}")


def compare(name, other_name):
    """Prints how far the images of two data sets agree.

    Args:
      name: a data set.
      other_name: one with the same factors.
    """
    from dmt.data import agreement as comparison

    data = _open(name)
    found = comparison.compare(data, _open(other_name))
    worst = dict(zip(data.factor_names, found["most_different"], strict=True))
    print(f"{name} and {other_name}, {found['num_images']:,} images")
    _print_facts(
        ("equal", f"{found['equal_images']:.4%} of the images in every pixel"),
        ("", f"{found['equal_pixels']:.4%} of the pixels in every channel"),
        ("differ", f"by {found['largest_difference']} of 255 at most"),
        ("", f"by {found['mean_difference']:.4g} of 255 on average"),
        ("most at", _listed(worst) if found["largest_difference"] else ""),
    )


def show(name, output_path=None, overwrite=False):
    """Writes a sheet of images: what each factor of variation does.

    Random images where the data set has not all combinations of its factors.

    Args:
      name: the data set.
      output_path: .png or .jpg file to write; None for <name>.png.
      overwrite: whether to replace it.

    Raises:
      ValueError: if the file exists and is not to be replaced.
    """
    from dmt.utils import pictures
    from dmt.visualize import visualize_dataset

    output_path = output_path or f"{name}.png"
    if os.path.exists(output_path) and not overwrite:
        raise ValueError(f"The file {output_path} exists. Give --overwrite.")
    data = _open(name)
    random_state = np.random.RandomState(0)
    if data.has_all_combinations:
        sheet = visualize_dataset.factors_picture(data, random_state)
    else:
        images = data.sample_observations(_NUM_RANDOM_IMAGES, random_state)
        sheet = pictures.image_grid(images)
    pictures.save_image(sheet, output_path)
    print(f"The sheet is {output_path}")


def _open(name):
    _find(name)  # Its error suggests official data sets, too.
    return named_data.get_named_ground_truth_data(name)

"""The command dmt_data, which lists, fetches, checks and shows datasets."""

import inspect
import os
import sys
from collections.abc import Callable

from dmt.cli.table import GIN_FLAGS, Command, Flag

_NUM_RANDOM_IMAGES = 64


def _data(flags, verb, *arguments):
    from dmt.data import registry
    from dmt.utils import configuration

    registry.import_shipped()  # Gin must know the parameters that it parses.
    step = _STEPS[verb][0]
    # The parameters after the arguments of a verb are flags.
    names = list(inspect.signature(step).parameters)[len(arguments) :]
    with configuration.gin_configuration(flags.gin_config, flags.gin_bindings):
        step(*arguments, **{name: flags[name].value for name in names})


def list_datasets():
    """Prints all datasets, those with published files first."""
    from dmt.data import registry
    from dmt.data.ground_truth import ground_truth_data, prepared
    from dmt.data.official import catalog, local

    root, cache = ground_truth_data.data_root(), prepared.cache_root()
    rows = [
        (
            dataset.name,
            f"{dataset.num_images:,}" if dataset.num_images else "?",
            _download_size(dataset),
            local.presence(dataset, root),
            dataset.description,
        )
        for dataset in catalog.DATASETS.values()
    ]
    rows += [
        (name, "", "-", "", registry.describe(name))
        for name in registry.names()
        if name not in catalog.DATASETS
    ]
    print(_table([("name", "images", "download", "here", "what"), *rows]))
    print(f"\nFiles are looked for in {root.absolute()}.")
    print(f"Prepared files are kept in {(cache / 'prepared').absolute()}.")
    print("More: dmt_data info NAME")


def info(name):
    """Prints the record of a dataset."""
    from dmt.data import registry
    from dmt.data.ground_truth import ground_truth_data, own_images
    from dmt.data.official import catalog

    dataset = catalog.find(name)
    if dataset is None:
        print(f"{name}: {registry.describe(name)}")
        data = _open(name)
        names = data.image_names
        kinds = zip(data.factors_num_values, data.continuous_factors, strict=True)
        sizes = ["(continuous)" if kind else size for size, kind in kinds]
        factors = dict(zip(data.factor_names, sizes, strict=True))
        _print_facts(
            ("origin", data.origin),
            ("images", _size_of(data)),
            ("factors", _listed(factors) or "none, the images have no labels"),
            ("note", catalog.NOTES.get(name, "")),
            ("first", own_images.shown(names[0]) if names else ""),
        )
        return
    root = ground_truth_data.data_root()
    size = f"{dataset.num_images:,}" if dataset.num_images else "an unknown number"
    twin = dataset.twin
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
        ("instead", f"{twin} is rendered on this machine" if twin else ""),
    )


def _file_facts(file, root):
    from dmt.data.official import download, local

    found = local.locate(file, root)
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


def fetch(name, accept_licence=False):
    """Downloads the files of a dataset, unless they are here."""
    from dmt.data.ground_truth import ground_truth_data
    from dmt.data.official import download, local

    dataset = _published(name)
    root = ground_truth_data.data_root()
    print(f"{name}: {dataset.description}")
    _print_facts(
        ("licence", dataset.licence),
        ("terms", dataset.terms),
        ("cite", dataset.citation),
        ("size", _download_size(dataset)),
        *(("to", str((root / file.path).absolute())) for file in dataset.files),
    )
    sys.stdout.flush()
    missing = [file for file in dataset.files if local.locate(file, root) is None]
    if any(not download.urls_of(file) for file in missing):
        raise ValueError(f"{name} cannot be fetched by a program: {_way(dataset)}.")
    if missing and dataset.needs_consent and not accept_licence:
        raise ValueError(f"Accept the terms of {name} with --accept_licence.")
    try:
        for file in dataset.files:
            report = download.fetch(file, root)
            print(f"{local.locate(file, root)[1].absolute()}: {report}")
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command to continue.", file=sys.stderr)
        sys.exit(130)


def add(name, path, link=False):
    """Copies files that were downloaded by other means; see `local.add_all`."""
    from dmt.data.ground_truth import ground_truth_data
    from dmt.data.official import local

    root = ground_truth_data.data_root()
    for target, report in local.add_all(_published(name), path, root, link):
        print(f"{target.absolute()}: {report}")


def verify(name):
    """Checks the files of a dataset and prints what was found."""
    from dmt.data.ground_truth import ground_truth_data
    from dmt.data.official import local

    root = ground_truth_data.data_root()
    problems = []
    for file in _published(name).files:
        try:
            report = local.verify(file, root)
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
        else:
            print(f"{local.locate(file, root)[1].absolute()}: {report}")
    if problems:
        raise ValueError(" ".join(problems))


def prepare(name):
    """Prepares the files that the first use of a dataset would prepare."""
    import numpy as np

    data = _open(name)
    data.prepare()
    data.sample(1, np.random.RandomState(0))
    print(f"{name} is ready: {_size_of(data)}, {data.origin}")


def compare(name, other_name):
    """Prints how much the images of two datasets with the same factors differ."""
    from dmt.data import agreement

    data = _open(name)
    found = agreement.compare(data, _open(other_name))
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
    """Writes a picture that shows the effect of each factor of variation.

    The picture shows random images if the dataset lacks combinations of its factors.
    """
    import numpy as np

    from dmt.utils import locks, pictures
    from dmt.visualize import visualize_dataset

    output_path = output_path or f"{name}.png"
    with locks.only_in(output_path):
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
    from dmt.data.ground_truth import named_data
    from dmt.data.official import catalog

    catalog.find(name)  # Its error suggests a similar name.
    return named_data.open_dataset(name)


def _published(name):
    from dmt.data import registry
    from dmt.data.official import catalog

    dataset = catalog.find(name)
    if dataset is None:
        raise ValueError(f"{name} needs no published file: {registry.describe(name)}.")
    return dataset


def _download_size(dataset):
    from dmt.data.official import download

    sizes = [file.size or file.about for file in dataset.files]
    known = download.megabytes(sum(filter(None, sizes)))
    return known if all(sizes) else f"> {known}" if any(sizes) else "?"


def _way(dataset):
    from dmt.data.official import download

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


def _table(rows):
    import tabulate

    text = tabulate.tabulate(rows, tablefmt="plain", disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines())


def _print_facts(*facts):
    lines = _table([fact for fact in facts if fact[1]]).splitlines()
    print(*(f"  {line}" for line in lines), sep="\n")


# Function of each verb, the arguments of the verb, and its help text.
_STEPS: dict[str, tuple[Callable, tuple[str, ...], str]] = {
    "list": (list_datasets, (), "lists all datasets, and which of them are here"),
    "info": (info, ("NAME",), "shows factors, licence, files and their sources"),
    "fetch": (fetch, ("NAME",), "downloads the files"),
    "add": (
        add,
        ("NAME", "PATH"),
        "copies a file, a folder or an archive that you have",
    ),
    "verify": (verify, ("NAME",), "checks the files"),
    "prepare": (prepare, ("NAME",), "prepares files now instead of at the first use"),
    "compare": (compare, ("NAME", "NAME"), "compares the images of two datasets"),
    "show": (show, ("NAME",), "writes a sheet of images"),
}
_FLAGS = (
    Flag("accept_licence", "bool", False, "fetch: whether you accept the terms."),
    Flag("link", "bool", False, "add: whether to make links instead of copies."),
    Flag("output_path", "string", None, "show: file to write, by default NAME.png."),
    Flag("overwrite", "bool", False, "show: whether to replace an existing picture."),
    *GIN_FLAGS,
)
COMMANDS = (
    Command(
        "data",
        "Fetches, checks and shows datasets. Their folder is $DMT_DATA, else "
        "$DISENTANGLEMENT_LIB_DATA, else the current folder. Prepared files are in the "
        "same folder, or in the user's cache folder if neither variable is set.",
        _FLAGS,
        _data,
        verbs={verb: facts[1:] for verb, facts in _STEPS.items()},
    ),
)

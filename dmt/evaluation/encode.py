"""From a representation to a file of the codes of all images."""

import csv
import os

import gin
import numpy as np

from dmt.evaluation.evaluate import encoded_data
from dmt.utils import configuration, files, locks, results


@locks.holding("output_path")
def encode(input_dir: str, output_path: str, overwrite: bool = False) -> None:
    """Writes the codes of all images of the dataset that gin binds.

    If gin binds none, it is the dataset of training. A .npz file has the arrays `codes`
    (size, num_codes), `factors` (size, num_factors), `factor_names` and `image_names`,
    the names of the images or their indices. Values of discrete factors are numbered
    from 0. A .csv file has the same in columns, in the order image, factors, codes.

    Args:
        input_dir: directory that `postprocess` wrote.
        output_path: .npz or .csv file to write.
        overwrite: whether to replace `output_path` if it exists.

    Raises:
        FileNotFoundError: if `input_dir` holds no representation.
        ValueError: if `output_path` exists and may not be replaced or has another
            suffix, or the images of the dataset have no indices.
    """
    if not output_path.lower().endswith((".csv", ".npz")):
        raise ValueError(
            f"Codes are written as .csv or .npz. Received: output_path={output_path!r}"
        )
    if os.path.exists(output_path) and not overwrite:
        raise ValueError(f"The file {output_path} exists. Give --overwrite.")
    if "dataset.name" not in results.parse_bindings(gin.config_str()):
        with gin.unlock_config():
            gin.bind_parameter("dataset.name", "auto")
    dataset, _, codes_at = encoded_data(input_dir)
    rows = np.arange(dataset.indexed_size("dmt_encode"))
    codes, factors = codes_at(rows), dataset.factors_at(rows)
    names = rows if dataset.image_names is None else list(dataset.image_names)
    with files.replacing(output_path) as temporary:
        if output_path.lower().endswith(".npz"):
            np.savez(
                temporary,
                codes=codes,
                factors=factors,
                factor_names=np.array(dataset.factor_names, dtype=str),
                image_names=np.array(names),
            )
            return
        with open(
            temporary, "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file:
            table = csv.writer(file)
            header = [f"code {number}" for number in range(codes.shape[1])]
            table.writerow(["image", *dataset.factor_names, *header])
            for name, values, code in zip(names, factors, codes, strict=True):
                table.writerow([name, *_plain(values, dataset), *code.tolist()])


def _plain(factors, dataset):
    """Factors of an image as Python numbers: integers unless they are continuous."""
    pairs = zip(factors.tolist(), dataset.continuous_factors, strict=True)
    return [value if is_continuous else int(value) for value, is_continuous in pairs]


encode_with_gin = configuration.with_gin(encode)

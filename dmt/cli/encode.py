"""The command that writes the codes of all images of a dataset."""

from dmt.cli.table import GIN_FLAGS, OVERWRITE, TRUST, Command, several
from dmt.utils import machine


def _encode(flags):
    machine.import_keras()
    from dmt.evaluation.encode import encode_with_gin

    encode_with_gin(
        flags.input_dir,
        flags.output_path,
        flags.overwrite,
        flags.gin_config,
        flags.gin_bindings,
    )
    print(f"The codes are {flags.output_path}")


COMMANDS = (
    Command(
        "encode",
        "Writes the codes of all images: --input_dir=IN --output_path=codes.csv. The "
        "images are those of training, unless gin binds another dataset.",
        (
            *several(
                "string",
                input_dir="Directory that dmt_postprocess wrote.",
                output_path="File to write. A .csv file has a line per image: its "
                "name, its factors and its codes. A .npz file has the arrays codes, "
                "factors, factor_names and image_names.",
            ),
            *GIN_FLAGS,
            OVERWRITE,
            TRUST,
        ),
        _encode,
        required=("input_dir", "output_path"),
    ),
)

"""Tables as lines of text."""


def aligned(rows, text):
    """Rows with columns of one width each, two spaces apart.

    Args:
        rows: list of lists of strings, of one length.
        text: indices of the columns that start at the left; others end at the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i in text else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]

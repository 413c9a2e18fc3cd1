"""Errors about the content of a file say which file it is."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def content_of(path: str) -> Iterator[None]:
    """Context that reads a file of a run; an error names the file.

    Raises:
        ValueError: in place of any error but an OSError, which names the file itself.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if isinstance(error, ValueError) and path in str(error):
            raise
        found = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} is damaged, make it again: {found}") from error

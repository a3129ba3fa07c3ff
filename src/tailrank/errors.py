"""What can go wrong through no fault of the code: every message names the place and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class TailrankError(Exception):
    """Base of all errors that a user can mend; the command line prints it without a traceback."""


class DataError(TailrankError):
    """A data folder, or a table given in its place, breaks its contract."""


class EncoderError(TailrankError):
    """A language model can't be found, verified or used."""


class ModelError(TailrankError):
    """A model folder is missing, damaged or from another format."""


class RequestError(TailrankError):
    """A history, a candidate list or an option of a request makes no sense."""


def first_line(error: BaseException) -> str:
    """Shorten the message of another library's error to its first line, or to its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def needs(what: str, extra: str, error: type[TailrankError] = RequestError) -> Iterator[None]:
    """Name the extra to install if a package that the block imports is missing.

    Examples
    --------
    >>> with needs("the map", "report"):
    ...     import cartography
    Traceback (most recent call last):
    tailrank.errors.RequestError: the map needs cartography: pip install "tailrank[report]"
    """
    try:
        yield
    except ImportError as missing:
        raise error(f'{what} needs {missing.name}: pip install "tailrank[{extra}]"') from None

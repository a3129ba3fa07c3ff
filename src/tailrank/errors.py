"""What can go wrong through no fault of the code: every message names the place and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches


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


def instead_of(name: str, known: Mapping[str, str]) -> str:
    """Say what was meant by an unknown name: the nearest that is known or, without one, all of them.

    Parameters
    ----------
    name
        As it was given.
    known
        Where each name belongs; it is the name itself for those that could stand in its place.

    Examples
    --------
    >>> instead_of("tial", {"tail": "policy.tail", "k": "k"})
    'did you mean `policy.tail`?'
    >>> instead_of("diversity", {"tail": "policy.tail", "k": "k"})
    'there are `k`'
    """
    near = get_close_matches(name, known, 1)
    if near:
        return f"did you mean `{known[near[0]]}`?"
    return f"there are {', '.join(f'`{one}`' for one, place in known.items() if one == place) or 'none'}"


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

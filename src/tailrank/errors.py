"""What can go wrong through no fault of the code: every message names the place and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Final

SIMILAR: Final = 0.75
"""How much of two names must agree (`difflib`) for one to be meant by the other."""


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
    """Shorten the message of another library's error to its first line, or to its type if it has none.

    Of an error of the system, its number is left out, and the path, which the caller names.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
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
    >>> instead_of("eventId", {"event": "event", "event_id": "event_id"})
    'did you mean `event_id`?'
    """
    near = nearest(name, known)
    if near is not None:
        return f"did you mean `{known[near]}`?"
    return f"there are {', '.join(f'`{one}`' for one, place in known.items() if one == place) or 'none'}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Find the name that was meant by another one, however that is written; None if none is near.

    Examples
    --------
    >>> nearest("ITEM-ID", ["user_id", "item_id"]), nearest("price", ["title"])
    ('item_id', None)
    """
    letters = {_letters(one): one for one in known}
    near = get_close_matches(_letters(name), letters, 1, SIMILAR)
    return letters[near[0]] if near else None


def _letters(name: str) -> str:
    """Leave out how a name is written: `itemId`, `item-id` and `item_id` are the same."""
    return name.replace("_", "").replace("-", "").casefold()


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


@contextmanager
def naming(where: object) -> Iterator[None]:
    """Put a file, or part of one, in front of what is wrong with its contents.

    Examples
    --------
    >>> with naming("asked.csv"):
    ...     raise DataError("row 3 has no text")
    Traceback (most recent call last):
    tailrank.errors.DataError: asked.csv: row 3 has no text
    """
    try:
        yield
    except (DataError, RequestError) as why:
        raise type(why)(f"{where}: {why}") from None

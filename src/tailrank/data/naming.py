"""Names that columns have in other people's files: found by case, taken as asked, or guessed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import polars as pl

from tailrank.data.columns import Columns
from tailrank.errors import DataError, nearest

USUAL: Final = {
    Columns.USER: "user customer|id|no|number visitor|id client|id member|id reviewer|id account|id "
    "shopper|id household|id session|id uid kunde kunden|nr|nummer|id benutzer|id nutzer|id",
    Columns.ITEM: "item parent|asin product|id|no|number article|id|no|number sku movie|id book|id song|id "
    "track|id content|id stock|code asin isbn artikel|nr|nummer|id produkt|nr|nummer|id",
    Columns.TIMESTAMP: "time date|time ts event|time|date|timestamp created|at order|date|time invoice|date "
    "purchase|date|time unix|review|time datum zeit|punkt|stempel bestell|datum kauf|datum",
    Columns.EVENT: "event|type|name action behavior behaviour interaction|type ereignis aktion",
    Columns.VALUE: "rating overall stars quantity qty amount bewertung menge anzahl",
    Columns.RANKING: "ranking request|id list|id impression|id query|id",
    Columns.CLICKED: "click is|click label chosen geklickt",
    Columns.PROPENSITY: "propensity|score",
    "title": "product|name|title item|name movie|title book|title titel bezeichnung artikel|name|bezeichnung "
    "produkt|name",
    "category": "main|category product|category item|category department warengruppe kategorie rubrik",
    "genres": "genre",
    "brand": "store manufacturer vendor marke hersteller",
    "description": "product|description desc beschreibung artikel|beschreibung",
}
"""Usual names of columns, the surest first, in letters alone: `user|id|no` is userid, userno and user."""


def guess_columns(present: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """Guess which columns of a file are meant by the names of the contract that it lacks.

    Parameters
    ----------
    present, wanted
        Names of the file's columns, and those of the contract.

    Returns
    -------
    dict[str, str]
        The file's name of each column that one is guessed for.

    Examples
    --------
    >>> guess_columns(["userId", "movieId", "rating", "timestamp"], ["user_id", "item_id", "timestamp"])
    {'user_id': 'userId', 'item_id': 'movieId'}
    """
    plain = {_plain(name): name for name in reversed(list(present))}
    wanted = list(wanted)
    known = {_plain(name) for name in wanted if name in plain.values()}
    guesses: dict[str, str] = {}
    for name in wanted:
        usual = (each for each in _usual(name) if each in plain and each not in known)
        if _plain(name) not in known and (found := next(usual, None)) is not None:
            guesses[name] = plain[found]
            known.add(found)
    return guesses


def as_options(columns: Mapping[str, str]) -> str:
    """Write names of columns as options of the command line.

    Examples
    --------
    >>> as_options({"user_id": "userId", "title": "Item name"})
    "--map user_id=userId --map 'title=Item name'"
    """
    return " ".join(f"--map {shlex.quote(f'{name}={column}')}" for name, column in columns.items())


def rename_columns(
    frame: pl.DataFrame, wanted: Collection[str], asked: Mapping[str, str], source: str
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Give columns the names of the contract: as asked, and where only the case differs.

    Parameters
    ----------
    frame
        As the file has it.
    wanted
        Names of the contract.
    asked
        The file's name of some of them.
    source
        The file, for messages.

    Returns
    -------
    tuple[pl.DataFrame, dict[str, str]]
        The table, and the file's name of each column that has another now.

    Raises
    ------
    DataError
        If a column is asked for that the file lacks.
    """
    taken = {name: column for name, column in asked.items() if column in frame.columns and column != name}
    for name in wanted:
        same = [column for column in frame.columns if column.lower() == name]
        if name not in taken and name not in frame.columns and len(same) == 1:
            taken[name] = same[0]
    for name, column in asked.items():
        if column not in frame.columns:
            near = nearest(column, frame.columns)
            raise DataError(
                f"{source}: no column {column!r}, which {name} is to be read from; the file has "
                f"{', '.join(frame.columns)}{f': did you mean `{near}`?' if near else '.'} "
                f"Correct {as_options({name: column})}, or tailrank.toml."
            )
    renamed = frame.with_columns(pl.col(column).alias(name) for name, column in taken.items())
    return renamed.drop(set(taken.values()) - taken.keys()), taken


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _usual(name: str) -> Iterable[str]:
    """List the names that a column has elsewhere, its own in another spelling first."""
    yield _plain(name)
    for words in USUAL.get(name, "").split():
        first, *endings = words.split("|")
        yield from (first + ending for ending in endings)
        yield first

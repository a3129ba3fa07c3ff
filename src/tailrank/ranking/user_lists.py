"""Candidates of many users from a table, one list a user, cut into parts of so many users."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self, cast

import numpy as np
import polars as pl

from tailrank.arrays import Offsets
from tailrank.data.columns import Columns
from tailrank.data.histories import History
from tailrank.data.list_rows import ListRows
from tailrank.data.readers import FOLDERS, SUFFIXES, located, read_table
from tailrank.data.schema import ID, INTEGER, OPTIONAL_NUMBER, Check, TableSchema, parse_table, raise_failures
from tailrank.errors import DataError

CANDIDATES: Final = TableSchema(
    "candidates",
    {Columns.USER: ID, Columns.ITEM: ID, Columns.POSITION: INTEGER, Columns.SCORE: OPTIONAL_NUMBER},
    required=((Columns.USER,), (Columns.ITEM,)),
)
USERS: Final = TableSchema("users", {Columns.USER: ID}, required=((Columns.USER,),), unique=Columns.USER)

ReadHistories = Callable[[Sequence[str]], Sequence[History]]
"""Gives the latest events of each of some users."""


class Part(NamedTuple):
    """Lists of some users, with all that ranking them needs beside the model.

    Attributes
    ----------
    number
        From 0.
    users, histories
        One a list.
    items
        The candidates of all lists, one list after another.
    offsets
        List `n` is `items[offsets[n]:offsets[n + 1]]`; shape (lists + 1,).
    scores
        The recommender's own of each candidate, NaN if it gave none; None without any.
    """

    number: int
    users: list[str]
    histories: Sequence[History]
    items: list[str]
    offsets: list[int]
    scores: list[float] | None


@dataclass(frozen=True)
class UserLists:
    """Lists of candidates, one a user, in the order in which users first occur in the table.

    Attributes
    ----------
    table
        `user_id`, `item_id`, of the items that may occur, and perhaps `score`, list by list, each in its
        order.
    offsets
        List `n` is the rows `offsets[n]:offsets[n + 1]`; shape (lists + 1,).
    """

    table: pl.DataFrame
    offsets: Offsets

    @classmethod
    def read(
        cls,
        file: Path,
        items: Iterable[str],
        users: Iterable[str] | None = None,
        only: Path | None = None,
    ) -> Self:
        """Read a file, or a folder of part files, with a row a candidate.

        Parameters
        ----------
        file
            Columns `user_id` and `item_id`; optionally `position`, or the recommender's own `score`, which
            order each list in place of the rows.
        items
            Ids that may occur.
        users
            Users that may occur; None means any.
        only
            A file whose `user_id` name whose lists to keep; None keeps all.

        Raises
        ------
        DataError
            If a file can't be read, a column is missing or unknown, or an id is unknown; it names the row.
        """
        frame, known = _parsed(file, CANDIDATES), pl.Series(list(items), dtype=pl.String)
        checks = [_unknown(frame[Columns.ITEM], known, "the model", "train a model with these items")]
        if users is not None:
            checks.append(_unknown(frame[Columns.USER], users, "the events", "give their events"))
        raise_failures(located(checks, file), str(file))
        if only is not None:
            wanted = _parsed(only, USERS)[Columns.USER]
            lacking = _unknown(wanted, frame[Columns.USER], str(file), "give their candidates")
            raise_failures(located([lacking], only), str(only))
            frame = frame.filter(pl.col(Columns.USER).is_in(wanted.implode()))
        scores = [Columns.SCORE] if Columns.SCORE in frame.columns else []
        found = ListRows.find(frame, scores, str(file))
        item = pl.col(Columns.ITEM).cast(pl.Enum(known))
        return cls(frame.select(Columns.USER, item, *scores)[found.rows], found.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def fingerprint(self) -> str:
        """Hash of users, candidates and scores, the same for the same lists."""
        digest = hashlib.blake2b(self.offsets.tobytes(), digest_size=16)
        for column in self.table:
            digest.update("\n".join(column.cast(pl.String).fill_null("").to_list()).encode())
        return digest.hexdigest()

    def parts(self, numbers: Iterable[int], size: int, histories: ReadHistories) -> Iterator[Part]:
        """Give some of the parts that so many users each make, the last one of what is left."""
        # Lists share the strings of their items: a string that was looked up before is found sooner.
        names = cast("pl.Enum", self.table.schema[Columns.ITEM]).categories.to_numpy()
        for number in numbers:
            offsets = self.offsets[number * size : (number + 1) * size + 1]
            rows = self.table[int(offsets[0]) : int(offsets[-1])]
            offsets = offsets - offsets[0]
            users = rows[Columns.USER].gather(offsets[:-1]).to_list()
            scores = None
            if Columns.SCORE in rows.columns:
                scores = rows[Columns.SCORE].cast(pl.Float64).fill_null(np.nan).to_list()
            items = names.take(rows[Columns.ITEM].to_physical().to_numpy()).tolist()
            yield Part(number, users, histories(users), items, offsets.tolist(), scores)


def _parsed(file: Path, schema: TableSchema) -> pl.DataFrame:
    """Read a table that holds nothing but columns of its contract."""
    if not file.name.endswith((*SUFFIXES, *FOLDERS)) or not file.exists():
        raise DataError(f"{file}: no such file. Give {schema.name} as {', '.join(SUFFIXES)}.")
    frame, checks = parse_table(read_table(file, schema), schema)
    known = ", ".join(schema.columns)
    others = [name for name in frame.columns if name not in schema.columns]
    checks.append(Check.from_faults("unknown columns", others, f"Leave them out; there are {known}."))
    raise_failures(located(checks, file), str(file))
    return frame


def _unknown(ids: pl.Series, known: Iterable[str], place: str, remedy: str) -> Check:
    """Check for rows whose id a place lacks."""
    unknown = ~ids.is_in(pl.Series(list(known), dtype=pl.String).unique().implode())
    return Check.from_mask(
        f"{ids.name} that isn't in {place}", unknown, ids, f"Drop these rows, or {remedy}."
    )

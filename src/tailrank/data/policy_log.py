"""Logs that say by which chances they were made: what off-policy evaluation reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import polars as pl

from tailrank.arrays import Codes, Doubles
from tailrank.data.columns import Columns
from tailrank.data.frames import Frame, to_polars
from tailrank.data.list_rows import ListRows
from tailrank.data.readers import AS_IS, FOLDERS, SUFFIXES, read_table
from tailrank.data.reading import Reading
from tailrank.data.schema import (
    BOOLEAN,
    ID,
    IMPRESSIONS,
    INTEGER,
    NUMBER,
    Check,
    TableSchema,
    parse_table,
    raise_failures,
)
from tailrank.errors import DataError, instead_of

LOGGED: Final = (Columns.PROPENSITY, Columns.NEXT_PROPENSITY)
TARGETS: Final = (Columns.TARGET, Columns.NEXT_TARGET)
PREDICTIONS: Final = (Columns.PREDICTED, Columns.PREDICTED_TARGET)
NUMBERS: Final = (*LOGGED, *TARGETS, *PREDICTIONS)
LOG: Final = TableSchema(
    "log",
    {
        Columns.RANKING: ID,
        Columns.POSITION: INTEGER,
        Columns.USER: ID,
        Columns.REWARD: NUMBER,
        Columns.CLICKED: BOOLEAN,
        **dict.fromkeys(NUMBERS, NUMBER),
    },
    required=((Columns.REWARD, Columns.CLICKED), LOGGED, TARGETS),
)
"""A log, a row a choice or, with `ranking_id`, a row an item of a ranking."""

_TOGETHER: Final = (*zip(LOGGED, TARGETS, strict=True), PREDICTIONS)


@dataclass(frozen=True)
class PolicyLog:
    """What a policy showed, what it earned, and by which chances it and another policy show that.

    Attributes
    ----------
    rewards
        Of each item of each ranking, shape (rankings, positions): choices are rankings of one position, and
        shorter rankings are filled up by rewards of 0.
    users
        User code of each ranking, shape (rankings,); None if users aren't known.
    numbers
        By the name of a column, its values, shape (rankings, positions): chances of the log and of the other
        policy, filled up by 1, and predicted rewards, filled up by 0.
    ranked
        Whether rows are items of rankings.
    """

    rewards: Doubles
    users: Codes | None
    numbers: Mapping[str, Doubles]
    ranked: bool

    def __len__(self) -> int:
        return len(self.rewards)

    @classmethod
    def read(cls, file: Path, reading: Reading = AS_IS) -> Self:
        """Read a file, or a folder of part files (docs/off_policy.md).

        Raises
        ------
        DataError
            If it is missing or damaged, or as `from_frame` does.
        """
        if not file.exists() or not file.name.endswith((*SUFFIXES, *FOLDERS)):
            raise DataError(f"{file}: no such table. Give a file that ends in {', '.join(SUFFIXES)}.")
        return cls.from_frame(read_table(file, LOG, reading), str(file))

    @classmethod
    def from_frame(cls, raw: Frame, name: str = "log") -> Self:
        """Take a log from a table.

        Parameters
        ----------
        raw
            polars, pandas or Arrow, with the columns of docs/off_policy.md.
        name
            For messages.

        Raises
        ------
        DataError
            Naming columns that are missing or unknown, rows whose chances are none, and rankings that hold a
            position twice or several users.
        """
        table = to_polars(raw, name)
        known = {each: each for each in LOG.columns} | {each: each for each in IMPRESSIONS.columns}
        for column in table.columns:
            if column not in known:
                raise DataError(
                    f"{name}: unknown column `{column}`: {instead_of(column, known)}; or leave it out."
                )
        parsed, checks = parse_table(table, LOG)
        frame = parsed.select(set(LOG.columns) & set(parsed.columns))
        ranked = Columns.RANKING in frame.columns
        raise_failures([*checks, *_contract(frame, ranked)], name)
        return cls._filled(frame, ListRows.find(frame, (), name) if ranked else None)

    @classmethod
    def _filled(cls, frame: pl.DataFrame, found: ListRows | None) -> Self:
        """Lay the columns of a parsed table out by ranking and position."""
        rows = np.arange(len(frame)) if found is None else found.rows
        offsets = np.arange(len(frame) + 1) if found is None else found.offsets
        lengths = np.diff(offsets)
        ranking = np.repeat(np.arange(len(lengths)), lengths)
        at = ranking, np.arange(len(rows)) - offsets[ranking]

        def laid_out(column: str, missing: float) -> Doubles:
            values = np.full((len(lengths), int(lengths.max())), missing, np.float64)
            values[at] = frame[column].cast(pl.Float64).to_numpy()[rows]
            return values

        reward = Columns.REWARD if Columns.REWARD in frame.columns else Columns.CLICKED
        there = [column for column in NUMBERS if column in frame.columns]
        users = frame[Columns.USER].rank("dense").to_numpy() if Columns.USER in frame.columns else None
        return cls(
            laid_out(reward, 0),
            None if users is None else users[rows[offsets[:-1]]].astype(np.int32),
            {column: laid_out(column, 0 if column in PREDICTIONS else 1) for column in there},
            found is not None,
        )


def _contract(frame: pl.DataFrame, ranked: bool) -> Iterable[Check]:
    """Check what goes beyond the type of a column."""
    alone = [
        f"{one} without {other}"
        for pair in _TOGETHER
        for one, other in (pair, pair[::-1])
        if one in frame.columns and other not in frame.columns
    ]
    yield Check.from_faults("columns that belong together", alone, "Give both, or neither.")
    if not ranked:
        below = [each for each in (Columns.NEXT_PROPENSITY, Columns.NEXT_TARGET) if each in frame.columns]
        yield Check.from_faults(
            f"chances in rankings without {Columns.RANKING}", below, "Say what is a ranking."
        )
    for column in (*LOGGED, *TARGETS):
        if column in frame.columns:
            value = frame[column]
            bad = (value <= 0 if column in LOGGED else value < 0) | (value > 1)
            chance = "above 0, since it was shown, and at most 1" if column in LOGGED else "from 0 to 1"
            yield Check.from_mask(f"{column} that is no chance", bad, value, f"A chance is {chance}.")
    if ranked and Columns.POSITION in frame.columns:
        place = pl.struct(Columns.RANKING, Columns.POSITION)
        again = ~frame.select(place.is_first_distinct()).to_series()
        position = frame[Columns.POSITION]
        yield Check.from_mask(
            "positions that a ranking holds twice", again, position, "Keep one row for each."
        )

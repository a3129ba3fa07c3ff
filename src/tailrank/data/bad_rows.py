"""Rows that break the contract: taken out of their tables on demand, and written down."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

from tailrank.data.schema import Check
from tailrank.errors import DataError
from tailrank.files import written_file

SCHEMA: Final = {"file": pl.String, "row": pl.Int64, "reason": pl.String, "record": pl.String}


class BadRows:
    """Collects the rows that checks fail."""

    def __init__(self) -> None:
        self._found = [pl.DataFrame(schema=SCHEMA)]

    @property
    def rows(self) -> pl.DataFrame:
        """One row each: its file, its number (row 1 is the first record), what is wrong, and it as JSON."""
        return pl.concat(self._found)

    def take(
        self, frame: pl.DataFrame, raw: pl.DataFrame, checks: Iterable[Check], source: str
    ) -> pl.DataFrame:
        """Take the rows that fail a check out of a table.

        Parameters
        ----------
        frame, raw
            The table, and the same as its file has it; shape (rows,) each.
        checks
            Those that have no rows are passed over.
        source
            The file.

        Returns
        -------
        pl.DataFrame
            The other rows.

        Raises
        ------
        DataError
            If none is left.
        """
        reasons = [
            pl.when(bad.bad).then(pl.lit(bad.name)) for bad in checks if bad.bad is not None and bad.count
        ]
        if not reasons:
            return frame
        reason = raw.select(pl.concat_str(reasons, separator="; ", ignore_nulls=True)).to_series()
        good = reason == ""
        if not good.any():
            raise DataError(
                f"{source}: every row breaks the contract, the first by {reason[0]}. See docs/data.md."
            )
        record = pl.struct(pl.all().exclude(pl.Binary)).struct.json_encode()
        row = pl.int_range(1, pl.len() + 1)
        found = raw.select(file=pl.lit(source), row=row, reason=reason, record=record)
        self._found.append(found.filter(~good))
        return frame.filter(good)

    def write(self, path: Path) -> None:
        """Write them to a CSV file.

        Raises
        ------
        DataError
            If it can't be written.
        """
        try:
            with written_file(path) as new:
                self.rows.write_csv(new)
        except OSError as why:
            raise DataError(f"{path}: can't be written ({why}). Name another file.") from None

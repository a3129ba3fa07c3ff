"""Turns segments that nobody appends to into Parquet, and removes what is erased or too old.

`python -m tailrank.feedback.roll_over FOLDER DAYS GB [read]` prints what it did as JSON. Cut off at any
moment, it does the rest the next time: a segment goes last.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
from filelock import FileLock

from tailrank.feedback.log_reader import segments_read
from tailrank.feedback.log_tables import ERASED, HOURS, erased_users, rolled_files, tables, without_erased
from tailrank.feedback.records import all_segments, damaged_blocks, read_records
from tailrank.feedback.segments import HOUR_LENGTH, closed_segments, hour_of
from tailrank.files import written_file

NICENESS: Final = 10
"""Rankings come first."""


def roll_over(folder: Path, days: float, gb: float, *, read_only: bool = False) -> dict[str, int]:
    """Do all that is due; one process at a time does.

    Parameters
    ----------
    folder
        Of the log.
    days, gb
        How much of it is kept, as `Retention` says.
    read_only
        Leave segments that somebody hasn't read yet (`LogReader`).

    Returns
    -------
    dict[str, int]
        `segments` that were rolled over, `damaged_blocks` that were passed over in them,
        `over_budget_bytes` that were removed to stay within `gb`.
    """
    with FileLock(folder / "roll-over.lock"):
        for unfinished in folder.glob(f"{HOURS}/*/.*.parquet.*/"):
            shutil.rmtree(unfinished)
        segments, oldest = closed_segments(folder), max(0.0, time.time() - days * 86_400)
        if read_only:
            read = segments_read(folder)
            segments = [segment for segment in segments if segment.name in read]
        damaged = damaged_blocks(segments)
        try:
            _roll_over(folder, segments, oldest)
        finally:  # it may be for want of room that the rest failed
            removed = _remove(folder, hour_of(oldest), gb * 1e9)
    return {"segments": len(segments), "damaged_blocks": damaged, "over_budget_bytes": removed}


def _roll_over(folder: Path, segments: Sequence[Path], oldest: float) -> None:
    before = erased_users(folder)
    erased = erased_users(folder, read_records(segments))
    for segment in segments:
        for name, table in tables(list(read_records([segment])))._asdict().items():
            _write(without_erased(table, erased), _rolled(folder, segment, name))
    if erased != before:
        for file in rolled_files(folder):
            _erase(file, erased)
    kept = {digest: until for digest, until in erased.items() if until > oldest}
    if kept != before:
        with written_file(folder / ERASED) as new:
            new.write_text(json.dumps(kept))
    for segment in segments:
        segment.unlink()


def _rolled(folder: Path, segment: Path, name: str) -> Path:
    return folder / HOURS / segment.name[:HOUR_LENGTH] / f"{segment.stem}.{name}.parquet"


def _write(table: pl.LazyFrame, file: Path) -> None:
    """Write a table, unless it is empty."""
    rows = table.collect()
    if len(rows):
        with written_file(file) as new:
            rows.write_parquet(new)
    else:
        file.unlink(missing_ok=True)


def _erase(file: Path, erased: Mapping[str, float]) -> None:
    """Rewrite a file that holds rows of erased users."""
    table = pl.scan_parquet(file)
    kept = without_erased(table, erased)
    if kept.select(pl.len()).collect().item() < table.select(pl.len()).collect().item():
        _write(kept, file)


def _remove(folder: Path, oldest: str, budget: float) -> int:
    """Remove what is older than an hour and, the oldest first, what is over the budget; returns its bytes."""
    closed = {*rolled_files(folder), *closed_segments(folder)}
    sizes = {file: file.stat().st_size for file in {*closed, *all_segments(folder)}}
    total, over = sum(sizes.values()), 0
    for file in sorted(closed, key=lambda one: one.name):
        is_old = file.name[:HOUR_LENGTH] < oldest
        if not is_old and total <= budget:
            break
        file.unlink()
        total -= sizes[file]
        over += 0 if is_old else sizes[file]
    for hour in folder.glob(f"{HOURS}/*/"):
        with suppress(OSError):  # it isn't empty
            hour.rmdir()
    return over


if __name__ == "__main__":
    os.nice(NICENESS)
    where, keep_days, keep_gb, *read = sys.argv[1:]
    print(json.dumps(roll_over(Path(where), float(keep_days), float(keep_gb), read_only=bool(read))))

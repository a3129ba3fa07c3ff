"""Files of an export, read a record at a time; faults name the file and the line."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Meta

from tailrank.bounds import EARLIEST_TIMESTAMP, MAX_ID_BYTES, latest_plausible_time
from tailrank.errors import DataError
from tailrank.reporting import Progress

T = TypeVar("T")
R = TypeVar("R")

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES)]
EventType: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]

BUFFER: Final = 1 << 20
ZONE_APART: Final = re.compile(r" (?=[+-]\d\d:?\d\d$)")
"""A space before the zone, as databases write it."""

REPORTED: Final = 1_000
"""Records between two reports of progress."""

_Blocks: TypeAlias = "io.BufferedReader[Any]"


class UnixTime(float):
    """Seconds since 1970."""

    @classmethod
    def from_number(cls, time: float, units: int = 1, earliest: int = EARLIEST_TIMESTAMP) -> UnixTime:
        """Convert a number of units of which a second has `units`: one, or a thousand.

        Raises
        ------
        ValueError
            If nothing can have happened then: before 1990, or `earliest`, or more than a day ahead of now.
        """
        if not earliest * units <= time <= latest_plausible_time() * units:
            unit = "seconds" if units == 1 else "milliseconds"
            first = datetime.fromtimestamp(earliest, UTC).year
            raise ValueError(f"Expected {unit} since 1970, from {first} to now, got {time!s:.20}")
        return cls(time / units)

    @property
    def microseconds(self) -> int:
        """Whole microseconds since 1970, as tables hold times."""
        return round(self * 1e6)


def iso_seconds(text: str) -> float:
    """Read ISO-8601 text as seconds since 1970; without a zone it is UTC.

    The zone may also be as databases and Java write it: ` UTC`, ` +0100`, `+01:00[Europe/Berlin]`.

    Raises
    ------
    ValueError
        If the text is no time.

    Examples
    --------
    >>> iso_seconds("2022-06-22T11:21:39Z"), iso_seconds("1970-01-01T02:00:00+02:00[Europe/Berlin]")
    (1655896899.0, 0.0)
    """
    try:
        moment = datetime.fromisoformat(ZONE_APART.sub("", text.partition("[")[0].replace(" UTC", "Z")))
    except ValueError:
        raise ValueError(f"Expected ISO 8601 such as 2024-01-31T09:30:00Z, got {text[:40]!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_records(
    paths: Sequence[Path],
    decoder: msgspec.json.Decoder[T],
    progress: Progress,
    from_row: Callable[[dict[str, str]], T] | None = None,
) -> Iterator[T]:
    """Read files one after the other: JSON Lines, a JSON array, or CSV with a header; `.gz` is unpacked.

    Parameters
    ----------
    paths
        A file whose name ends in `.csv` or `.csv.gz` is CSV.
    decoder
        Of one JSON record.
    progress
        Called with the bytes that are read of all the files together.
    from_row
        Makes a record of a row of CSV, and raises ValueError if it can't.

    Raises
    ------
    DataError
        If a file can't be read or a record isn't what it should be; it names the file and the line.
    """
    total = sum(path.stat().st_size for path in paths)
    what = paths[0].name if len(paths) == 1 else f"{len(paths)} files"
    before = 0
    for path in paths:
        try:
            with path.open("rb") as packed:
                file = _unpacked(path, packed)
                if from_row is not None and path.name.endswith((".csv", ".csv.gz")):
                    found = _decoded(path, "line", _rows(path, file), from_row)
                elif file.peek(BUFFER).lstrip()[:1] == b"[":
                    found = _decoded(path, "entry", _entries(path, file), decoder.decode)
                else:
                    lines = ((n, line) for n, line in enumerate(file, start=1) if not line.isspace())
                    found = _decoded(path, "line", lines, decoder.decode)
                for n, record in enumerate(found):
                    if n % REPORTED == 0:
                        progress(what, before + packed.tell(), total)
                    yield record
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: can't be read ({error}). Export or copy it again.") from None
        before += path.stat().st_size
        progress(what, before, total)


def _unpacked(path: Path, packed: _Blocks) -> _Blocks:
    """Unpack a file if its name says that it is packed."""
    if path.suffix not in (".gz", ".gzip"):
        return packed
    return io.BufferedReader(cast(io.RawIOBase, gzip.open(packed)), BUFFER)


def _entries(path: Path, file: _Blocks) -> Iterable[tuple[int, msgspec.Raw]]:
    """Split a JSON array into its entries, each with its number."""
    try:
        return enumerate(msgspec.json.decode(file.read(), type=list[msgspec.Raw]), start=1)
    except (ValueError, RecursionError) as error:
        raise _fault(f"{path}, line 1", error) from None


def _rows(path: Path, file: _Blocks) -> Iterator[tuple[int, dict[str, str]]]:
    """Read rows of CSV, each with the number of its last line."""
    reader = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
    try:
        header = next(reader, [])
        for row in reader:
            if len(row) not in (0, len(header)):
                raise ValueError(f"{len(row)} cells below {len(header)} columns")
            if row:
                yield reader.line_num, dict(zip(header, row, strict=True))
    except (csv.Error, ValueError) as error:
        raise _fault(f"{path}, line {reader.line_num}", error) from None


def _decoded(path: Path, what: str, raw: Iterable[tuple[int, R]], read: Callable[[R], T]) -> Iterator[T]:
    """Read numbered records; a fault names the file and the record."""
    for number, record in raw:
        try:
            yield read(record)
        except (ValueError, RecursionError) as error:
            raise _fault(f"{path}, {what} {number}", error) from None


def _fault(where: str, error: Exception) -> DataError:
    remedy = "Correct or remove it; JSON has one record a line, or one array (`jq -c . FILE` writes lines)."
    return DataError(f"{where}: {error}. {remedy}")

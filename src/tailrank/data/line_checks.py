"""CSV and JSON Lines, line by line: slower than polars, but faults get a number, and what is odd is read.

Both `checked_` functions return the file as polars will read it rightly.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

import msgspec
import numpy as np

MAX_CELL: Final = 2**31 - 1


def is_well_quoted(content: bytes, separator: str = ",") -> bool:
    r"""Tell whether each quote of a CSV file opens or closes a field, or is one of two inside a field.

    Otherwise polars may refuse the file, or take several rows for one.

    Examples
    --------
    >>> is_well_quoted(b'id,title\n1,"5"" pipe"\n'), is_well_quoted(b'id,title\n1,5" pipe\n')
    (True, False)
    """
    if b'"' not in content:
        return True
    edges = np.isin(np.arange(256), np.frombuffer(f'{separator}\r\n"'.encode(), np.uint8))
    octets = np.frombuffer(b"\n%b\n" % content, np.uint8)
    quotes = np.flatnonzero(octets == ord('"'))
    outside = octets[np.concatenate([quotes[::2] - 1, quotes[1::2] + 1])]
    return len(quotes) % 2 == 0 and bool(edges[outside].all())


def checked_csv(content: bytes, separator: str = ",") -> bytes:
    """Quote a CSV file anew, in which a quote inside an unquoted field is that: the inches of `5" pipe`.

    Raises
    ------
    ValueError
        With the first line that isn't UTF-8, has too many fields, or quotes that can't be read.
    """
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, lineterminator="\n")
    reader = csv.reader(_decoded(content), delimiter=separator, strict=True)
    limit = csv.field_size_limit(MAX_CELL)
    first, width = 1, 0
    try:
        for row in reader:
            width = width or len(row)
            if len(row) > width:
                raise ValueError(f"line {first}: {len(row)} fields, while the header has {width}")
            writer.writerow(row)
            first = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {first}: a quote inside a field is to be doubled ({error})") from None
    finally:
        csv.field_size_limit(limit)
    return written.getvalue().encode()


def checked_json_lines(content: bytes, flat: Collection[str], keep_nested: bool) -> bytes:
    """Write values as text in columns of JSON Lines that hold now one kind of value, now another.

    Parameters
    ----------
    content
        The file.
    flat
        Lower-case names of columns in which nested values, beside others, are refused; elsewhere they become
        JSON.
    keep_nested
        Whether columns of nothing but nested values stay as they are.

    Raises
    ------
    ValueError
        With the first line that isn't an object of valid JSON, or nests in one of the `flat` columns.
    """
    rows = dict(_objects(content))
    columns: defaultdict[str, _Column] = defaultdict(_Column)
    for row in rows.values():
        for name, value in row.items():
            columns[name].add(value)
    as_text = {
        name
        for name, column in columns.items()
        if column.mixed or (column.nested and not keep_nested and name.lower() not in flat)
    }
    for number, row in rows.items():
        for name in as_text & row.keys():
            if name.lower() in flat and _Column().add(row[name]).nested:
                raise ValueError(
                    f"line {number}: {name!r} nests values here and not elsewhere: give it one kind"
                )
            row[name] = _text(row[name])
    return b"\n".join(map(msgspec.json.encode, rows.values())) if as_text else content


@dataclass(frozen=True)
class _Column:
    """Kinds of the values of a column, and of what its lists hold."""

    values: set[str] = field(default_factory=set)
    elements: set[str] = field(default_factory=set)

    @property
    def mixed(self) -> bool:
        return len(self.values) > 1 or len(self.elements) > 1

    @property
    def nested(self) -> bool:
        return "object" in self.values | self.elements or "list" in self.elements

    def add(self, value: Any) -> Self:
        self.values.update(_kinds([value]))
        if isinstance(value, list):
            self.elements.update(_kinds(value))
        return self


def _kinds(values: list[Any]) -> Iterator[str]:
    names = {bool: "true or false", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return (names[type(value)] for value in values if value is not None)


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _objects(content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Decode the lines that aren't blank, with their numbers."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line.decode())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(f'line {number}: not an object, such as {{"item_id": "a"}}')
        yield number, row


def _decoded(content: bytes) -> Iterator[str]:
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"line {number}: {error}") from None

"""One file as a frame: Parquet, CSV or JSON Lines, packed or not."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PanicException, PolarsError

from tailrank.data.dialects import recognise
from tailrank.data.line_checks import checked_csv, checked_json_lines, is_well_quoted
from tailrank.errors import DataError, first_line

FORMATS: Final = {
    "parquet": "parquet",
    "csv": "csv",
    "tsv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
}
"""What the ending of a name says, before that of packing."""

REMEDIES: Final = {
    "csv": "Write it again, in UTF-8.",
    "jsonl": "Write one JSON object a line, in UTF-8: null for NaN, surrogates only in pairs.",
    "parquet": "Write it again, without columns of rare types.",
}


def format_of(path: Path) -> str | None:
    """Tell the format of a file, or of a folder's files, by the endings of its name; None if they don't say.

    Examples
    --------
    >>> format_of(Path("events.tsv.gz")), format_of(Path("events"))
    ('csv', None)
    """
    return next(
        (FORMATS[ending[1:]] for ending in reversed(path.suffixes[-2:]) if ending[1:] in FORMATS), None
    )


def read_file(path: Path, file_format: str | None, columns: Collection[str]) -> tuple[pl.DataFrame, str]:
    """Read a file as it is, but for rows of CSV without any value.

    Parameters
    ----------
    path
        A name that ends in `.gz` or `.zst` says how the file is packed.
    file_format
        A key of `REMEDIES`; None if the name says it.
    columns
        Lower-case names of the columns of the table's contract: CSV gives them as text.

    Returns
    -------
    tuple[pl.DataFrame, str]
        Its rows, and how it is written, in words.

    Raises
    ------
    DataError
        If its format is unknown, or it is damaged or not in that format; of CSV and JSON Lines with the line.
    """
    with _readable(path, file_format) as known:
        if known == "csv":
            return _read_csv(_content(path), columns)
        if known == "jsonl":
            return _read_json_lines(_content(path), columns), "JSON Lines"
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            return pl.read_parquet(file.read()), "Parquet"


def read_header(path: Path, file_format: str | None) -> list[str]:
    """Read the names of a file's columns, without its rows if the format has a header.

    Parameters and errors are those of `read_file`.
    """
    with _readable(path, file_format) as known:
        if known == "csv":
            content, dialect = recognise(_content(path))
            return _header(_with_newlines(content), dialect.separator)
        if known == "parquet" and path.suffix != ".gz":
            return list(pl.read_parquet_schema(path))
    return read_file(path, file_format, ())[0].columns


@contextmanager
def _readable(path: Path, file_format: str | None) -> Iterator[str]:
    """Give the format of a file, and say of what goes wrong in reading it that it isn't of that format."""
    file_format = file_format or format_of(path)
    if file_format is None:
        raise DataError(
            f"{path}: neither Parquet, CSV nor JSON Lines by its name. Rename it, or move it away."
        )
    try:
        yield file_format
    except (PolarsError, PanicException, OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(
            f"{path}: not a readable {file_format} file: {first_line(error)}. {REMEDIES[file_format]}"
        ) from None


def _content(path: Path) -> bytes:
    """Read and unpack a file of text."""
    if path.suffix == ".zst":
        # Python has no zstd before 3.14; what polars then takes for a field is a line.
        lines = pl.read_csv(path, has_header=False, separator="\x1f", quote_char=None, infer_schema=False)
        return "\n".join(lines.to_series().fill_null("")).encode()
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        return file.read()


def _read_csv(content: bytes, columns: Collection[str]) -> tuple[pl.DataFrame, str]:
    content, dialect = recognise(content)
    separator = dialect.separator
    content = _with_newlines(content)
    checked = content if is_well_quoted(content, separator) else checked_csv(content, separator)
    try:
        frame = _parse_csv(checked, separator, columns)
    except (PolarsError, PanicException):
        frame = _parse_csv(checked_csv(content, separator), separator, columns)
    return frame.filter(~pl.all_horizontal(pl.all().is_null())), str(dialect)


def _parse_csv(content: bytes, separator: str, columns: Collection[str]) -> pl.DataFrame:
    # As text, because inference would turn the id 007 into 7, and report a bad time without its row.
    header = _header(content, separator)
    as_text = {name: pl.String for name in header if name.lower() in columns}
    length = None if len(as_text) < len(header) else 0  # others get the type that suits all of their rows
    return pl.read_csv(content, separator=separator, schema_overrides=as_text, infer_schema_length=length)


def _header(content: bytes, separator: str) -> list[str]:
    return pl.read_csv(content, separator=separator, n_rows=0, infer_schema=False).columns


def _with_newlines(content: bytes) -> bytes:
    return content if b"\n" in content else content.replace(b"\r", b"\n")


def _read_json_lines(content: bytes, columns: Collection[str]) -> pl.DataFrame:
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        frame = pl.read_ndjson(content, infer_schema_length=None)
    except (PolarsError, PanicException):
        checked = checked_json_lines(content, columns, keep_nested=False)
    else:
        if not any(map(_is_doubtful, frame)):
            return frame
        checked = checked_json_lines(content, columns, keep_nested=True)
        if checked is content:
            return frame
    return pl.read_ndjson(checked, infer_schema_length=None)


def _is_doubtful(column: pl.Series) -> bool:
    """Whether polars may have written lists or objects as text, or half a surrogate pair as NUL."""
    text = column.explode() if column.dtype == pl.List(pl.String) else column
    return text.dtype == pl.String and text.str.contains(r"^(?s:\[.*\]|\{.*\})$|\x00").any()

"""Dialects of CSV: its encoding and what separates its fields, recognised and named."""

from __future__ import annotations

import csv
import re
from typing import Final, NamedTuple

SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MARKS: Final = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte-order marks and what they stand for."""

MAX_HEADER: Final = 100_000
WESTERN: Final = "Windows-1252"
"""What programs for Western European languages write if it isn't Unicode; Latin-1 is a part of it."""

_BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]+")
_HINT: Final = re.compile(r"sep=(.)\r?\n")  # of Excel


class Dialect(NamedTuple):
    """How a CSV file is written.

    Attributes
    ----------
    separator
        Between fields; a key of `SEPARATORS`.
    encoding
        Its name for a reader, with an example if it is a guess.
    """

    separator: str
    encoding: str

    def __str__(self) -> str:
        return f"CSV in {self.encoding}, separated by {SEPARATORS[self.separator]}"


def recognise(content: bytes) -> tuple[bytes, Dialect]:
    r"""Turn a CSV file into UTF-8, and tell its dialect.

    The separator is the one that cuts the header into most fields, commas if none does. An encoding is
    Unicode by its mark or if all is UTF-8; else Windows-1252, if that makes words of it.

    Returns
    -------
    tuple[bytes, Dialect]
        The file in UTF-8, without a byte-order mark and Excel's line `sep=;`.

    Raises
    ------
    ValueError
        If the encoding can't be told, or the file breaks it; with the line.

    Examples
    --------
    >>> content, dialect = recognise("Nr;Name\n7;Kühlschrank\n".encode("cp1252"))
    >>> content.decode(), str(dialect)
    ('Nr;Name\n7;Kühlschrank\n', "CSV in Windows-1252 (such as 'Kühlschrank'), separated by semicolons")
    """
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    encoding = MARKS.get(mark, "UTF-8")
    if encoding == "UTF-16":
        content = content.decode("utf-16").encode()
    elif not (content := content.removeprefix(mark)).isascii():
        content, encoding = _as_utf8(content)
    hint = _HINT.match(content[:8].decode(errors="replace"))
    if hint and hint[1] in SEPARATORS:
        return content[len(hint[0]) :], Dialect(hint[1], encoding)
    header = re.split(rb"[\r\n]", content[:MAX_HEADER], maxsplit=1)[0].decode(errors="replace")
    n_fields = {each: len(next(csv.reader([header], delimiter=each), [])) for each in SEPARATORS}
    return content, Dialect(max(SEPARATORS, key=lambda each: n_fields[each]), encoding)


def _as_utf8(content: bytes) -> tuple[bytes, str]:
    try:
        content.decode()
    except UnicodeDecodeError as fault:
        broken = fault
    else:
        return content, "UTF-8"
    odd = _BEYOND_ASCII.findall(content)
    line = content.count(b"\n", 0, broken.start) + 1
    if 2 * sum(map(_is_utf8, odd)) >= len(odd):  # most of it is
        raise ValueError(f"line {line}: {broken}")
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    words = re.findall(r"\w*[^\W\x00-\x7f]\w*", text)
    letters = "".join(words)
    if not words or sum(map(str.isascii, letters)) < len(letters) / 2:
        raise ValueError(f"line {line}: neither UTF-8 nor {WESTERN}")
    return text.encode(), f"{WESTERN} (such as {max(words, key=len)!r})"


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True

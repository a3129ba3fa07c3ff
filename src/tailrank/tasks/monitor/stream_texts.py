r"""Dated texts, one a line of JSON; a line that can't be read is reported and counted, never fatal."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from tailrank.bounds import MAX_ID_BYTES, check_time
from tailrank.data.markup import plain_text
from tailrank.errors import instead_of

MAX_LINE: Final = 1 << 20
"""Bytes of a line; a longer one is refused, and never held in memory."""

MAX_CHARACTERS: Final = 20_000
"""Of a text that are kept: encoders read far fewer."""

EARLIEST: Final = 315_532_800
"""The beginning of 1980, in seconds since 1970: archives are watched, too."""

SENTIMENTS: Final = ("negative", "neutral", "positive")
FIELDS: Final = ("id", "text", "timestamp", "entity", "topic", "sentiment", "reason")


@dataclass(frozen=True)
class Text:
    """One dated text.

    Attributes
    ----------
    id
        Of the source; a text whose id was counted isn't counted again.
    text
        Without markup and control characters.
    timestamp
        When it was written, in seconds since 1970.
    entity
        Whom or what it is about; empty if that isn't known.
    topics
        What it is about; empty if a classifier is to say.
    sentiment
        `negative`, `neutral`, `positive`, or empty if a classifier is to say.
    reason
        Of a complaint; empty if there is none, or a classifier is to say.
    """

    id: str
    text: str
    timestamp: float
    entity: str = ""
    topics: tuple[str, ...] = ()
    sentiment: str = ""
    reason: str = ""

    @property
    def is_negative(self) -> bool:
        """Whether it is negative."""
        return self.sentiment == SENTIMENTS[0]


class _Dated(Struct):
    timestamp: Any


_DATED: Final = msgspec.json.Decoder(_Dated)


@dataclass(frozen=True)
class BadLine:
    """A line that couldn't be read.

    Examples
    --------
    >>> print(BadLine("today.jsonl", "line 7", "`text` is empty"))
    today.jsonl, line 7: `text` is empty
    """

    file: str
    line: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}, {self.line}: {self.why}"


def read_text(line: bytes) -> Text:
    r"""Read one line.

    Parameters
    ----------
    line
        A JSON object with `id`, `text`, `timestamp` (seconds since 1970, or ISO-8601, by UTC unless it says
        otherwise) and perhaps `entity`, `topic` (text, or several in a list), `sentiment` and `reason`.

    Raises
    ------
    ValueError
        Naming the field, what is wrong with it, and the remedy.

    Examples
    --------
    >>> read_text(b'{"id": 7, "text": "<b>Late</b> again", "timestamp": "2015-02-22T10:00:00Z"}').text
    'Late again'
    >>> read_text(b'{"id": 7, "text": "Late again", "time": 1424599200}')
    Traceback (most recent call last):
    ValueError: `time` isn't known: did you mean `timestamp`?
    """
    row = _object(line)
    known = {name: name for name in FIELDS}
    for name in row:
        if name not in known:
            meant = "did you mean `timestamp`?" if name in ("time", "date") else instead_of(name, known)
            raise ValueError(f"`{_shown(name)}` isn't known: {meant}")
    text = _words(row, "text", MAX_CHARACTERS)
    if not text:
        raise ValueError("`text` is empty: leave the line out")
    sentiment = _words(row, "sentiment").lower()
    if sentiment and sentiment not in SENTIMENTS:
        raise ValueError(f"`sentiment` is {_shown(sentiment)!r}: give one of {', '.join(SENTIMENTS)}")
    entity, reason = _words(row, "entity", None), _words(row, "reason", None)
    return Text(_id(row), text, _seconds(row.get("timestamp")), entity, _topics(row), sentiment, reason)


def written_at(line: bytes, otherwise: float) -> float:
    """Read the time of one line, in seconds since 1970; of a line that has none, give another.

    Examples
    --------
    >>> written_at(b'{"id": 7, "timestamp": 1424599200}', 0.0), written_at(b"{", 0.0)
    (1424599200.0, 0.0)
    """
    try:
        return _seconds(_DATED.decode(_unmarked(line)).timestamp)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return otherwise


def clean_text(text: str) -> str:
    r"""Drop markup, control and invisible characters, and compose what is written in parts.

    Examples
    --------
    >>> clean_text("caf\u0065\u0301 <i>is</i>\x00 closed\u200b")
    'café is closed'
    """
    plain = plain_text(text) if "<" in text or "&" in text else text
    composed = unicodedata.normalize("NFC", plain)
    if composed.isprintable():
        return " ".join(composed.split())
    kept = [
        one if one.isprintable() else "" if unicodedata.category(one) == "Cf" else " " for one in composed
    ]
    return " ".join("".join(kept).split())


def _unmarked(line: bytes) -> bytes:
    """Leave out the byte order mark that some programs begin a file with."""
    return line.removeprefix(codecs.BOM_UTF8)


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        row = msgspec.json.decode(_unmarked(line).decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"isn't UTF-8 (byte {error.start}): write it again as UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"isn't JSON ({error}): write one object a line") from None
    if not isinstance(row, dict):
        raise ValueError('isn\'t an object: write {"id": …, "text": …, "timestamp": …}')
    return row


def _words(row: Mapping[str, Any], name: str, longest: int | None = MAX_CHARACTERS) -> str:
    """Read text that may be missing; a name that is too long is refused, a text is cut."""
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is {_shown(value)}, not text: write it in quotes")
    return _name(value, name) if longest is None else clean_text(value[: 4 * longest])[:longest]


def _name(value: str, field: str) -> str:
    name = clean_text(value)
    if len(name.encode()) > MAX_ID_BYTES:
        raise ValueError(f"`{field}` is longer than {MAX_ID_BYTES} bytes: shorten it")
    return name


def _id(row: Mapping[str, Any]) -> str:
    value = row.get("id")
    if isinstance(value, bool) or not isinstance(value, str | int) or not (name := _name(str(value), "id")):
        raise ValueError(f"`id` is {_shown(value)}: give text or a whole number")
    return name


def _topics(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = row.get("topic")
    given = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in given):
        raise ValueError(f"`topic` is {_shown(value)}: give text, or a list of texts")
    return tuple(sorted({name for one in given if (name := _name(one, "topic"))}))


def _seconds(value: object) -> float:
    """Read a time.

    >>> _seconds("1987-02-26 15:01:01"), _seconds(1424599200)
    (541350061.0, 1424599200.0)
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"`timestamp` is {_shown(value)!r}: write it as 2024-01-31T09:30:00Z") from None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        seconds = float(value)
    else:
        raise ValueError(f"`timestamp` is {_shown(value)}: give seconds since 1970, or 2024-01-31T09:30:00Z")
    check_time(seconds, EARLIEST)
    return seconds


def _shown(value: object, most: int = 40) -> str:
    """Write a value for a message, cut if it is long."""
    text = "missing" if value is None else str(value)
    return text if len(text) <= most else f"{text[:most]}…"

"""Bodies of many entries, of which a bad one doesn't cost the others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Generic, Self, TypeVar

import msgspec
from msgspec import DecodeError, Meta, Raw, UnsetType, ValidationError

from tailrank.api_stored import Event, Impression, Refused
from tailrank.errors import RequestError
from tailrank.server.decoding import Body, Hook

T = TypeVar("T")
U = TypeVar("U")

SHOWN: Final = 3
"""Refused entries that the message names if all are refused."""

MOST_REFUSED: Final = 1_000
"""Entries of a body that are refused one by one; with more, it all is."""

NOT_JSON_REMEDY: Final = "send null for NaN, and no half of a surrogate pair"

TOO_DEEP: Final = "lists or objects are nested too deeply: send the fields that are documented"

RAW_LINES: Final = msgspec.json.Decoder(Raw)

_NAMES: Final = "|".join((*Event.__struct_fields__, *Impression.__struct_fields__))
_FIELD: Final = re.compile(rf"(?:.* - at `\$\.|.*? field `|`|(?=(?:{_NAMES})\b))(\w+)", re.DOTALL)


@dataclass(frozen=True)
class Batch(Generic[T]):
    """The entries of a body that can be taken, and those that can't.

    Attributes
    ----------
    entries
        What can be taken, in the order of the body.
    positions
        Index of each in the body, from 0.
    refused
        The others.
    """

    entries: Sequence[T]
    positions: Sequence[int]
    refused: Sequence[Refused] = ()

    @classmethod
    def whole(cls, entries: Sequence[T]) -> Self:
        """Take every entry."""
        return cls(entries, range(len(entries)))

    def map(self, change: Callable[[T], U]) -> Batch[U]:
        """Change every entry, and refuse those that the change finds no JSON, nested too deeply or invalid.

        Raises
        ------
        ValidationError
            If there are more than `MOST_REFUSED` of these.
        """
        changed: dict[int, U] = {}
        faults: dict[int, str] = {}
        for at, entry in enumerate(self.entries):
            try:
                changed[at] = change(entry)
            except ValidationError as why:
                faults[at] = str(why)
            except (DecodeError, UnicodeDecodeError) as why:
                faults[at] = f"not JSON: {why}: {NOT_JSON_REMEDY}"
            except RecursionError:
                faults[at] = TOO_DEEP
            if len(faults) > MOST_REFUSED:
                raise ValidationError(
                    f"more than {MOST_REFUSED} entries are refused, the last for: {faults[at]}"
                )
        left = self.without(faults) if faults else self
        return Batch(list(changed.values()), left.positions, left.refused)

    def without(self, faults: Mapping[int, str]) -> Self:
        """Refuse entries, each by its place in `entries`, with what is wrong."""
        kept = [at for at in range(len(self.entries)) if at not in faults]
        refused = [_refused(self.positions[at], fault) for at, fault in faults.items()]
        return replace(
            self,
            entries=[self.entries[at] for at in kept],
            positions=[self.positions[at] for at in kept],
            refused=[*self.refused, *refused],
        )


class Entries(Generic[T]):
    """Decodes a body that is one entry, or a list of them.

    Parameters
    ----------
    shape
        Of an entry.
    most
        Longest list; None sets no limit.
    hook
        As in `Body`.
    lines
        Whether entries may also follow one another, as in JSON Lines.
    """

    def __init__(
        self, shape: Any, most: int | None = None, hook: Hook | None = None, *, lines: bool = False
    ) -> None:
        self._most, limit = most, Meta(max_length=most)
        self._one: Body[T] = Body(shape, hook)
        self._all = msgspec.json.Decoder(Annotated[list[shape], limit], dec_hook=hook)
        self._raw = msgspec.json.Decoder(Annotated[list[Raw], limit])
        self._of_lines = msgspec.json.Decoder(shape, dec_hook=hook) if lines else None

    def decode(self, body: bytes) -> Batch[T]:
        """Decode all entries at once or, if that fails, each by itself.

        Raises
        ------
        DecodeError, UnicodeDecodeError
            If the body is no JSON.
        ValidationError
            If the list is too long, or the only entry is invalid.
        """
        rescue: Callable[[bytes], list[bytes]]
        if body.lstrip()[:1] == b"[":
            all_at_once, split, rescue = self._all.decode, self._raw.decode, self._elements
        elif (lines := self._of_lines) is not None:
            all_at_once, split, rescue = lines.decode_lines, RAW_LINES.decode_lines, bytes.splitlines
        else:
            return Batch.whole([self._one.decode(body)])
        try:
            return Batch.whole(all_at_once(body))
        except (DecodeError, UnicodeDecodeError):
            pass
        try:
            return Batch.whole(split(body)).map(self._one.decode)
        except ValidationError:
            raise
        except (DecodeError, UnicodeDecodeError):
            found = Batch.whole([entry for entry in rescue(body) if entry.strip()]).map(self._one.decode)
            if not found.entries:
                raise
            return found

    def _elements(self, body: bytes) -> list[bytes]:
        """Split a list that is JSON but for NaN, infinities, halves of surrogate pairs and what is no UTF-8.

        The entries with these are no JSON either. If the body is something else, there are none.
        """
        try:
            found = json.loads(body.decode(errors="surrogateescape"))
        except (ValueError, RecursionError):
            return []
        if self._most is not None and len(found) > self._most:
            raise ValidationError(f"Expected `array` of length <= {self._most}")
        return [json.dumps(entry).encode() for entry in found]


def verdicts(refused: Iterable[Refused], accepted: int, noun: str) -> list[Refused] | UnsetType:
    """List the entries that are refused, by index, for a response.

    Parameters
    ----------
    refused
        In any order.
    accepted
        How many others there are.
    noun
        What messages call an entry.

    Raises
    ------
    RequestError
        If all are refused.
    """
    found = sorted(refused, key=lambda one: one.index)
    if found and not accepted:
        faults = [f"{noun} {one.index}: {one.error}" for one in found[:SHOWN]]
        rest = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
        raise RequestError("; ".join(faults + rest))
    return found or msgspec.UNSET


def _refused(index: int, fault: str) -> Refused:
    field = _FIELD.match(fault)
    return Refused(index, fault, field[1] if field else msgspec.UNSET)

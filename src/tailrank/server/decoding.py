"""Decodes bodies: whole, or entry by entry so that a bad one doesn't cost the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Generic, Self, TypeAlias, TypeVar

import msgspec
from msgspec import DecodeError, Meta, Raw, UnsetType, ValidationError, inspect

from tailrank.api import Event, Refused
from tailrank.data.imports.records import iso_seconds
from tailrank.errors import RequestError, instead_of

T = TypeVar("T")
U = TypeVar("U")
Hook: TypeAlias = Callable[[type, Any], Any]

SHOWN: Final = 3
"""Refused entries that the message names if all are refused."""

TIME: Final = "timestamp"
TIME_REMEDY: Final = "send seconds since 1970, or ISO 8601 such as 2024-01-31T09:30:00Z"

RAW_LINES: Final = msgspec.json.Decoder(Raw)

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$(.*)`)?", re.DOTALL)
_FIELD: Final = re.compile(
    rf"(?:.* - at `\$\.|.*? field `|`|(?=(?:{'|'.join(Event.__struct_fields__)})\b))(\w+)", re.DOTALL
)


class Body(Generic[T]):
    """Decodes a body of one shape.

    Parameters
    ----------
    shape
        A type that msgspec knows; its structs forbid unknown fields.
    hook
        Decodes types that msgspec doesn't know.
    """

    def __init__(self, shape: Any, hook: Hook | None = None) -> None:
        self._shape, self._hook = shape, hook
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(shape, dec_hook=hook)

    def decode(self, body: bytes | Raw) -> T:
        """Decode; times may be ISO 8601.

        Raises
        ------
        DecodeError, UnicodeDecodeError
            If the body is no JSON.
        ValidationError
            If it has another shape; the message names the field, and what to send.
        """
        try:
            try:
                return self._decoder.decode(body)
            except ValidationError as why:
                if f"{TIME}`" not in str(why) or "got `str`" not in str(why):
                    raise
            # The typed decoder is the quick way, and takes no text for a time.
            values = _with_seconds(msgspec.json.decode(body))
            found: T = msgspec.convert(values, self._shape, dec_hook=self._hook)
        except ValidationError as why:
            raise ValidationError(self._with_remedy(str(why))) from None
        return found

    def _with_remedy(self, message: str) -> str:
        if unknown := _UNKNOWN.fullmatch(message):
            name, path = unknown[1][:40], unknown[2]
            place = f" - at `${path}`" if path else ""
            names = _names(inspect.type_info(self._shape), re.findall(r"\.(\w+)", path or ""))
            return f"Object contains unknown field `{name}`{place}: {instead_of(name, names)}"
        if self._hook is None and f"{TIME}`" in message and "since 1970" not in message:
            return f"{message}: {TIME_REMEDY}"
        return message


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
        """Change every entry, and refuse those that the change finds no JSON, or invalid."""
        changed: dict[int, U] = {}
        faults: dict[int, str] = {}
        for at, entry in enumerate(self.entries):
            try:
                changed[at] = change(entry)
            except ValidationError as why:
                faults[at] = str(why)
            except (DecodeError, UnicodeDecodeError) as why:
                faults[at] = f"not JSON: {why}"
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
        limit = Meta(max_length=most)
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
        if body.lstrip()[:1] == b"[":
            all_at_once, split = self._all.decode, self._raw.decode
        elif self._of_lines is not None:
            all_at_once, split = self._of_lines.decode_lines, RAW_LINES.decode_lines
        else:
            return Batch.whole([self._one.decode(body)])
        try:
            return Batch.whole(all_at_once(body))
        except (DecodeError, UnicodeDecodeError):
            return Batch.whole(split(body)).map(self._one.decode)


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


def _with_seconds(body: Any) -> Any:
    """Replace times of an object, and of the history in it, that are ISO 8601; leave what can't be read."""
    if isinstance(body, dict):
        try:
            if isinstance(body.get(TIME), str):
                body[TIME] = iso_seconds(body[TIME])
        except (ValueError, OverflowError):
            pass
        for event in history if isinstance(history := body.get("history"), list) else ():
            _with_seconds(event)
    return body


def _names(shape: inspect.Type, path: Sequence[str]) -> dict[str, str]:
    """List the fields at a path, and below them, by name; the latter as the path from there."""
    for step in path:
        fields = [field for struct in _structs(shape) for field in struct.fields]
        shape = next(field.type for field in fields if field.encode_name == step)
    names: dict[str, str] = {}
    for field in (field for struct in _structs(shape) for field in struct.fields):
        for inner in (inner for struct in _structs(field.type) for inner in struct.fields):
            names.setdefault(inner.encode_name, f"{field.encode_name}.{inner.encode_name}")
        names[field.encode_name] = field.encode_name
    return names


def _structs(shape: inspect.Type) -> Iterator[inspect.StructType]:
    """Find the objects that a value of some type can be, or be a list of."""
    match shape:
        case inspect.StructType():
            yield shape
        case inspect.UnionType(types=several):
            for each in several:
                yield from _structs(each)
        case inspect.ListType(item_type=each) | inspect.Metadata(type=each):
            yield from _structs(each)

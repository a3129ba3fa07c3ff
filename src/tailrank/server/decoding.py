"""Decodes bodies, and says what to send instead of what is wrong in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, ValidationError, inspect

from tailrank.data.imports.records import iso_seconds
from tailrank.errors import instead_of

T = TypeVar("T")
Hook: TypeAlias = Callable[[type, Any], Any]

TIME: Final = "timestamp"
TIME_REMEDY: Final = "send seconds since 1970, or ISO 8601 such as 2024-01-31T09:30:00Z"

UNKNOWN: Final = "Object contains unknown field `"
"""What msgspec says before the name; the path follows."""

CHOICE: Final = "Invalid enum value "

LONGEST: Final = 300
"""Characters of a message: what somebody sent may be in it."""


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

    @cached_property
    def _described(self) -> inspect.Type:
        return inspect.type_info(self._shape)

    def _with_remedy(self, message: str) -> str:
        if message.startswith(UNKNOWN):
            before, at, after = message[len(UNKNOWN) : -1].rpartition("` - at `$")
            name, place = (before[:40], f" - at `${after[-40:]}`") if at else (after[:40], "")
            names = _names(self._described, re.findall(r"\.(\w+)", place))
            return f"{UNKNOWN}{name}`{place}: {instead_of(name, names)}"
        if len(message) > LONGEST:
            message = f"{message[: LONGEST // 2]}…{message[-LONGEST // 2 :]}"
        if message.startswith(CHOICE):
            path = re.findall(r"\.(\w+)", message.rpartition(" - at `$")[2])
            choices = ", ".join(f"`{one}`" for one in _choices(_at(self._described, path)))
            return f"{message}: choose from {choices}" if choices else message
        if self._hook is None and f".{TIME}`" in message and "since 1970" not in message:
            return f"{message}: {TIME_REMEDY}"
        return message


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
    shape = _at(shape, path)
    names: dict[str, str] = {}
    for field in (field for struct in _structs(shape) for field in struct.fields):
        for inner in (inner for struct in _structs(field.type) for inner in struct.fields):
            names.setdefault(inner.encode_name, f"{field.encode_name}.{inner.encode_name}")
        names[field.encode_name] = field.encode_name
    return names


def _at(shape: inspect.Type, path: Sequence[str]) -> inspect.Type:
    """Find what is at a path."""
    for step in path:
        fields = [field for struct in _structs(shape) for field in struct.fields]
        shape = next((field.type for field in fields if field.encode_name == step), shape)
    return shape


def _choices(shape: inspect.Type) -> Iterator[object]:
    """List the values that can be chosen, in a list or beside other types, too."""
    match shape:
        case inspect.LiteralType(values=values):
            yield from values
        case inspect.UnionType(types=several):
            for each in several:
                yield from _choices(each)
        case inspect.ListType(item_type=each) | inspect.Metadata(type=each):
            yield from _choices(each)


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

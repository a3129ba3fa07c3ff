"""What an item that is put must hold, an id and text that the model reads, and how columns are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import ValidationError

from tailrank import api, api_stored
from tailrank.data.columns import Columns
from tailrank.errors import nearest
from tailrank.language.vector_column import vector_of
from tailrank.language.vectors import VectorSpace
from tailrank.server.relevance import is_blank

COMPARED: Final = 100
"""Columns of an item that are compared with those that it lacks."""

NAMED: Final = 5
"""Columns of an item that a message names."""


def checked_item(
    item: api_stored.Item,
    read: Sequence[str],
    trained: Sequence[str],
    held: Mapping[str, tuple[str, VectorSpace]],
) -> api_stored.Item:
    """Check an item; returns it without the columns that no template can write as text.

    Parameters
    ----------
    item
        As it was sent.
    read
        Columns that the model reads.
    trained
        Columns of the items that it was trained with.
    held
        By the column of items that a vector space comes from, its name and the space.

    Raises
    ------
    ValidationError
        If it has no id or no text, one of the columns that are read can't be written as text, one is
        misspelt, or what should be a vector isn't one, or is named as its space and not as the column.
    """
    item_id = item.get(Columns.ITEM)
    if not isinstance(item_id, str):
        raise ValidationError(f"`{Columns.ITEM}` is missing, or no string")
    try:
        api.check_id(item_id)
    except ValidationError as why:
        raise ValidationError(f"`{Columns.ITEM}`: {why}") from None
    for name in read:
        if is_nested(item.get(name)):
            raise ValidationError(
                f"`{name}` can't be written as text: send text, a number, or a list of these"
            )
    if not any(_has_text(item.get(name)) for name in read):
        others = [name[:40] for name in item if name != Columns.ITEM and name not in read][:NAMED]
        instead = f", and the item has {_quoted(others)}" if others else ""
        raise ValidationError(f"no text: the model reads {_quoted(read)}{instead}")
    for name, (called, space) in held.items():
        if called in item and called not in [*read, *trained, *held]:
            raise ValidationError(
                f"`{called}` is a space: send its vector as `{name}`, the column it comes from"
            )
        if item.get(name) is not None and vector_of(item[name], space.width) is None:
            encoder = space.column.encoder if space.column else None
            by = "" if encoder is None else f", the vector that the encoder {encoder!r} makes of its file"
            raise ValidationError(
                f"`{name}`: send a list of {space.width} finite numbers{by}, or leave it out"
            )
    _refuse_misspelt(item, [*read, *held], trained)
    return {name: value for name, value in item.items() if not is_nested(value)}


def as_text(value: api.Value) -> str:
    """Write a column's value as a data folder's reader would.

    Examples
    --------
    >>> as_text(["green", None, 3]), as_text(True), as_text(None)
    ('green, 3', 'true', '')
    """
    if isinstance(value, list):
        return ", ".join(as_text(each) for each in value if each is not None)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def is_nested(value: Any) -> bool:
    """Whether a value is an object, or a list with objects or lists in it: no template can write that."""
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(each, dict | list) for each in value)
    )


def _has_text(value: api.Value) -> bool:
    """Whether there is anything to read in a column; a long list is not written for that."""
    parts = value if isinstance(value, list) else [value]
    return any(part is not None and not is_blank(as_text(part)) for part in parts)


def _refuse_misspelt(item: api_stored.Item, read: Sequence[str], trained: Sequence[str]) -> None:
    """Refuse an unknown column that is nearly one that the model reads and the item lacks."""
    lacking = [name for name in read if name not in item]
    unknown = [name for name in item if name not in read and name not in trained] if lacking else []
    for name in unknown[:COMPARED]:
        if meant := nearest(name[:40], lacking):
            raise ValidationError(f"unknown field `{name[:40]}`: did you mean `{meant}`?")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

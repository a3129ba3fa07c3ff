"""What an item that is put must hold: an id, and text in a column that the model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import ValidationError

from tailrank import api
from tailrank.data.columns import Columns

NAMED: Final = 5
"""Columns of an item that a message names."""


def checked_item(item: api.Item, read: Sequence[str]) -> api.Item:
    """Check an item; returns it without the columns that no template can write as text.

    Parameters
    ----------
    item
        As it was sent.
    read
        Columns that the model reads.

    Raises
    ------
    ValidationError
        If it has no id or no text, or one of those columns can't be written as text.
    """
    item_id = item.get(Columns.ITEM)
    if not isinstance(item_id, str):
        raise ValidationError(f"`{Columns.ITEM}` is missing, or no string")
    try:
        api.check_id(item_id)
    except ValidationError as why:
        raise ValidationError(f"`{Columns.ITEM}`: {why}") from None
    for name in read:
        if _is_nested(item.get(name)):
            raise ValidationError(
                f"`{name}` can't be written as text: send text, a number, or a list of these"
            )
    if not any(_has_text(item.get(name)) for name in read):
        others = [name[:40] for name in item if name != Columns.ITEM and name not in read][:NAMED]
        instead = f", and the item has {_quoted(others)}" if others else ""
        raise ValidationError(f"no text: the model reads {_quoted(read)}{instead}")
    return {name: value for name, value in item.items() if not _is_nested(value)}


def _is_nested(value: Any) -> bool:
    """Whether a value is an object, or a list with objects or lists in it."""
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(each, dict | list) for each in value)
    )


def _has_text(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_text, value))
    return value is not None and bool(str(value).strip())


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

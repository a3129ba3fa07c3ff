"""What an item that is put must hold, an id and text that the model reads, and how columns are written."""

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
        if is_nested(item.get(name)):
            raise ValidationError(
                f"`{name}` can't be written as text: send text, a number, or a list of these"
            )
    if not any(as_text(item.get(name)).strip() for name in read):
        others = [name[:40] for name in item if name != Columns.ITEM and name not in read][:NAMED]
        instead = f", and the item has {_quoted(others)}" if others else ""
        raise ValidationError(f"no text: the model reads {_quoted(read)}{instead}")
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


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

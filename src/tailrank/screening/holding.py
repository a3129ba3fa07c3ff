"""Holds items that a model learned from, in the state that servers share."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tailrank.screening.reviews import Entry, Reviews
from tailrank.screening.screen import Judgement
from tailrank.state.open import open_state


async def hold(location: str, found: Mapping[str, Judgement]) -> int:
    """Note in a state what a screen found of items, unless their reviews say it already.

    Servers that have the state go by it from their next ranking on.

    Parameters
    ----------
    location
        Of the state: see `tailrank.state.open.open_state`.
    found
        By item id.

    Returns
    -------
    int
        Items of which it is news.

    Raises
    ------
    StateError
        If the state can't be opened, read or written.
    """
    state = open_state(location)
    try:
        _, changes = await state.item_changes(0)
        reviews = Reviews().with_entries(change for change in changes if change.review is not None)
        now = time.time()
        entries = [
            Entry.of_screen(item, each, now) for item, each in found.items() if reviews.news(item, each)
        ]
        if entries:
            await state.change_items([entry.as_change() for entry in entries])
        return len(entries)
    finally:
        await state.close()

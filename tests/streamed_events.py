"""Events that tests put into streams, and what a state should know of them afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.open import open_state

START = 1_764_072_000
USERS = 23
EVENTS = [
    {
        "event_id": f"e{n}",
        "user_id": f"u{n % USERS}",
        "item_id": str(n % 97),
        "event": "click",
        "timestamp": START + n,
    }
    for n in range(3_000)
]


def consume(*words: object) -> Any:
    """Run `tailrank consume`."""
    return CliRunner().invoke(app, ["consume", *map(str, words)])


def histories(location: object, n_users: int = USERS) -> list[list[str]]:
    """The items of each user's stored events."""

    async def read() -> list[list[str]]:
        state = open_state(str(location))
        try:
            return [(await state.read(f"u{n}")).history.items for n in range(n_users)]
        finally:
            await state.close()

    return asyncio.run(read())


def latest(events: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The items of each user's latest events, oldest first."""
    by_user = groupby(
        sorted(events, key=lambda event: int(event["user_id"][1:])), lambda event: event["user_id"]
    )
    return [[event["item_id"] for event in rows][-EVENTS_PER_USER:] for _, rows in by_user]

"""Events expire after their time to live, in every state."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from state_helpers import event, run

from tailrank.state.base import State


def test_expired_events_are_neither_stored_nor_read(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(state: State) -> Any:
        now = time.time()
        first = await state.append([event(item="tea", at=now - 7200), event(item="jam", at=now - 3570)])
        await state.append(
            [event(item="egg", user="bob", at=now - 3570), event(item="oat", user="bob", at=now)]
        )
        early = (await state.read("ann")).history.items, (await state.read("bob")).history.items
        monkeypatch.setattr(time, "time", lambda: now + 31)
        return first, early, (await state.read("ann")).history.items, (await state.read("bob")).history.items

    assert run(body, location, ttl_days=1 / 24) == (1, (["jam"], ["egg", "oat"]), [], ["oat"])


def test_expired_events_are_swept_away(location: str) -> None:
    async def body(state: State) -> None:
        await state.append([event(at=time.time() - 3598.8), event(user="bob", at=time.time())])
        await state.append([event(user="bob", at=time.time() - 3598.8)])
        await asyncio.sleep(1.4)
        await state.append([event(user="bob", item="jam", at=time.time())])

    async def everything(state: State) -> Any:
        return (await state.read("ann")).history.items, (await state.read("bob")).history.items

    run(body, location, ttl_days=1 / 24)
    assert run(everything, location) == ([], ["tea", "jam"])

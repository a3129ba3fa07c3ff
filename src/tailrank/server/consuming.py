"""Events from a stream of Valkey or Redis, or a topic of Kafka, into a state, where each counts once."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from msgspec import ValidationError

from tailrank.api_stored import Event
from tailrank.server.batches import Batch
from tailrank.server.decoding import Body
from tailrank.server.stored_events import store
from tailrank.state.base import State, StateError
from tailrank.state.stream import Entry, Stream

BLOCK_MS: Final = 300
"""How long an empty stream is listened to at once; connections give up after a second."""

PAUSE: Final = 0.5
"""Seconds between two attempts while a server or the state is out of reach."""

ABANDONED_AFTER: Final = 60.0
"""Seconds after which another consumer's entries are taken over, and between two looks for them."""

_EVENT: Final[Body[Event]] = Body(Event)


class Consumer:
    """Reads events from a stream, stores them, and acknowledges what is stored.

    What a killed process had read and not acknowledged is read again: by the next one of its name at once, by
    any other of the group after `ABANDONED_AFTER`; in Kafka, by whoever gets its partitions. It is stored
    again, too, which changes nothing: a state knows events by their ids.

    Attributes
    ----------
    counts
        Of `entries` so far, those `stored`, those `known` before and those `refused`.

    Parameters
    ----------
    stream
        Where events come from.
    state
        Where they go.
    tell
        Is told of each entry that is refused, and that a server is out of reach and back.
    """

    def __init__(self, stream: Stream, state: State, tell: Callable[[str], None]) -> None:
        self._stream, self._state, self._tell = stream, state, tell
        self.counts = Counter[str](entries=0, stored=0, known=0, refused=0)
        self._looked = -math.inf
        self._lost = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop; whatever is out of reach is waited for."""
        while not stop.is_set():
            try:
                await self._begin()
                while not stop.is_set():
                    await self._look_for_abandoned()
                    await self._finish(await self._stream.new(BLOCK_MS))
                    self._is_back()
            except StateError as why:
                if str(why) != self._lost:
                    self._tell(f"{why}; waiting for it")
                self._lost = str(why)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), PAUSE)

    async def catch_up(self) -> None:
        """Consume what is there.

        Raises
        ------
        StateError
            If the server or the state can't be reached. What isn't stored isn't acknowledged.
        """
        await self._begin()
        while entries := await self._stream.new():
            await self._finish(entries)

    async def _begin(self) -> None:
        """Make the group, and finish what one of this name had begun."""
        await self._stream.create_group()
        while entries := await self._stream.unfinished():
            await self._finish(entries)

    async def _look_for_abandoned(self) -> None:
        if time.monotonic() < self._looked + ABANDONED_AFTER:
            return
        while entries := await self._stream.abandoned(ABANDONED_AFTER):
            await self._finish(entries)
        self._looked = time.monotonic()

    async def _finish(self, entries: Sequence[Entry]) -> None:
        """Store the events of entries, and acknowledge them all: what is refused would be again."""
        batch, new = await store(self._state, Batch.whole(entries).map(_event))
        for refused in batch.refused:
            place = entries[refused.index].place
            self._tell(f"{self._stream.name}, {place}: {refused.error}")
        await self._stream.acknowledge([entry.id for entry in entries])
        known = len(batch.entries) - new
        self.counts.update(entries=len(entries), stored=new, known=known, refused=len(batch.refused))

    def _is_back(self) -> None:
        if self._lost:
            self._tell("the server is back")
        self._lost = ""


def _event(entry: Entry) -> Event:
    """Decode what an entry holds; raises ValidationError, or what a body that is no JSON raises."""
    if not entry.content:
        raise ValidationError(entry.missing)
    return _EVENT.decode(entry.content)

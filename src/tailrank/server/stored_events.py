"""Events of a batch, stored: one that can't be doesn't cost the others."""

from __future__ import annotations

from tailrank.api_stored import Event
from tailrank.server.batches import Batch
from tailrank.stages import stage
from tailrank.state.base import InvalidEventsError, State, StoredEvent


async def store(state: State, batch: Batch[Event]) -> tuple[Batch[Event], int]:
    """Append events to a state.

    Returns
    -------
    tuple
        What is stored and what is refused, and how many of the events were new.

    Raises
    ------
    StateError
        If the state can't be reached, or is full.
    """
    with stage("state"):
        while batch.entries:
            try:
                return batch, await state.append([_stored(event) for event in batch.entries])
            except InvalidEventsError as why:
                batch = batch.without(why.faults)
    return batch, 0


def _stored(event: Event) -> StoredEvent:
    return StoredEvent(event.event_id, event.user_id, event.item_id, event.event, event.timestamp)

"""Between the shapes of the wire and the records of the impression log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tailrank import api
from tailrank.feedback.records import EventRecord, Record, ShownRecord


def shown_record(body: api.Impression) -> Record:
    """Take a list that another system ranked: nothing is known of its signals."""
    n = len(body.item_ids)
    return ShownRecord(
        body.ranking_id,
        body.user_id or "",
        min(body.timestamp, time.time()),
        "",
        body.item_ids,
        list(range(1, n + 1)),
        body.scores,
        b"",
        (),
        bytes(4 * n),
        0,
        body.propensities,
    )


def as_records(events: Sequence[api.Event]) -> list[Record]:
    """Take events, none of which is still to come."""
    now = time.time()
    return [
        EventRecord(
            event.event_id,
            event.user_id,
            event.item_id,
            event.event,
            min(event.timestamp, now),
            event.ranking_id,
            event.value,
        )
        for event in events
    ]

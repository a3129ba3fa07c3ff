"""Between the shapes of the wire and the records of the impression log."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from tailrank import api
from tailrank.feedback.impressions import Impression
from tailrank.feedback.records import EventRecord, Record, ShownRecord


def shown_record(body: api.Impression) -> Record:
    """Take a list that another system ranked: nothing is known of its signals."""
    n = len(body.item_ids)
    shown = Impression(
        body.ranking_id,
        body.user_id or "",
        min(body.timestamp, time.time()),
        "",
        body.item_ids,
        np.arange(1, n + 1),
        np.full(n, np.nan) if body.scores is None else np.array(body.scores),
        np.full(n, np.nan),
        np.empty((n, 0), np.float32),
        (),
        np.zeros(n, np.int32),
        0,
        np.ones(n) if body.propensities is None else np.array(body.propensities),
    )
    return ShownRecord.from_impression(shown)


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

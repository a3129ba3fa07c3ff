"""Between the shapes of the wire and the log of impressions."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tailrank import api_stored
from tailrank.feedback.records import EventRecord, LogError, Record, ShownRecord
from tailrank.server.loaded_model import SHOWN, LoadedModel


def shown_record(body: api_stored.Impression, model: LoadedModel) -> Record:
    """Take a list that another system ranked: nothing is known of its signals.

    How popular its items are is known of the model that serves.
    """
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
        deciles=model.deciles_of(body.item_ids[:SHOWN]),
    )


def as_records(events: Sequence[api_stored.Event]) -> list[Record]:
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


async def logged_of(folder: Path, user_id: str) -> api_stored.Logged:
    """Read what a log holds of a user, in a process beside the server.

    Raises
    ------
    LogError
        If it can't be read.
    """
    pipe, module = asyncio.subprocess.PIPE, "tailrank.feedback.user_export"
    reader = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(folder)), stdin=pipe, stdout=pipe
    )
    try:
        found, _ = await reader.communicate(msgspec.json.encode(user_id))
    except asyncio.CancelledError:
        reader.kill()
        raise
    if reader.returncode:
        raise LogError(f"{folder}: the log of impressions can't be read; the server's error output says why")
    return msgspec.json.decode(found, type=api_stored.Logged)

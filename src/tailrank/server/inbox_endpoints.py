"""Texts for the opinion monitor: read as strictly as it reads them, and kept for it in a folder."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
from msgspec import Raw, ValidationError

from tailrank.api_stored import MAX_MONITORED, TextsAccepted
from tailrank.errors import DataError, RequestError
from tailrank.feedback.records import LogError
from tailrank.server.batches import Entries, verdicts
from tailrank.server.call import Call, encode
from tailrank.server.exchange import Answer
from tailrank.tasks.monitor.inbox import Inbox
from tailrank.tasks.monitor.inputs import TOO_LONG
from tailrank.tasks.monitor.stream_texts import MAX_LINE, read_text

TEXTS: Final[Entries[Raw]] = Entries(Raw, MAX_MONITORED, lines=True)


class InboxEndpoints:
    """The endpoint of texts that come in.

    Parameters
    ----------
    inbox
        Keeps them; None if there is none.
    """

    def __init__(self, inbox: Inbox | None) -> None:
        self._inbox = inbox

    async def monitor_texts(self, call: Call) -> Answer:
        """Keep texts for the monitor; they are on the disk when this is answered."""
        if self._inbox is None:
            raise RequestError("no texts are taken: start the server with --monitor-inbox FOLDER")
        found = await asyncio.to_thread(lambda: TEXTS.decode(call.body).map(_line))
        if len(found.entries) > MAX_MONITORED:
            raise RequestError(f"{len(found.entries):,} texts at once: send at most {MAX_MONITORED:,}")
        refused = verdicts(found.refused, len(found.entries), "text")
        try:
            await asyncio.to_thread(self._inbox.append, found.entries, time.time())
        except DataError as why:
            raise LogError(str(why)) from None
        return Answer(encode(TextsAccepted(len(found.entries), refused)))


def _line(entry: Raw) -> bytes:
    """Write an entry on one line, if the monitor can read it."""
    line = msgspec.json.format(bytes(entry), indent=-1)
    if len(line) > MAX_LINE:
        raise ValidationError(TOO_LONG)
    try:
        read_text(line)
    except ValueError as why:
        raise ValidationError(str(why)) from None
    return line

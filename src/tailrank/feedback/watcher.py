"""`Watcher`: watches what is appended to a log, and tells everybody who shares the state."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final, Self

import polars as pl

from tailrank.feedback.alerts import ABOUT_SOMEBODY, NOTES, Alert, Alerts, AlertsNote
from tailrank.feedback.event_volume import HOUR, EventVolume
from tailrank.feedback.log_reader import Part
from tailrank.feedback.log_tables import rolled_files
from tailrank.feedback.records import EventRecord, Record
from tailrank.feedback.segments import HOUR_LENGTH, hour_of
from tailrank.feedback.shown_today import SHOWN_NOTES
from tailrank.feedback.watch import Watch
from tailrank.files import written_file
from tailrank.state.base import State

VOLUME: Final = "event-hours.json"
"""Below the folder of the log: how many events there were in each hour."""

TELL_EVERY: Final = 60.0
"""Seconds after which alerts are noted anew that haven't changed, so that it is known that they haven't."""

SHOWN_EVERY: Final = 3.0
"""Seconds between two notes of what was shown today."""


class Watcher:
    """Keeps the note of one log's alerts.

    Parameters
    ----------
    folder
        Of the log.
    log
        Its id.
    state
        Where the note is kept.
    alerts
        Those that go on.
    """

    def __init__(self, folder: Path, log: str, state: State, alerts: Alerts) -> None:
        self.watch = Watch(alerts)
        self._folder, self._log, self._state = folder, log, state
        self._told = alerts.note(log, 0.0, "")
        self._shown, self._shown_at = self.watch.today.note(log), 0.0

    @classmethod
    async def start(cls, folder: Path, log: str, state: State, before: Sequence[Part]) -> Self:
        """Go on from the note, and from what isn't rolled over yet.

        Parameters
        ----------
        folder, log, state
            As of the class.
        before
            What was read of the log up to now.

        Raises
        ------
        StateError
            If the state is out of reach.
        """
        note = AlertsNote.decoded((await state.notes(NOTES)).get(log, b""))
        alerts = Alerts() if note is None else Alerts.restored(note, ABOUT_SOMEBODY)
        watcher = cls(folder, log, state, alerts)
        watcher.take(before)
        watcher.watch.volume = EventVolume(alerts, _events_by_hour(folder, before))
        return watcher

    def take(self, parts: Iterable[Part]) -> None:
        """Take what was appended since the last time."""
        for record in sorted(chain.from_iterable(part.records for part in parts), key=_time):
            self.watch.take(record)

    async def go_on(self, now: float) -> list[Alert]:
        """Judge what is due, and note the alerts if they have changed.

        Returns
        -------
        list[Alert]
            Those that were opened or closed since the last time.

        Raises
        ------
        StateError
            If the state is out of reach; what wasn't noted is noted the next time.
        """
        if self.watch.look(now):
            # What can't be written is counted again by the log, if need be.
            with suppress(OSError), written_file(self._folder / VOLUME) as new:
                new.write_text(json.dumps(self.watch.volume.judged))
        note, told = self.watch.alerts.note(self._log, now, self.watch.missing), self._told
        is_same = (note.opened, note.closed) == (told.opened, told.closed)
        if not is_same or now > told.time + TELL_EVERY:
            await self._state.put_note(NOTES, self._log, note.encoded())
            self._told = note
        await self._note_shown(now)
        return [*_others(note.opened, told.opened), *_others(note.closed, told.closed)]

    async def _note_shown(self, now: float) -> None:
        """Note what was shown today, if it has changed."""
        if now < self._shown_at + SHOWN_EVERY:
            return
        shown = self.watch.today.note(self._log)
        if shown != self._shown:
            await self._state.put_note(SHOWN_NOTES, self._log, shown.encoded())
        self._shown, self._shown_at = shown, now


def _others(now: Sequence[Alert], before: Sequence[Alert]) -> list[Alert]:
    """Give the alerts that weren't there before, whatever was seen of them."""
    known = {(each.kind, each.subject, each.since) for each in before}
    return [each for each in now if (each.kind, each.subject, each.since) not in known]


def _time(record: Record) -> float:
    return record.timestamp if isinstance(record, EventRecord) else record.time


def _events_by_hour(folder: Path, read: Sequence[Part]) -> Counter[int]:
    """Count events up to the last judged hour by a file, from then on by what is rolled over or was read."""
    counts = Counter[int]()
    with suppress(OSError, ValueError, AttributeError):  # missing or damaged
        kept = json.loads((folder / VOLUME).read_bytes())
        counts.update({int(hour): int(n) for hour, n in kept.items()})
    since = (max(counts, default=-1) + 1) * HOUR
    records = chain.from_iterable(part.records for part in read)
    times = [record.timestamp for record in records if isinstance(record, EventRecord)]
    known, first = {Path(part.segment).stem for part in read}, hour_of(since)
    rolled = [each for each in rolled_files(folder, "events") if each.name[:HOUR_LENGTH] >= first]
    if files := [each for each in rolled if each.name.partition(".")[0] not in known]:
        times += pl.scan_parquet(files).select("timestamp").collect()["timestamp"].to_list()
    counts.update(int(time // HOUR) for time in times if time >= since)
    return counts

"""`HandOver`: an event that reached another machine than the one that showed its list finds it by the state.

Each log has one note, which only its learner writes: the events that found no list there, what it has seen
of other logs' events, and which of these it claims. Who handed an event over decides on one log that claims
it; that one appends the event to itself and learns it as if it had come there. So each event is learned by
one log at most, and by a log once, as all its events; whoever is killed, notes and logs say how to go on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final, Self

import msgspec
from msgspec import Struct

from tailrank.feedback.attribution import MINUTES
from tailrank.feedback.learner import Learner
from tailrank.feedback.log_reader import Part
from tailrank.feedback.open_lists import OPEN_SECONDS
from tailrank.feedback.records import ErasedRecord, EventRecord, encode, user_digest
from tailrank.feedback.segments import HourlySegments

KIND: Final = "handed-over"
"""Of the notes in the state, each under the name of its log."""

SETTLE_SECONDS: Final = 10.0
"""For which others are given time to find a list that they may be about to log."""

TELL_EVERY: Final = 600.0
"""Seconds after which a note is written anew that hasn't changed, so that the log counts as one in use."""

MOST_EVENTS: Final = 2_000
"""Of one log that wait; the oldest go first."""


class HandedEvent(Struct, array_like=True, frozen=True):
    """An event that found no list.

    Attributes
    ----------
    key
        The same for the same event sent again.
    event
        As it was logged.
    since
        The `time` of the note that had it first.
    to
        The log that is to learn from it; empty if that isn't decided.
    decided
        The `time` of the note that had it decided first.
    """

    key: str
    event: EventRecord
    since: float
    to: str = ""
    decided: float = 0.0


class HandOverNote(Struct, array_like=True, frozen=True):
    """What one log tells the others.

    Attributes
    ----------
    time
        In seconds since 1970, by its own clock, and later than that of the note before.
    events
        What it hands over, the oldest first.
    heard
        By log that hands over, the `time` of the note up to which this one did its part: it claims what is
        its own, and has logged what it is to learn.
    claims
        When the list was shown that an event of another log belongs to, by the event's key; infinite if the
        event came here, too.
    """

    time: float = 0.0
    events: list[HandedEvent] = []
    heard: dict[str, float] = {}
    claims: dict[str, float] = {}

    @classmethod
    def decoded(cls, note: bytes) -> Self | None:
        """Read a note; None if it was emptied, or another version of tailrank wrote it in another form."""
        try:
            return msgspec.msgpack.decode(note, type=cls)
        except msgspec.DecodeError:
            return None

    def has_news(self, before: Self) -> bool:
        """Whether others need this instead of the note before; as long as events wait, its time is news."""
        same = (self.heard, self.claims) == (before.heard, before.claims)
        return bool(self.events or before.events) or not same or self.time > before.time + TELL_EVERY


class HandOver:
    """Keeps the note of one log.

    Parameters
    ----------
    log
        Its id.
    learner
        Of this log.
    received
        Where events of other logs are appended to it.
    note
        What was noted last; None if nothing was.
    """

    def __init__(
        self, log: str, learner: Learner, received: HourlySegments, note: HandOverNote | None = None
    ) -> None:
        self._log, self._learner, self._received = log, learner, received
        self._told = HandOverNote() if note is None else note
        self._events = {each.key: each for each in self._told.events}
        self._others = dict[str, HandOverNote]()
        self._n_found, learner.unmatched = 0, len(self._events)

    @property
    def unmatched(self) -> int:
        """Events that found no list, here or elsewhere; not counted are those that still may."""
        return self._learner.unmatched - len(self._events) - self._n_found

    def hear(self, notes: Mapping[str, bytes], now: float) -> list[str]:
        """Take the notes of all logs, before this one is read; returns whose may be emptied.

        Logs that wrote none for an hour have no list left that an event may belong to, and don't count.
        """
        found = {log: note for log, each in notes.items() if (note := HandOverNote.decoded(each))}
        found.pop(self._log, None)
        self._others = {log: note for log, note in found.items() if note.time > now - OPEN_SECONDS}
        return sorted(found.keys() - self._others.keys())

    def add(self, now: float) -> bool:
        """Hand over what found no list, if there are other logs; returns whether there was anything.

        The position of the reader must be noted then, lest it is handed over again when others have learned
        it.
        """
        events, self._learner.unfound = self._learner.unfound, []
        new = [each for each in events if each.timestamp > now - OPEN_SECONDS]
        if not self._others or not new:
            return False
        handed = {_key(event): HandedEvent(_key(event), event, self._time(now)) for event in new}
        # What a kill before the position was noted has made it read again is counted already.
        self._learner.unmatched -= len(handed.keys() & self._events.keys())
        self._events |= {key: handed[key] for key in handed if key not in self._events}
        for key in [*self._events][:-MOST_EVENTS]:
            del self._events[key]
        return True

    def erase(self, parts: Iterable[Part]) -> None:
        """Let go what users did who are erased."""
        records = chain.from_iterable(part.records for part in parts)
        until = {each.user_digest: each.time for each in records if isinstance(each, ErasedRecord)}
        if until:
            digests = {key: user_digest(each.event.user_id) for key, each in self._events.items()}
            for key, digest in digests.items():
                if self._events[key].event.timestamp <= until.get(digest, -math.inf):
                    del self._events[key]

    def go_on(self, now: float, *, is_behind: bool) -> HandOverNote | None:
        """Take what others handed over to this log, and settle what it handed over.

        Parameters
        ----------
        now
            In seconds since 1970.
        is_behind
            Whether something that was logged before `hear` isn't learned yet, by which all this goes: then
            it is put off.

        Returns
        -------
        HandOverNote | None
            What is to be noted; None if it says nothing new.
        """
        claims, heard = self._told.claims, self._told.heard
        if not is_behind:
            for each in [*self._events.values()]:
                self._settle(each, self._time(now))
            if self._receive():
                opened = [(each.key, self._learner.claim(each.event)) for each in self._handed if not each.to]
                claims = {key: at for key, at in opened if at is not None}
                heard = {log: other.time for log, other in self._others.items() if other.events}
        note = HandOverNote(self._time(now), [*self._events.values()], heard, claims)
        if not note.has_news(self._told):
            return None
        self._told = note
        return note

    def _receive(self) -> bool:
        """Append to this log what it is to learn from; returns whether that is done."""
        events = {each.key: each.event for each in self._handed if each.to == self._log}
        new = [encode(event) for event in events.values() if not self._learner.knows(event)]
        try:
            self._received.append(new)
        except OSError as why:
            self._learner.trouble.append(f"events of other machines can't be logged ({why.strerror})")
        else:
            return True
        return False

    def _settle(self, handed: HandedEvent, time: float) -> None:
        """Decide who is to learn from an event; let it go once they have, or if nobody has its list."""
        heard = {log: other.heard.get(self._log, 0.0) for log, other in self._others.items()}
        claims = {log: at for log, other in self._others.items() if (at := other.claims.get(handed.key))}
        all_have_heard, settled = min(heard.values(), default=0.0), handed.since + SETTLE_SECONDS
        if handed.to:
            is_over = heard.get(handed.to, 0.0) >= handed.decided
            self._n_found += is_over
        else:
            is_nobodys = not claims and all_have_heard >= settled
            is_over = is_nobodys or self._learner.has_learned_late(handed.event)
        if is_over or time > handed.since + 60 * MINUTES:
            del self._events[handed.key]
        elif claims and not handed.to and (all_have_heard >= handed.since or time > settled):
            latest = max(claims, key=lambda log: (claims[log], log))
            self._events[handed.key] = msgspec.structs.replace(handed, to=latest, decided=time)

    @property
    def _handed(self) -> list[HandedEvent]:
        """What other logs hand over."""
        return [each for other in self._others.values() for each in other.events]

    def _time(self, now: float) -> float:
        """Give the time of the next note: if the clock was set back, just after the last one's."""
        return max(now, math.nextafter(self._told.time, math.inf))


def _key(event: EventRecord) -> str:
    same = event.user_id, event.item_id, event.event_id
    return hashlib.sha256(msgspec.msgpack.encode(same)).hexdigest()[:32]

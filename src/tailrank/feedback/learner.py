"""`Learner`: turns the records of a log, as they come, into weights that the guard lets into service."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Final, Self

import msgspec
import safetensors.numpy
from msgspec import Struct

from tailrank.errors import ModelError, TailrankError
from tailrank.feedback.guard import SERVED, Decision, Guard
from tailrank.feedback.log_reader import Part
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.open_lists import MOST_LISTS, OpenLists
from tailrank.feedback.outcome_sums import OutcomeSums
from tailrank.feedback.records import ErasedRecord, EventRecord, ShownRecord
from tailrank.ranking.arrays_file import read_arrays
from tailrank.ranking.fusion import Fusion
from tailrank.signals.stored import StoredArrays

KIND: Final = "learning"
"""Of the notes in the state, each under the name of its log."""

REMEMBERED: Final = 200_000
"""Events that count as repeated if they come again."""

MOST_WAITING: Final = 10_000
"""Events that wait for the list that they name, which another worker may be about to log."""


REPEATED: Final = "a list has the ranking_id of an earlier one, and doesn't count: give each its own"
"""What is said of lists that callers name alike."""


class LearningNote(Struct, array_like=True, frozen=True):
    """What was learned from one log, and how far it was read: one value, so neither is without the other.

    Attributes
    ----------
    model
        The name of the model whose weights are corrected.
    position
        Bytes read of each segment.
    published
        When learned weights came into service last, in seconds since 1970; 0 before.
    arrays
        Those of `Guard`, as safetensors.
    """

    model: str
    position: dict[str, int]
    published: float
    arrays: bytes

    @classmethod
    def decoded(cls, note: bytes) -> Self:
        """Read a note; raises ModelError if it is something else."""
        try:
            return msgspec.msgpack.decode(note, type=cls)
        except msgspec.DecodeError as why:
            raise ModelError(f"a note of what was learned can't be read ({why})") from None

    def guard(self, offline: Fusion) -> Guard:
        """Go on with what was learned; raises ModelError if it isn't of these weights."""
        return Guard.from_arrays(offline, self._stored())

    def served(self, online: OnlineFusion) -> OutcomeSums:
        """Take the sums behind the weights in service; raises as `guard`."""
        return online.stored_sums(self._stored().part(SERVED))

    def _stored(self) -> StoredArrays:
        arrays = {name: array.copy() for name, array in read_arrays(self.arrays).items()}  # to add to
        return StoredArrays(arrays, place="note of what was learned: ")


class Learner:
    """Learns each event once.

    An event counts when it comes, by the difference that it makes to its list. What was learned and the
    position of the reader are one note, so whatever is killed when, what was learned after the last note is
    learned again from there.

    Parameters
    ----------
    model
        The name of the model that serves; lists of others, and degraded ones, aren't learned from.
    guard
        What learns.
    published
        As `LearningNote` has it.
    left_out
        Tells of a user whether not to learn from them.

    Attributes
    ----------
    learned, unmatched
        Events of lists of the model, and events that belong to no list that is open here.
    unfound
        The latter since somebody emptied this, who may know of other logs.
    trouble
        What couldn't be learned, and why.
    """

    def __init__(
        self,
        model: str,
        guard: Guard,
        published: float = 0.0,
        left_out: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.model, self.guard, self.published, self._left_out = model, guard, published, left_out
        self.lists = OpenLists(len(guard.online.settings.examination))
        self._seen = dict[int, None]()
        self._waiting, self._n_waiting = dict[str, list[EventRecord]](), 0
        self.learned = self.unmatched = 0
        self.unfound: list[EventRecord] = []
        self.trouble: list[str] = []

    @classmethod
    def resumed(
        cls,
        model: str,
        offline: Fusion,
        note: LearningNote | None,
        left_out: Callable[[str], bool] = lambda _: False,
    ) -> Self:
        """Go on from a note; begin anew without one, or with that of another model.

        Raises
        ------
        ModelError
            If the note holds something else.
        """
        if note is None or note.model != model:
            return cls(model, Guard(OnlineFusion.start(offline)), left_out=left_out)
        return cls(model, note.guard(offline), note.published, left_out)

    def note(self, position: Mapping[str, int]) -> LearningNote:
        """Note what was learned up to a position."""
        arrays = safetensors.numpy.save(dict(self.guard.arrays()))
        return LearningNote(self.model, dict(position), self.published, arrays)

    def remember(self, parts: Iterable[Part]) -> None:
        """Take what was learned before, the latest first, to know what later events change."""
        found, lists = list[Part](), 0
        for part in parts:
            found.append(part)
            lists += sum(isinstance(record, ShownRecord) for record in part.records)
            if lists >= MOST_LISTS:
                break
        self._take(found[::-1], learn=False)
        self.unmatched, self.unfound = 0, []

    def learn(self, parts: Iterable[Part]) -> list[Decision]:
        """Learn from what came; returns what the guard decided."""
        return self._take(parts, learn=True)

    def knows(self, event: EventRecord) -> bool:
        """Whether an event was logged here, too, so that it would count as repeated."""
        return _identity(event) in self._seen

    def claim(self, event: EventRecord) -> float | None:
        """Tell when the list was shown that an event belongs to; infinite if it was learned, None without."""
        found = self.lists.find(event)
        return None if found is None else math.inf if self.knows(event) else found[0].time

    def has_learned_late(self, event: EventRecord) -> bool:
        """Whether an event that named a list before it came has found it by now."""
        return event.ranking_id is not None and self.lists.find(event) is not None

    def _take(self, parts: Iterable[Part], *, learn: bool) -> list[Decision]:
        """Take lists first: an event that one worker logged may be about a list of another one."""
        parts, decided = list(parts), list[Decision | None]()
        for segment, records in parts:
            for record in records:
                if isinstance(record, ShownRecord):
                    if not self.lists.add(segment, record) and REPEATED not in self.trouble:
                        self.trouble.append(REPEATED)
                    waited = self._waiting.pop(record.ranking_id, ())
                    self.unmatched -= len(waited)
                    self._n_waiting -= len(waited)
                    decided += [self._event(event, learn=learn) for event in waited]
        for record in chain.from_iterable(part.records for part in parts):
            if isinstance(record, EventRecord) and not self._is_repeated(record):
                decided.append(self._event(record, learn=learn))
            elif isinstance(record, ErasedRecord):
                self.lists.erase(record.user_digest, record.time)
        return [decision for decision in decided if decision is not None]

    def _event(self, event: EventRecord, *, learn: bool) -> Decision | None:
        """Learn the difference that an event makes."""
        if self._left_out(event.user_id):
            return None
        found = self.lists.find(event)
        if found is None:
            self._wait(event)
            return None
        shown, at = found
        before = shown.outcome()
        shown.note(event.event, at, event.timestamp)
        seen, signals = before.impression, self.guard.online.offline.signals
        if not learn or (seen.model, seen.signal_names) != (self.model, signals):
            return None
        try:
            decision = self.guard.learn_more(before, shown.outcome())
        except TailrankError as why:
            self.trouble.append(f"an event can't be learned from: {why}")
            return None
        self.learned += 1
        if decision is not None and decision.action == "publish":
            self.published = event.timestamp
        return decision

    def _is_repeated(self, event: EventRecord) -> bool:
        key = _identity(event)
        if key in self._seen:
            return True
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False

    def _wait(self, event: EventRecord) -> None:
        """Keep an event for when the list that it names comes."""
        self.unmatched += 1
        self.unfound.append(event)
        if event.ranking_id is not None:
            self._waiting.setdefault(event.ranking_id, []).append(event)
            self._n_waiting += 1
            while self._n_waiting > MOST_WAITING:
                self._n_waiting -= len(self._waiting.pop(next(iter(self._waiting))))


def _identity(event: EventRecord) -> int:
    return hash((event.user_id, event.item_id, event.event_id))

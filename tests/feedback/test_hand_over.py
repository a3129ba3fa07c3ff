"""An event that reached another machine than the one that showed its list is learned there, once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest
from feedback_helpers import Visits, fusion_with
from log_helpers import event, shown

from tailrank.feedback import hand_over, learning_process
from tailrank.feedback.attribution import MINUTES
from tailrank.feedback.guard import Guard
from tailrank.feedback.hand_over import KIND, MOST_EVENTS, HandedEvent, HandOver, HandOverNote
from tailrank.feedback.learner import KIND as LEARNING
from tailrank.feedback.learner import Learner, LearningNote
from tailrank.feedback.learning_process import LearningProcess, Report
from tailrank.feedback.log_reader import LogReader, Part, log_id
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.outcome_sums import OutcomeSums
from tailrank.feedback.records import (
    ErasedRecord,
    EventRecord,
    Record,
    ShownRecord,
    encode,
    read_records,
    user_digest,
)
from tailrank.feedback.segments import HourlySegments
from tailrank.state.base import State
from tailrank.state.open import open_state

T = TypeVar("T")
OFFLINE = fusion_with([1.0, 0.8, 0.5, 0.3])


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_process, "PAUSE", 0.0)


class Killed(BaseException):
    """What ends a process at any moment."""


class Machine:
    """A log, what learns from it, and what it reported."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state, self.reports = folder, state, list[Report]()
        self._segment = HourlySegments(folder)
        folder.mkdir()
        self.id = log_id(folder)

    async def start(self) -> None:
        self.process = LearningProcess(self.folder, self.state, self.reports.append)
        await self.process.begin("m", OFFLINE)

    def log(self, *records: Record) -> None:
        self._segment.append([encode(record) for record in records])

    def events(self) -> list[EventRecord]:
        found = read_records(sorted(self.folder.glob("segments/*")))
        return [record for record in found if isinstance(record, EventRecord)]

    @property
    def learned(self) -> int:
        return sum(report.learned for report in self.reports)

    @property
    def unmatched(self) -> int:
        return sum(report.unmatched for report in self.reports)


def with_machines(folder: Path, n: int, body: Callable[..., Awaitable[T]]) -> T:
    """Run a coroutine with machines that share a state."""

    async def run() -> T:
        state = open_state(str(folder / "state"))
        machines = [Machine(folder / str(at), state) for at in range(n)]
        for _ in range(2):  # the first ones hear of the last one the second time
            for each in machines:
                await each.start()
                await each.process.go_on()
        try:
            return await body(*machines)
        finally:
            await state.close()

    return asyncio.run(run())


async def turns(machines: Sequence[Machine], n: int = 6) -> None:
    for _ in range(n):
        for each in machines:
            await each.process.go_on()


def lists(n: int, seed: int = 0) -> list[tuple[ShownRecord, list[EventRecord]]]:
    """Draw lists of now, each with the events on it, half of which name it."""
    visits, rng, now = Visits(np.full((n, 4), 0.8), seed), np.random.default_rng(seed), time.time() - 60
    found = []
    for at in range(n):
        outcome = visits.show(OFFLINE, at)[1]
        [drawn] = shown(outcome.impression)
        user = f"u{at}"
        seen = msgspec.structs.replace(
            drawn, ranking_id=f"r{seed}-{at}", user_id=user, time=now + at / 100, model="m"
        )
        clicks = [
            event(f"{seed} {at} {item}", str(item), user, seen.time + 1, ranking=name)
            for item in np.flatnonzero(outcome.clicked).tolist()
            for name in [seen.ranking_id if rng.random() < 0.5 else None]
        ]
        found.append((seen, clicks))
    return found


def learned_once(visits: Sequence[tuple[ShownRecord, list[EventRecord]]]) -> OutcomeSums:
    """Learn all in one pass."""
    learner = Learner("m", Guard(OnlineFusion.start(OFFLINE)))
    learner.learn([Part("s", [seen, *clicks]) for seen, clicks in visits])
    return learner.guard.online.sums


async def learned_by_all(state: State) -> OutcomeSums:
    """Add up what is noted."""
    found = [LearningNote.decoded(each) for each in (await state.notes(LEARNING)).values()]
    sums = [note.guard(OFFLINE).online.sums for note in found]
    total = sums[0]
    for each in sums[1:]:
        total = total.plus(each)
    return total


def assert_equal(one: OutcomeSums, other: OutcomeSums) -> None:
    for name, array in one.arrays().items():
        np.testing.assert_allclose(array, other.arrays()[name], rtol=1e-6, atol=1e-9)


def one_list() -> tuple[ShownRecord, EventRecord]:
    """A list, and an event on it that names it."""
    seen = lists(1)[0][0]
    return seen, event("e", seen.item_ids[2], seen.user_id, seen.time + 1, ranking=seen.ranking_id)


def test_an_event_is_learned_where_its_list_was_shown(tmp_path: Path) -> None:
    seen, click = one_list()
    unnamed = event("f", seen.item_ids[1], seen.user_id, seen.time + 2)

    async def body(*machines: Machine) -> None:
        machines[0].log(seen)
        machines[1].log(click, unnamed)
        machines[2].log(click)  # which a client sent again
        await turns(machines)
        assert [each.learned for each in machines] == [2, 0, 0]
        assert [each.unmatched for each in machines] == [0, 0, 0]
        assert sorted(each.event_id for each in machines[0].events()) == ["e", "f"]
        assert_equal(await learned_by_all(machines[0].state), learned_once([(seen, [click, unnamed])]))
        notes = [HandOverNote.decoded(each) for each in (await machines[0].state.notes(KIND)).values()]
        assert all(note is not None and not note.events and not note.claims for note in notes)

    with_machines(tmp_path, 3, body)


def test_another_model_begins_where_the_log_was_read(tmp_path: Path) -> None:
    seen, click = one_list()

    async def body(machine: Machine) -> None:
        machine.log(seen)
        await machine.process.go_on()
        for model in ("n", "m"):
            await machine.process.begin(model, OFFLINE)
            await machine.process.go_on()
        watcher = machine.process._watcher
        assert watcher is not None
        assert watcher.watch.today.note("log").lists == 1
        machine.log(click)
        await turns([machine])
        assert machine.learned == 1

    with_machines(tmp_path, 1, body)


def test_of_several_lists_the_latest_counts_and_what_came_twice_counts_where_it_was_learned(
    tmp_path: Path,
) -> None:
    seen = lists(1)[0][0]
    earlier = msgspec.structs.replace(seen, ranking_id="earlier", time=seen.time - 5)
    click = event("e", seen.item_ids[2], seen.user_id, seen.time + 1)
    again = event("f", seen.item_ids[3], seen.user_id, seen.time + 1)

    async def body(*machines: Machine) -> None:
        machines[0].log(earlier, again)
        machines[1].log(seen)
        machines[2].log(click, again)
        await turns(machines)
        assert [each.learned for each in machines] == [1, 1, 0]
        assert [event.event_id for event in machines[1].events()] == ["e"]

    with_machines(tmp_path, 3, body)


def test_what_one_log_has_learned_is_not_handed_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_over, "SETTLE_SECONDS", 0.0)
    seen = lists(1)[0][0]
    earlier = msgspec.structs.replace(seen, ranking_id="earlier", time=seen.time - 5)
    click = event("e", seen.item_ids[2], seen.user_id, seen.time + 1)

    async def body(one: Machine, down: Machine, other: Machine) -> None:
        one.log(earlier)
        down.log(seen)
        other.log(click)
        await turns([one, down, other])
        assert (one.learned, down.learned) == (0, 1)
        await other.start()
        await turns([one, other])
        assert one.learned == 0

    with_machines(tmp_path, 3, body)


@pytest.mark.parametrize("seed", [1, 3])
def test_whatever_is_killed_when_each_event_is_learned_once(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits, rng = lists(60, seed), np.random.default_rng(seed)

    async def body(*machines: Machine) -> OutcomeSums:
        state, put_note = machines[0].state, machines[0].state.put_note

        async def put(*note: Any) -> None:
            if rng.random() < 0.1:
                raise Killed
            await put_note(*note)
            if rng.random() < 0.1:
                raise Killed

        monkeypatch.setattr(state, "put_note", put)
        places = rng.integers(0, 3, len(visits))
        for at, (seen, _) in zip(places, visits, strict=True):
            machines[at].log(seen)
        left = [click for _, clicks in visits for click in clicks]
        assert len(left) > 30
        down = set[Machine]()
        while left:
            for click in left[:3]:
                machines[rng.integers(3)].log(click)
            left = left[3:]
            for each in machines:
                try:
                    if each in down:
                        await each.start()
                        down.remove(each)
                    await each.process.go_on()
                except Killed:
                    down.add(each)
        monkeypatch.undo()
        for each in machines:
            await each.start()
        monkeypatch.setattr(learning_process, "PAUSE", 0.0)
        await turns(machines, 10)
        return await learned_by_all(state)

    assert_equal(with_machines(tmp_path, 3, body), learned_once(visits))


def test_what_belongs_to_no_list_is_counted_once_all_have_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, click = one_list()
    made_up = msgspec.structs.replace(click, event_id="x", ranking_id="made up")

    async def body(*machines: Machine) -> None:
        machines[0].log(seen)
        machines[1].log(made_up, click)
        await turns(machines)
        assert (machines[0].learned, machines[1].unmatched) == (1, 0)
        monkeypatch.setattr(hand_over, "SETTLE_SECONDS", 0.0)
        await turns(machines)
        assert [each.unmatched for each in machines] == [0, 1]
        note = HandOverNote.decoded((await machines[1].state.notes(KIND))[machines[1].id])
        assert note is not None
        assert note.events == []

    with_machines(tmp_path, 2, body)


def test_what_was_handed_over_when_a_kill_came_is_not_counted_as_belonging_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, click = one_list()

    async def body(*machines: Machine) -> None:
        state, put_note = machines[0].state, machines[0].state.put_note

        async def put(kind: str, *note: Any) -> None:
            if kind == LEARNING:
                raise Killed
            await put_note(kind, *note)

        machines[0].log(seen)
        machines[1].log(click)
        monkeypatch.setattr(state, "put_note", put)
        with pytest.raises(Killed):
            await machines[1].process.go_on()
        monkeypatch.setattr(state, "put_note", put_note)
        await machines[1].start()
        await turns(machines)
        assert (machines[0].learned, machines[1].unmatched) == (1, 0)

    with_machines(tmp_path, 2, body)


def test_a_log_that_is_gone_is_not_waited_for_and_leaves_nothing(tmp_path: Path) -> None:
    seen, click = one_list()

    async def body(*machines: Machine) -> None:
        one, other = machines
        gone = HandOverNote(time.time() - 3_700, [HandedEvent("k", click, 0.0)])
        await one.state.put_note(KIND, "gone", msgspec.msgpack.encode(gone))
        one.log(seen)
        other.log(click)
        await turns(machines)
        assert (one.learned, other.learned) == (1, 0)
        assert (await one.state.notes(KIND))["gone"] == b""

    with_machines(tmp_path, 2, body)


def test_what_an_erased_user_did_is_not_handed_over(tmp_path: Path) -> None:
    seen, click = one_list()

    async def body(*machines: Machine) -> None:
        one, other = machines
        other.log(click, ErasedRecord(user_digest(click.user_id), time.time()))
        one.log(seen)
        await turns(machines)
        assert one.learned == 0
        told = [HandOverNote.decoded(each) for each in (await one.state.notes(KIND)).values()]
        assert all(note is not None and not note.events for note in told)

    with_machines(tmp_path, 2, body)


def test_who_is_alone_hands_nothing_over(tmp_path: Path) -> None:
    _, click = one_list()

    async def body(only: Machine) -> None:
        only.log(click)
        told = await only.state.notes(KIND)
        await turns([only])
        assert only.unmatched == 1
        assert await only.state.notes(KIND) == told

    with_machines(tmp_path, 1, body)


def test_an_event_that_comes_before_its_list_is_learned_once(tmp_path: Path) -> None:
    seen, click = one_list()

    async def body(one: Machine, other: Machine) -> None:
        one.log(click)
        await one.process.go_on()
        one.log(seen)
        await turns([one, other])
        assert (one.learned, one.unmatched, other.learned) == (1, 0, 0)
        assert len(one.events()) == 1

    with_machines(tmp_path, 2, body)


def test_a_log_that_can_not_be_written_gets_its_events_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, click = one_list()

    async def body(one: Machine, other: Machine) -> None:
        one.log(seen)
        other.log(click)
        with monkeypatch.context() as full:
            full.setattr(HourlySegments, "append", _no_space)
            await turns([one, other])
            assert one.learned == 0
            assert "No space left" in one.reports[-1].trouble[0]
        await turns([one, other])
        assert (one.learned, other.unmatched) == (1, 0)

    with_machines(tmp_path, 2, body)


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def alone(tmp_path: Path, others: HandOverNote, now: float) -> HandOver:
    learner = Learner("m", Guard(OnlineFusion.start(OFFLINE)))
    found = HandOver("mine", learner, HourlySegments(tmp_path))
    found.hear({"other": msgspec.msgpack.encode(others), "another": b"of another version"}, now)
    return found


def test_what_waits_is_bounded_expires_and_is_erased(tmp_path: Path) -> None:
    now = time.time()
    mine = alone(tmp_path, HandOverNote(now), now)
    many = [event(f"e{n}", "i", f"u{n}", now, ranking="r") for n in range(MOST_EVENTS + 2)]
    mine._learner.learn([Part("s", [*many, event("old", "i", "u", now - 7200)])])
    assert mine.add(now)
    note = mine.go_on(now, is_behind=False)
    assert note is not None
    assert [each.event for each in note.events] == many[2:]
    assert mine.unmatched == 3
    mine.erase([Part("s", [ErasedRecord(user_digest("u5"), now), ErasedRecord(user_digest("u6"), now - 1)])])
    note = mine.go_on(now + 1, is_behind=False)
    assert note is not None
    assert {"u5", "u6"} & {each.event.user_id for each in note.events} == {"u6"}
    note = mine.go_on(now + 60 * MINUTES + 1, is_behind=False)
    assert note is not None
    assert note.events == []
    assert mine.unmatched == MOST_EVENTS + 3


def test_a_clock_that_is_set_back_loses_nothing(tmp_path: Path) -> None:
    now = time.time()
    mine = alone(tmp_path, HandOverNote(now), now)
    mine._learner.learn([Part("s", [event("e", "i", "u", now, ranking="r")])])
    mine.add(now)
    before = mine.go_on(now, is_behind=False)
    after = mine.go_on(now - 3_000, is_behind=False)
    assert before is not None
    assert after is not None
    assert after.time == math.nextafter(before.time, math.inf)


def test_a_reader_that_is_behind_puts_off_what_others_hand_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrank.feedback.log_reader.BYTES_AT_ONCE", 1)
    seen, click = one_list()
    log = HourlySegments(tmp_path)
    for records in ([click], [seen]):
        log.append([encode(record) for record in records])
    reader, now = LogReader(tmp_path), time.time()
    mine = alone(tmp_path, HandOverNote(now, [HandedEvent("k", click, now)]), now)
    found = []
    for _ in range(3):
        mine._learner.learn(reader.read())
        note = mine.go_on(now, is_behind=reader.is_behind)
        found.append(note and (note.heard, note.claims))
    assert found == [({}, {}), None, ({"other": now}, {"k": math.inf})]

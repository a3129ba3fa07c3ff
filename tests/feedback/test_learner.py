"""What a server logs is learned once, whatever is killed when."""

from __future__ import annotations

import asyncio
import errno
import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from feedback_helpers import Visits, fusion_with
from log_helpers import NOW, event, shown, write

from tailrank.errors import ModelError
from tailrank.feedback import learner as learner_module
from tailrank.feedback import learning_process, log_reader, watcher
from tailrank.feedback.attribution import outcomes
from tailrank.feedback.guard import Guard, GuardSettings
from tailrank.feedback.learner import KIND, REPEATED, Learner, LearningNote
from tailrank.feedback.learning_process import LearningProcess, Report
from tailrank.feedback.log_reader import READ, LogReader, Part, log_id
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.open_lists import MOST_LISTS, OPEN_SECONDS, OpenLists
from tailrank.feedback.records import (
    ErasedRecord,
    EventRecord,
    Record,
    ShownRecord,
    all_segments,
    block,
    encode,
    read_blocks,
    user_digest,
)
from tailrank.feedback.roll_over import roll_over
from tailrank.feedback.segments import Segment
from tailrank.feedback.watcher import VOLUME
from tailrank.state.base import StateError
from tailrank.state.open import open_state

OFFLINE = fusion_with([1.0, 0.8, 0.5, 0.3])
TASTE = [0.2, 0.8, 1.1, 0.8]
WINDOW = 25


def stream(n: int, seed: int = 0) -> list[list[Record]]:
    """Lists with the events on them, each a block: clicks, purchases, dislikes, some of them sent twice."""
    visits, rng = Visits(np.tile(TASTE, (n, 1)), seed), np.random.default_rng(seed)
    blocks: list[list[Record]] = []
    for at in range(n):
        outcome = visits.show(OFFLINE, at)[1]
        seen = replace(outcome.impression, ranking_id=f"r{at}", time=NOW + at, model="m")
        blocks.append([*shown(seen)])
        for item in np.flatnonzero(outcome.clicked).tolist():
            name = seen.ranking_id if rng.random() < 0.5 else None
            kinds = [("click", "purchase"), ("click", "dislike"), ("click",)][
                rng.choice(3, p=[0.2, 0.1, 0.7])
            ]
            for kind in kinds:
                found = event(f"{at} {item} {kind}", str(item), seen.user_id, NOW + at + 0.5, kind, name)
                blocks.append([found] * int(rng.integers(1, 3)))
    return blocks


def started(note: LearningNote | None = None) -> Learner:
    """Begin, or go on, with windows that are short enough for a test."""
    start = OnlineFusion.start(OFFLINE)
    guard = Guard(start) if note is None else note.guard(OFFLINE)
    guard.settings = GuardSettings(window=WINDOW)
    return Learner("m", guard, 0.0 if note is None else note.published)


def equal(one: Guard, other: Guard) -> bool:
    left, right = one.arrays(), other.arrays()
    return all(np.array_equal(left[name], right[name]) for name in left.keys() | right.keys())


def test_what_comes_event_by_event_adds_up_to_what_the_log_says(tmp_path: Path) -> None:
    write(tmp_path, *itertools.chain.from_iterable(stream(300)))
    learner = Learner("m", Guard(OnlineFusion.start(OFFLINE), GuardSettings(window=10**6)))
    learner.learn(LogReader(tmp_path).read())
    whole = OnlineFusion.start(OFFLINE)
    whole.learn(outcomes(read_log(tmp_path)))
    sums, expected = learner.guard.online.sums.arrays(), whole.sums.arrays()
    assert expected["outcomes"].sum() > 50
    for name, array in expected.items():
        np.testing.assert_allclose(sums[name], array, rtol=1e-9, atol=1e-9)


def test_whatever_is_killed_when_each_event_counts_once(tmp_path: Path) -> None:
    blocks, rng = stream(200), np.random.default_rng(1)
    once = started()
    decided = [d.action for block in blocks for d in once.learn([Part("s", block)])]
    assert "publish" in decided
    segment, reader = Segment(tmp_path), LogReader(tmp_path)
    learner, stored = started(), b""
    for records in blocks:
        segment.append(list(map(encode, records)))
        chance = rng.random()
        if chance < 0.5:
            learner.learn(reader.read())
        if 0.2 < chance < 0.3:
            stored = msgspec.msgpack.encode(learner.note(reader.position))
        if chance < 0.05:  # killed
            note = msgspec.msgpack.decode(stored, type=LearningNote) if stored else None
            reader, learner = LogReader(tmp_path, note.position if note else None), started(note)
            learner.remember(reader.parts_before())
        if chance > 0.95:
            segment.close()
            segment = Segment(tmp_path)
    segment.close()
    learner.learn(reader.read())
    assert equal(learner.guard, once.guard)


def test_an_event_that_comes_before_its_list_waits_for_it() -> None:
    blocks = stream(40)
    lists = [block for block in blocks if isinstance(block[0], ShownRecord)]
    named = [block for block in blocks if isinstance(block[0], EventRecord) and block[0].ranking_id]
    early, late = learner(), learner()
    early.learn([Part("one", block) for block in named])
    assert early.unmatched > 0
    early.learn([Part("two", block) for block in lists])
    late.learn([Part("two", block) for block in lists] + [Part("one", block) for block in named])
    assert early.learned == late.learned > 0
    assert early.unmatched == 0
    for name, array in early.guard.online.sums.arrays().items():
        np.testing.assert_allclose(array, late.guard.online.sums.arrays()[name], atol=1e-9)


def test_what_is_another_models_too_late_or_of_somebody_else_is_not_learned() -> None:
    [[seen]] = stream(1)[:1]
    assert isinstance(seen, ShownRecord)
    item, at = seen.item_ids[0], seen.time
    click = event("e", item, seen.user_id, at + 1, ranking="r0")
    assert taught([seen, click]).learned == 1
    assert taught([msgspec.structs.replace(seen, model="another"), click]).learned == 0
    assert taught([msgspec.structs.replace(seen, signal_names=(), signals=b""), click]).learned == 0
    named = event("e", item, seen.user_id, at + OPEN_SECONDS + 1, ranking="r0")
    for late in (named, event("e", item, seen.user_id, at + 1_801)):
        assert (taught([seen, late]).learned, taught([seen, late]).unmatched) == (0, 1)
    assert taught([seen, event("e", item, "somebody", at + 1, ranking="r0")]).learned == 0
    gone = ErasedRecord(user_digest(seen.user_id), at + 0.5)
    erased = taught([seen, gone], [click])
    assert (erased.learned, len(erased.lists)) == (0, 0)
    without = Learner("m", Guard(OnlineFusion.start(OFFLINE)), left_out=lambda user: user == seen.user_id)
    without.learn([Part("s", [seen, click])])
    assert without.learned == 0


def test_lists_are_let_go_and_their_segments_with_them() -> None:
    [[first], *_] = stream(1)
    assert isinstance(first, ShownRecord)
    lists = OpenLists(ranks=20)
    for at in range(MOST_LISTS + 1):
        segment = "old" if at == 0 else "new"
        lists.add(segment, msgspec.structs.replace(first, ranking_id=f"l{at}", user_id="", time=NOW + at))
    assert (len(lists), lists.segments) == (MOST_LISTS, frozenset({"new"}))
    lists.close(NOW + MOST_LISTS)
    assert len(lists) == 1
    lists.close(NOW + MOST_LISTS + 1)
    assert (len(lists), lists.segments) == (0, frozenset())


def test_another_model_begins_anew_and_a_note_that_is_something_else_is_refused() -> None:
    taught_by = taught(*stream(60))
    note = taught_by.note({"s": 1})
    again = Learner.resumed("m", OFFLINE, LearningNote.decoded(msgspec.msgpack.encode(note)))
    assert equal(again.guard, taught_by.guard)
    assert not Learner.resumed("another", OFFLINE, note).guard.online.sums.outcomes.any()
    with pytest.raises(ModelError, match="can't be read"):
        LearningNote.decoded(b"something else")
    with pytest.raises(ModelError, match="note of what was learned"):
        note.guard(fusion_with([1.0, 2.0]))


def test_a_segment_waits_for_its_reader_before_it_is_rolled_over(tmp_path: Path) -> None:
    write(tmp_path, *itertools.chain.from_iterable(stream(5)))
    reader = LogReader(tmp_path)
    assert roll_over(tmp_path, 1e4, 1, read_only=True)["segments"] == 0
    [part] = reader.read()
    reader.release([part.segment])
    assert roll_over(tmp_path, 1e4, 1, read_only=True)["segments"] == 0
    reader.release([])
    assert roll_over(tmp_path, 1e4, 1, read_only=True)["segments"] == 1
    assert reader.read() == []
    assert (reader.position, reader.trouble) == ({}, [])


def test_a_segment_in_use_is_read_up_to_what_is_half_written(tmp_path: Path) -> None:
    blocks, segment, reader = stream(3), Segment(tmp_path), LogReader(tmp_path)
    [file] = all_segments(tmp_path)
    segment.append(list(map(encode, blocks[0])))
    whole = block(list(map(encode, blocks[1])))
    with file.open("ab") as torn:
        torn.write(whole[:20])
    assert [part.records for part in reader.read()] == [blocks[0]]
    assert reader.read() == []
    with file.open("ab") as torn:
        torn.write(whole[20:])
    assert [part.records for part in reader.read()] == [blocks[1]]
    assert [part.records for part in reader.parts_before()] == [[*blocks[0], *blocks[1]]]
    segment.close()
    file.unlink()
    assert reader.read() == []
    assert "was removed from the log before all of it was read" in reader.trouble[0]


def test_a_damaged_block_is_told_and_does_not_hide_what_follows(tmp_path: Path) -> None:
    blocks, segment, reader = stream(3), Segment(tmp_path), LogReader(tmp_path)
    [file] = all_segments(tmp_path)
    for each in blocks:
        segment.append(list(map(encode, each)))
    data, end = bytearray(file.read_bytes()), [end for end, _ in read_blocks(file)][1]
    data[end - 1] ^= 1
    file.write_bytes(data)
    kept = [*blocks[0], *itertools.chain.from_iterable(blocks[2:])]
    assert [part.records for part in reader.read()] == [kept]
    assert [part.records for part in reader.parts_before()] == [kept]
    assert reader.trouble == [f"{file.name}: passed over a damaged block up to byte {end}"]
    segment.close()
    found = roll_over(tmp_path, 1e4, 1)
    assert (found["segments"], found["damaged_blocks"]) == (1, 1)
    events = {record.event_id for record in kept if isinstance(record, EventRecord)}
    assert set(read_log(tmp_path).events.collect()["event_id"]) == events


def test_a_log_keeps_its_name(tmp_path: Path) -> None:
    assert log_id(tmp_path) == log_id(tmp_path) != log_id(tmp_path / "another")


def learner() -> Learner:
    return Learner("m", Guard(OnlineFusion.start(OFFLINE)))


def taught(*rounds: list[Record]) -> Learner:
    found = learner()
    for records in rounds:
        found.learn([Part("s", records)])
    return found


def test_a_state_that_is_out_of_reach_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_process, "PAUSE", 0.01)
    write(tmp_path / "log", *itertools.chain.from_iterable(stream(60)))
    reports: list[Report] = []

    async def body() -> LearningNote:
        state, failures = open_state(str(tmp_path / "state")), [StateError("out of reach")] * 6
        put_note = state.put_note

        async def put(*note: Any) -> None:
            if failures:
                raise failures.pop()
            await put_note(*note)

        monkeypatch.setattr(state, "put_note", put)
        process = LearningProcess(tmp_path / "log", state, reports.append)
        await process.begin("m", OFFLINE)
        assert await process.go_on()
        assert not await process.go_on()
        [note] = (await state.notes(KIND)).values()
        await state.close()
        return LearningNote.decoded(note)

    note = asyncio.run(body())
    assert equal(note.guard(OFFLINE), taught(*stream(60)).guard)
    assert [one.trouble for one in reports].count(["out of reach"]) == 6
    assert sum(one.learned for one in reports) > 0
    assert reports[-1].lag < 60


def learned_note(folder: Path, reports: list[Report]) -> LearningNote:
    """Let a process go on from what is noted, until all of a log is learned."""

    async def body() -> LearningNote:
        state = open_state(str(folder / "state"))
        process = LearningProcess(folder / "log", state, reports.append)
        await process.begin("m", OFFLINE)
        while await process.go_on():
            pass
        [note] = (await state.notes(KIND)).values()
        await state.close()
        return LearningNote.decoded(note)

    return asyncio.run(body())


def test_neither_a_full_disk_nor_damaged_files_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "log", *itertools.chain.from_iterable(stream(60)))
    log_id(tmp_path / "log")
    for name in (READ, VOLUME):
        (tmp_path / "log" / name).write_text('{"cut o')

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for module in (log_reader, watcher):
        monkeypatch.setattr(module, "written_file", full)
    reports: list[Report] = []
    assert equal(learned_note(tmp_path, reports).guard(OFFLINE), taught(*stream(60)).guard)
    assert "can't be released" in " ".join(itertools.chain.from_iterable(each.trouble for each in reports))


def test_what_a_clock_that_was_ahead_taught_is_learned_anew(tmp_path: Path) -> None:
    """Beside outcomes that are still to come, those of now would have faded to nothing."""
    write(tmp_path / "log", *itertools.chain.from_iterable(stream(60)))
    ahead = started()

    ahead.guard.online.sums.latest[0] = time.time() + 1e7
    note = msgspec.msgpack.encode(ahead.note({}))

    async def put() -> None:
        state = open_state(str(tmp_path / "state"))
        await state.put_note(KIND, log_id(tmp_path / "log"), note)
        await state.close()

    asyncio.run(put())
    reports: list[Report] = []
    assert equal(learned_note(tmp_path, reports).guard(OFFLINE), taught(*stream(60)).guard)
    assert "learning begins anew" in " ".join(itertools.chain.from_iterable(each.trouble for each in reports))
    process = LearningProcess(tmp_path / "log", open_state(str(tmp_path / "state")), reports.append)
    process._learner = ahead
    assert process.is_ahead


def test_lists_that_callers_name_alike_are_told() -> None:
    lists = [record for block in stream(3) for record in block if isinstance(record, ShownRecord)]
    found = taught([*lists])
    assert found.trouble == []
    found.learn([Part("s", [msgspec.structs.replace(each, ranking_id="r0") for each in lists])])
    assert found.trouble == [REPEATED]
    assert len(found.lists) == 3


def test_events_that_name_no_list_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner_module, "MOST_WAITING", 5)
    found = learner()
    found.learn([Part("s", [event(str(at), "a", ranking="none") for at in range(50)])])
    assert found.unmatched == 50
    assert sum(map(len, found._waiting.values())) <= 5
    found.learn([Part("s", [event(f"later {at}", "a", ranking=str(at)) for at in range(50)])])
    assert sum(map(len, found._waiting.values())) == 5

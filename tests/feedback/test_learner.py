"""What a server logs is learned once, whatever is killed when."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from feedback_helpers import Visits, fusion_with
from log_helpers import NOW, event, shown, write

from tailrank.feedback.attribution import outcomes
from tailrank.feedback.guard import Guard, GuardSettings
from tailrank.feedback.learner import Learner, LearningNote
from tailrank.feedback.log_reader import LogReader
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.records import Record, encode
from tailrank.feedback.segments import Segment

OFFLINE = fusion_with([1.0, 0.8, 0.5, 0.3])
TASTE = [0.2, 0.8, 1.1, 0.8]
WINDOW = 60


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
    blocks, rng = stream(400), np.random.default_rng(1)
    once = started()
    decided = [d.action for block in blocks for d in once.learn([_part("s", block)])]
    assert "publish" in decided
    segment, reader = Segment(tmp_path), LogReader(tmp_path)
    learner, stored = started(), b""
    for block in blocks:
        segment.append(list(map(encode, block)))
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


def _part(name: str, block: list[Record]):
    from tailrank.feedback.log_reader import Part

    return Part(name, block)

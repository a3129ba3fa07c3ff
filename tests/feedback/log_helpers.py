"""What the tests of feedback share: impressions as a server would log them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tailrank.feedback.impressions import Impression
from tailrank.feedback.records import (
    ErasedRecord,
    EventRecord,
    Record,
    ShownRecord,
    encode,
    user_digest,
)
from tailrank.feedback.segments import Segment

NOW = 1_764_072_000.0
NAMES = ("semantic", "lexical")


def impression(
    ranking_id: str, items: Sequence[str], user: str = "ada", at: float = NOW, seed: int = 0
) -> Impression:
    """Draw an impression; its ranks and numbers tell apart what could be mixed up."""
    rng, n = np.random.default_rng(seed), len(items)
    return Impression(
        ranking_id,
        user,
        at,
        "model@1",
        list(items),
        rng.permutation(n) + 1,
        rng.normal(size=n),
        rng.normal(size=(n, len(NAMES))).astype(np.float32),
        NAMES,
        rng.integers(0, 151, n).astype(np.int32),
        int(rng.integers(0, 5)),
        rng.uniform(0.1, 1, n),
        ("tail",),
        rng.normal(size=n) if seed % 2 else None,
    )


def shown(*impressions: Impression) -> list[ShownRecord]:
    return [
        ShownRecord(
            **{**vars(each), "signals": each.signals.tobytes(), "count_levels": each.count_levels.tobytes()}
            | {name: getattr(each, name).tolist() for name in ("previous_ranks", "scores", "propensities")}
            | {"upstream": None if each.upstream is None else each.upstream.tolist()}
        )
        for each in impressions
    ]


def event(
    event_id: str,
    item: str,
    user: str = "ada",
    at: float = NOW + 60,
    type_: str = "click",
    ranking: str | None = None,
) -> EventRecord:
    return EventRecord(event_id, user, item, type_, at, ranking)


def write(folder: Path, *records: Record) -> None:
    """Log records as a server would that has ended since, or was killed."""
    segment = Segment(folder)
    segment.append(list(map(encode, records)))
    segment.close()


def erased(user: str) -> ErasedRecord:
    return ErasedRecord(user_digest(user), time.time())

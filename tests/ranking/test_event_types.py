"""Event types that the model doesn't know: users who like one topic and dislike the others."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tailrank import Dataset, Event, Reranker
from tailrank.language.vectors import ItemVectors

TOPICS = ("coffee", "tents", "garden", "music")
IDS = [f"{topic}{n}" for topic in TOPICS for n in range(8)]
ITEMS = pl.DataFrame({"item_id": IDS, "title": IDS})


def fitted(like: str, dislike: str) -> Reranker:
    rng = np.random.default_rng(4)
    rows = []
    for user in range(300):
        liked = rng.integers(4)
        for step in range(10):
            good = step in (0, 9) or rng.random() < 0.5
            topic = liked if good else (liked + rng.integers(1, 4)) % 4
            rows.append((f"u{user}", f"{TOPICS[topic]}{rng.integers(8)}", step, like if good else dislike))
    events = pl.DataFrame(rows, ["user_id", "item_id", "position", "event"], orient="row")
    vectors = np.repeat(np.eye(4), 8, axis=0) + 0.3 * rng.standard_normal((32, 4))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Reranker.fit(Dataset.construct(ITEMS, events), ItemVectors(unit, None, whiten=False))


@pytest.fixture(scope="module", params=[("like", "dislike"), ("approve", "reject")], ids=" ".join)
def model(request: pytest.FixtureRequest) -> tuple[Reranker, str, str]:
    return fitted(*request.param), *request.param


def attention(reranker: Reranker, like: str, event_type: str | None) -> float:
    """By how much the latest event sets an item of its topic apart, beside two that were liked."""
    history = [Event("coffee0", like), Event("coffee1", like), Event("tents0", event_type)]
    found = {each.item_id: each for each in reranker.explain(history, ["tents7", "coffee7"])}
    return found["tents7"].by_event["semantic"][-1]


def test_an_unknown_type_lies_between_the_best_and_the_worst(model: tuple[Reranker, str, str]) -> None:
    reranker, like, dislike = model
    worst, best = attention(reranker, like, dislike), attention(reranker, like, like)
    for unknown in (None, "click"):
        assert worst + 0.1 * (best - worst) < attention(reranker, like, unknown) < best

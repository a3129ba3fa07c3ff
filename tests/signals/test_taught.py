"""What a teacher says as a signal: scored like a plain sum, stored, kept when items come, and checked."""

from dataclasses import replace
from math import exp, log1p
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.data.splits import hold_out
from tailrank.data.validation import validate
from tailrank.errors import DataError
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.sparse import SparseRows
from tailrank.signals.taught import Taught, weighted

ITEMS = [f"item {n}" for n in range(12)]


def test_scores_are_those_of_a_plain_sum() -> None:
    scores = {("item 0", "item 1"): 2.0, ("item 3", "item 0"): -1.0, ("item 1", "item 2"): 0.5}
    table = pl.DataFrame(
        [(*pair, score) for pair, score in scores.items()],
        schema=["item_id", "neighbour", "score"],
        orient="row",
    )
    spread = float(np.std(list(scores.values())))
    both = scores | {pair[::-1]: score for pair, score in scores.items()}

    def part(candidate: str, event: str) -> float:
        best = max((score for pair, score in both.items() if pair[0] == event), default=0.0)
        found = both.get((event, candidate))
        return 0.0 if found is None else exp((found - best) / spread)

    signal = Taught(rows=SparseRows.from_scipy(weighted(ITEMS, table)), recency_decay=1.0)
    history = Histories(np.array([1, 0], np.int32), np.zeros(2, np.int32), np.zeros(2), np.array([0, 2]))
    candidates = Candidates(np.arange(4, dtype=np.int32), 12)
    wanted = [log1p(part(item, "item 1") / 2 + part(item, "item 0")) for item in ITEMS[:4]]
    np.testing.assert_allclose(signal.score(history, candidates)[0], wanted, rtol=1e-6)
    np.testing.assert_allclose(signal.by_event(history, candidates).sum(axis=0), wanted, rtol=1e-6)


def shop(folder: Path) -> Path:
    """Write a folder of twelve items, of which users choose two that go together, then two others."""
    rng = np.random.default_rng(0)
    events = [
        (user, ITEMS[2 * int(pair) + side], 2 * at + side)
        for user in range(80)
        for at, pair in enumerate(rng.permutation(6)[:3])
        for side in (0, 1)
    ]
    pl.DataFrame({"item_id": ITEMS, "title": "A thing"}).write_csv(folder / "items.csv")
    schema = ["user_id", "item_id", "position"]
    pl.DataFrame(events, schema=schema, orient="row").write_csv(folder / "events.csv")
    pairs = {"item_id": ITEMS[::2], "neighbour": ITEMS[1::2], "score": np.linspace(1, 2, 6)}
    pl.DataFrame(pairs).write_parquet(folder / "taught.parquet")
    return folder


def test_scores_as_large_as_numbers_can_be_weigh_like_small_ones() -> None:
    small = pl.DataFrame(
        {"item_id": ["a", "a", "a"], "neighbour": ["b", "c", "b"], "score": [1.0, -1.0, 1.0]}
    )
    large = small.with_columns(pl.col("score") * 1.7e308)
    wanted = weighted(["a", "b", "c"], small).toarray()
    np.testing.assert_allclose(weighted(["a", "b", "c"], large).toarray(), wanted, rtol=1e-6)
    nothing = weighted(["a", "b", "c"], small.with_columns(score=pl.lit(0.0))).toarray()
    assert nothing.tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]


def test_a_folder_with_a_table_trains_a_model_that_was_taught(tmp_path: Path) -> None:
    dataset = Dataset.load(shop(tmp_path))
    assert not [check for check in validate(tmp_path) if check.status == "FAIL"]
    assert replace(dataset, taught=None).fingerprint != dataset.fingerprint
    reranker = Reranker.fit(hold_out(dataset), None, Settings())
    reranker.save(tmp_path / "model")
    for each in (reranker, Reranker.load(tmp_path / "model")):
        ranking = each.rank(["item 4"], ["item 9", "item 5"], explain=True)
        assert ranking.contributions is not None
        assert "taught" in ranking.contributions.names
    grown = reranker.with_items(["item 12"], [""])
    [taught] = [signal for signal in grown.signals if isinstance(signal, Taught)]
    history = Histories(np.array([4], np.int32), np.zeros(1, np.int32), np.zeros(1), np.array([0, 1]))
    scores = taught.score(history, Candidates(np.array([5, 9, 12], np.int32), 13))[0]
    assert scores.tolist() == pytest.approx([log1p(1), 0, 0])


def test_the_table_is_checked(tmp_path: Path) -> None:
    file = shop(tmp_path) / "taught.parquet"
    pairs = pl.read_parquet(file)
    pairs.drop("score").write_parquet(file)
    with pytest.raises(DataError, match=r"taught\.parquet: missing columns .*score"):
        Dataset.load(tmp_path)
    pairs.with_columns(neighbour=pl.lit("elsewhere")).write_parquet(file)
    with pytest.raises(DataError, match=r"taught: unknown item_id.*elsewhere"):
        Dataset.load(tmp_path)

"""What the demo shows: which query, why items stand where they do, and what it all comes to."""

from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tailrank.cli.demo_queries import FOUND, TailQueries
from tailrank.cli.demo_reasons import Reader
from tailrank.cli.demo_summary import in_short
from tailrank.cli.demo_walkthrough import Walkthrough
from tailrank.cli.main import app
from tailrank.data.candidates import Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.evaluation.results import Comparison, Evaluation, Ground, TradeoffPoint
from tailrank.language.encoder import TextEncoder
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.reranker import Reranker
from tailrank.signals.covisitation import ItemKNN
from tailrank.signals.popularity import Popularity


@pytest.fixture(scope="module")
def found(movielens_split: Split, movielens_vectors: ItemVectors, reranker: Reranker) -> TailQueries:
    finder = ItemKNN.from_events(movielens_split.full_train)
    popularity = Popularity.from_events(movielens_split.full_train)
    models: dict[str, Scorer] = {"item-knn": finder, "popularity": popularity, "tailrank": reranker}
    found = TailQueries.find(movielens_split, finder, models, movielens_vectors.values)
    assert found is not None
    return found


def test_answers_are_tail_items_among_the_candidates_and_ranked_as_a_request_ranks_them(
    found: TailQueries, movielens_split: Split, reranker: Reranker
) -> None:
    data = movielens_split.full_train
    assert tail_items(data.counts)[found.queries.targets].all()
    assert found.candidates.shape == (len(found.queries), FOUND)
    for row in range(5):
        history = data.events(found.queries.take(np.array([row])).histories, slice(None))
        ids = [data.item_ids[code] for code in found.candidates[row]]
        answer = data.item_ids[found.queries.targets[row]]
        ranking = reranker.rank(history, ids)
        assert found.ranks["item-knn"][row] == 1 + ids.index(answer)
        assert found.ranks["tailrank"][row] == 1 + ranking.item_ids.index(answer)
        first = [data.item_ids[code] for code in found.first("tailrank", row, 10)]
        assert first == list(ranking.item_ids[:10])


def test_closeness_is_the_highest_cosine_with_another_text_of_the_history(
    found: TailQueries, movielens_vectors: ItemVectors
) -> None:
    vectors, histories = movielens_vectors.values, found.queries.histories
    for row in range(20):
        events = histories.items[histories.offsets[row] : histories.offsets[row + 1]][-50:]
        cosines = [float(vectors[item] @ vectors[found.queries.targets[row]]) for item in events]
        assert found.closeness[row] == pytest.approx(max(c for c in cosines if c < 0.999), abs=1e-5)


def test_a_finder_that_finds_no_tail_item_leaves_nothing_to_show(
    movielens_split: Split, movielens_vectors: ItemVectors
) -> None:
    popularity = Popularity.from_events(movielens_split.full_train)
    assert TailQueries.find(movielens_split, popularity, {}, movielens_vectors.values) is None


@pytest.fixture(scope="module")
def reader(encoder: TextEncoder) -> Reader:
    items = pl.DataFrame(
        {
            "item_id": ["jaws", "orca", "dull"],
            "title": ["Jaws", "The Harbour", "Waiting"],
            "description": [
                "A great white shark hunts swimmers off a beach.",
                "A widower moves to the coast. A killer whale attacks the boats. He cooks.",
                "",
            ],
        }
    )
    data = Dataset.construct(items, pl.DataFrame({"user_id": ["u"], "item_id": ["jaws"], "position": [0]}))
    return Reader.of(encoder, data, "{title}. {description}", {"semantic"})


def explained(item_id: str, semantic: float, covisitation: float) -> Explanation:
    """Take a score apart of an item for a history of two."""
    parts = {"list mean": 1.0, "semantic": semantic, "covisitation": covisitation}
    by_event = {"semantic": [semantic, 0.0], "covisitation": [0.0, covisitation]}
    return Explanation(item_id, sum(parts.values()), parts, by_event, ("jaws", "dull"))


def test_the_language_model_quotes_the_sentence_that_it_read(reader: Reader) -> None:
    orca = explained("orca", 1.25, 0.5)
    assert reader.meaning(orca) == "reads like Jaws: “A killer whale attacks the boats.” +1.2"
    assert reader.others(orca) == "is chosen soon after “Waiting” +0.5"
    assert reader.meaning(explained("dull", 1.25, 0.5)) == "reads like Jaws +1.2"
    against = explained("orca", -0.3, -0.2)
    assert reader.meaning(against) == "reads no closer -0.3"
    assert reader.others(against) == "seldom follows such a history -0.2"


def test_the_walkthrough_fits_a_terminal_and_counts_losses_too(
    found: TailQueries, movielens_split: Split, reranker: Reranker, encoder: TextEncoder
) -> None:
    page = StringIO()
    console = Console(file=page, width=100)
    data = movielens_split.full_train
    reader = Reader.of(encoder, data, reranker.settings.template, reranker.spaces)
    Walkthrough(data, found, reranker, reranker, reader).show(console)
    text = page.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    row = int(np.argmax(found.closeness))
    answer = reader.titles[data.item_ids[found.queries.targets[row]]]
    assert f"What this user chose next: {answer}" in " ".join(text.split())
    [last] = [line.split() for line in text.splitlines() if "either way" in line]
    ups, downs = ((sign * found.moved > 0).sum() for sign in (1, -1))
    assert last[-2:] == [f"{ups:,}", f"{downs:,}"]


def test_in_short_tells_losses_doubts_and_the_price_of_the_tail() -> None:
    comparisons = [
        Comparison("tailrank", "without-lm", "ndcg@10", -0.004, (-0.006, -0.002)),
        Comparison("tailrank", "without-lm", "ndcg@10/tail80", 0.001, (-0.001, 0.003)),
        Comparison("tailrank", "popularity", "ndcg@10", 0.1, (0.09, 0.11)),
    ]
    points = [(0.0, 0.1000, 0.02), (0.25, 0.0995, 0.05), (0.5, 0.0991, 0.08), (1.0, 0.0700, 0.30)]
    tradeoff = [TradeoffPoint(at, {"ndcg@10": ndcg, "aplt@10": share}) for at, ndcg, share in points]
    models: dict[str, dict[str, float | None]] = {
        "tailrank": {"aplt@10": 0.05},
        "without-lm": {"aplt@10": 0.041},
    }
    ground = Ground(1, 1, 3, {}, models, comparisons, tradeoff)
    assert in_short(Evaluation("d", "p", {}, np.zeros(3, np.int64), ground)) == [
        "The language model: -0.0040 ndcg@10 for all items (-0.0060 to -0.0020); "
        "+0.0010 ndcg@10 for items of the tail (-0.0010 to +0.0030, which may be chance).",
        "Share of tail items in the first ten: tailrank 5.0%, without-lm 4.1%.",
        "The most tail for at most 1% of ndcg@10: tail policy at 0.5, share 2.0% → 8.0%, "
        "ndcg@10 0.1000 → 0.0991.",
    ]


def test_the_command_shows_one_user_and_writes_the_reports(movielens: Dataset, tmp_path: Path) -> None:
    h = movielens.histories
    users = np.isin(h.owners, np.argsort(-h.times[h.offsets[1:] - 1])[:60])
    events = pl.DataFrame(
        {
            "user_id": movielens.user_ids.gather(h.owners),
            "item_id": movielens.items["item_id"].gather(h.items),
            "timestamp": h.times,
        }
    ).filter(pl.Series(users))
    shop = tmp_path / "shop"
    shop.mkdir()
    movielens.items.select("item_id", "title", "genres").write_parquet(shop / "items.parquet")
    events.write_parquet(shop / "events.parquet")
    words = ["demo", "--data", str(shop), "--out", str(tmp_path / "out"), "--per-user", "10"]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "shop" / "report.html").is_file()
    assert "What this user chose next" in result.output
    assert "The language model:" in result.output

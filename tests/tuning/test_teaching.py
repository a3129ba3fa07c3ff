"""Teaching: which pairs are scored, what a teacher learns, and that nothing is paid for twice."""

from collections.abc import Sequence
from itertools import count
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from trainings import WORDS, shop
from typer.testing import CliRunner

from tailrank import checkpoint as checkpoints
from tailrank.arrays import Codes, Floats
from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError, RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.tuning import cross_training
from tailrank.tuning.cross_encoder import CrossEncoder
from tailrank.tuning.cross_training import CrossTraining
from tailrank.tuning.pairs import ChosenPairs, near_by_vectors, near_by_words, near_pairs
from tailrank.tuning.teachers import GenerativeTeacher, KeptScores, score_pairs


def test_near_items_are_those_of_a_plain_search() -> None:
    vectors = np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = near_by_vectors(vectors, 4)
    for row in range(30):
        order = [item for item in np.argsort(-(vectors @ vectors[row])) if item != row]
        positive = [int(item) for item in order[:4] if vectors[item] @ vectors[row] > 0]
        assert sorted(found[[row]].indices.tolist()) == sorted(positive)
    words = near_by_words(["red tea", "red mug", "blue door", "blue door bell"], 1)
    assert words.toarray().argmax(axis=1).tolist() == [1, 0, 3, 2]


def test_each_near_pair_comes_once_and_the_nearest_first() -> None:
    by_text = sp.csr_array([[0, 3, 1], [3, 0, 2], [0, 2, 0]])
    by_behaviour = sp.csr_array([[0, 0, 9], [0, 0, 0], [9, 0, 0]])
    first, second = near_pairs([by_text, by_behaviour])
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    assert sorted(pairs) == [(0, 1), (0, 2), (1, 2)]
    assert set(near_pairs([by_text])[1][:2].tolist()) == {1, 2}  # 0-1 and 1-2 are nearest of some item


def together() -> Dataset:
    """Items whose users stay with the colour that the text names."""
    rng, n = np.random.default_rng(0), 40
    items = pl.DataFrame(
        {
            "item_id": [str(i) for i in range(n)],
            "title": [f"{WORDS[i % 2]} {WORDS[2 + i % 12]} {i}" for i in range(n)],
        }
    )
    rows = [
        (user, str(2 * int(item) + user % 2), at)
        for user in range(120)
        for at, item in enumerate(rng.permutation(n // 2)[:5])
    ]
    return Dataset.construct(
        items, pl.DataFrame(rows, schema=["user_id", "item_id", "position"], orient="row")
    )


def training(encoder: TextEncoder, data: Dataset) -> CrossTraining:
    texts = data.items["title"].to_list()
    pairs = ChosenPairs.from_events(data, near_by_words(texts, 8), 0)
    return CrossTraining(CrossEncoder(encoder, texts), pairs, 0)


def test_training_ranks_held_out_items_better_and_resumes(
    small_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_training, "RATE", 1e-3)
    encoder, data = TextEncoder.load(str(small_bert), "cpu"), together()
    whole = training(encoder, data)
    ticks = count()
    whole.run(60, clock=lambda: next(ticks))
    assert whole.steps == 59
    assert max(whole.scores) > whole.scores[0] + 0.03

    ticks = count()
    cut = training(encoder, data)
    cut.run(31, clock=lambda: next(ticks))
    cut.save(tmp_path / "checkpoint", "a")
    again = training(encoder, data)
    found = checkpoints.read(tmp_path / "checkpoint", "a")
    assert found is not None
    again.restore(*found)
    ticks = count()
    again.run(whole.steps - again.steps + 1, clock=lambda: next(ticks))
    assert again.steps == whole.steps
    assert again.scores == pytest.approx(whole.scores, abs=1e-6)
    for each in (whole, again):
        each.finish()
    rows = np.arange(20, dtype=np.int32)
    np.testing.assert_allclose(
        again.model.score(rows, rows[::-1]), whole.model.score(rows, rows[::-1]), atol=1e-4
    )


def test_events_without_pairs_are_refused() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["tea", "mug"]})
    events = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"], "position": [0, 0]})
    with pytest.raises(
        DataError, match=r"no pairs to learn from.*Get more events, or take a generative model"
    ):
        ChosenPairs.from_events(Dataset.construct(items, events), sp.csr_array((2, 2)), 0)


class Counting:
    """A teacher that says how often it was asked."""

    def __init__(self, identity: str = "one") -> None:
        self.identity, self.asked = identity, 0

    def score(self, first: Codes, second: Codes) -> Floats:
        self.asked += len(first)
        return (first + second / 10).astype(np.float32)


def test_no_score_is_paid_for_twice(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(600)]
    pairs = np.arange(599, dtype=np.int32), np.arange(1, 600, dtype=np.int32)
    teacher, file, ticks = Counting(), tmp_path / "kept.scores", count()
    scores = score_pairs(teacher, pairs, texts, KeptScores(file), 0.3, clock=lambda: 0.4 * next(ticks))
    assert np.isfinite(scores).tolist() == [True] * 256 + [False] * 343  # then time was up
    with file.open("ab") as stream:
        stream.write(b"half a record")
    scores = score_pairs(teacher, pairs, texts, KeptScores(file), 60)
    np.testing.assert_allclose(scores, pairs[0] + pairs[1] / 10, rtol=1e-6)
    assert teacher.asked == 599
    texts[5] = "another text"
    score_pairs(teacher, pairs, texts, KeptScores(file), 60)
    assert teacher.asked == 601  # two pairs have that text
    score_pairs(Counting("another"), pairs, texts, KeptScores(file), 60)
    assert len(KeptScores(file).scores) == 601 + 599


class Writer:
    """A generative model for which a word is the likelier the more often it has been said."""

    identity = "writer"

    def complete(self, prompt: str, max_tokens: int, stop: Sequence[str] = ()) -> str:
        raise NotImplementedError

    def log_probability(self, prompt: str, continuation: str) -> float:
        said = prompt.split()
        return sum(log((1 + said.count(word)) / (100 + len(said))) for word in continuation.split())

    def log_probabilities(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        return [self.log_probability(prompt, text) for text in continuations]


def test_a_generative_teacher_says_how_much_likelier_a_text_has_become() -> None:
    texts = ["red tea", "red\n mug of clay", "door"]
    first, second = np.array([0, 0, 2], np.int32), np.array([1, 2, 1], np.int32)
    scores = GenerativeTeacher(Writer(), texts).score(first, second)
    assert scores[0] > max(scores[1:])
    longest = GenerativeTeacher(Writer(), ["red tea", "red mug of clay", "door"]).score(first, second)
    np.testing.assert_array_equal(scores, longest)  # blanks don't count


@pytest.mark.usefixtures("own_cache")
def test_from_events_to_a_ranking_that_was_taught(
    small_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_training, "STEPS", 4)
    folder, data = tmp_path / "shop", shop()
    folder.mkdir()
    data.items.write_csv(folder / "items.csv")
    h = data.histories
    rows = {"user_id": h.owners, "item_id": h.items, "timestamp": h.times}
    pl.DataFrame(rows).write_csv(folder / "events.csv")

    def call(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    common = ["--data", folder, "--encoder", small_bert]
    asked = ["teach", *common, "--out", folder / "taught.parquet", "--minutes", 5]
    done = call(*asked, "--protocol", "leave-one-out")
    assert done.exit_code == 0, done.output
    assert "to score: less than a minute" in done.output
    assert "before and" in done.output
    table = pl.read_parquet(folder / "taught.parquet")
    again = call(*asked, "--protocol", "leave-one-out")
    assert f"{len(table):,} pairs, 0 to score" in again.output
    assert pl.read_parquet(folder / "taught.parquet").equals(table)
    assert table.columns == ["item_id", "neighbour", "score", "origin"]
    evaluate = [
        "evaluate",
        *common,
        "--models",
        "tailrank,popularity",
        "--fast",
        "--out",
        tmp_path / "report",
    ]
    assert call(*evaluate, "--protocol", "leave-one-out").exit_code == 0
    refused = call(*evaluate, "--protocol", "temporal")
    assert isinstance(refused.exception, RequestError)
    assert "may know the targets" in str(refused.exception)
    refused = call("teach", *common, "--out", folder / "taught.csv")
    assert isinstance(refused.exception, RequestError)
    assert "ends with .parquet" in str(refused.exception)

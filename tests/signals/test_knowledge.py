"""What is known of items as a signal: scored like a plain sum, stored, kept when items come."""

from dataclasses import replace
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
from tailrank.signals.knowledge import SECOND, Knowledge, linked

FILMS = ["alien", "aliens", "heat", "ronin", "unknown"]
TRIPLES = pl.DataFrame(
    [
        ("alien", "actor", "weaver"),
        ("aliens", "actor", "weaver"),
        ("alien", "director", "scott"),
        ("scott", "brother", "tony"),
        ("heat", "actor", "de niro"),
        ("ronin", "actor", "de niro"),
        ("ronin", "made by", "tony"),
    ],
    schema=["head", "relation", "tail"],
    orient="row",
)


def test_links_are_those_of_a_plain_walk() -> None:
    names = list(dict.fromkeys([*FILMS, *TRIPLES["head"], *TRIPLES["tail"]]))
    near = {name: set[str]() for name in names}
    for head, _, tail in TRIPLES.iter_rows():
        near[head].add(tail)
        near[tail].add(head)
    walked = np.zeros((len(FILMS), len(names)))
    for row, film in enumerate(FILMS):
        walked[row, names.index(film)] += 1
        for one in near[film]:
            walked[row, names.index(one)] += 1
            for two in near[one]:
                walked[row, names.index(two)] += SECOND / len(near[one])
    several = (walked > 0).sum(axis=0)
    walked *= np.where(several > 1, np.log((1 + len(FILMS)) / (1 + several)), 0)
    norms = np.linalg.norm(walked, axis=1, keepdims=True)
    walked /= np.where(norms > 0, norms, 1)
    found = linked(FILMS, TRIPLES)
    np.testing.assert_allclose((found @ found.T).toarray(), walked @ walked.T, atol=1e-6)
    assert not found[[4]].nnz


def shop(tmp_path: Path) -> Path:
    """Write a folder of twenty films by five directors, where users stay with a director."""
    films = [f"film {n}" for n in range(20)]
    rng = np.random.default_rng(0)
    events = [
        (f"user {user}", films[4 * (user % 5) + int(n)], position)
        for user in range(60)
        for position, n in enumerate(rng.permutation(4))
    ]
    pl.DataFrame({"item_id": films, "title": "A film"}).write_csv(tmp_path / "items.csv")
    pl.DataFrame(events, schema=["user_id", "item_id", "position"], orient="row").write_csv(
        tmp_path / "events.csv"
    )
    pl.DataFrame(
        {"head": films, "relation": "director", "tail": [f"director {n // 4}" for n in range(20)]}
    ).write_csv(tmp_path / "triples.csv")
    return tmp_path


def test_a_folder_with_triples_trains_a_model_that_knows(tmp_path: Path) -> None:
    dataset = Dataset.load(shop(tmp_path))
    assert not [check for check in validate(tmp_path) if check.status == "FAIL"]
    assert replace(dataset, triples=None).fingerprint != dataset.fingerprint
    reranker = Reranker.fit(hold_out(dataset), None, Settings())
    reranker.save(tmp_path / "model")
    for each in (reranker, Reranker.load(tmp_path / "model")):
        ranking = each.rank(["film 0"], ["film 19", "film 1"], explain=True)
        assert ranking.item_ids[0] == "film 1"
        assert ranking.contributions is not None
        assert "knowledge" in ranking.contributions.names
    grown = reranker.with_items(["film 20"], [""])
    [knowledge] = [signal for signal in grown.signals if isinstance(signal, Knowledge)]
    history = Histories(np.array([0], np.int32), np.zeros(1, np.int32), np.zeros(1), np.array([0, 1]))
    scores = knowledge.score(history, Candidates(np.array([1, 19, 20], np.int32), 21))[0]
    assert scores[0] > 0
    assert scores.tolist()[1:] == [0, 0]


def test_triples_are_checked(tmp_path: Path) -> None:
    folder = shop(tmp_path)
    (folder / "triples.csv").write_text("head,tail\nfilm 0,somebody\n")
    with pytest.raises(DataError, match=r"triples\.csv: missing columns .*relation"):
        Dataset.load(folder)
    (folder / "triples.csv").write_text("head,relation,tail\nelsewhere,by,somebody\n")
    [check] = [check for check in validate(folder) if "nothing is known" in check.name]
    assert (check.status, check.count) == ("WARN", 20)

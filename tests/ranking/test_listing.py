"""What policies may ask of a list, and what becomes of what they remove."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.errors import RequestError
from tailrank.metrics.popularity import tail_items
from tailrank.policy.base import Scored
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker


@dataclass(frozen=True)
class Without:
    """Removes what has a word in its title; remembers what it could see."""

    word: str
    seen: list[Scored]

    name: ClassVar[str] = "without"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        self.seen.append(scored)
        titles = scored.listing_for(self.name).attribute("title")
        return scored.without(self.word, np.array([self.word in (title or "") for title in titles]))


@pytest.fixture
def films(movielens: Dataset) -> list[str]:
    return movielens.items["item_id"].head(30).to_list()


def test_what_a_policy_may_ask(reranker: Reranker, movielens: Dataset, films: list[str]) -> None:
    seen: list[Scored] = []
    ranking = reranker.rank(films[:3], [*films, "unheard of"], policy=[Without("Story", seen)], time=7.0)
    listing = seen[0].listing
    assert listing is not None
    assert (listing.ids, listing.history, listing.now) == ([*films, "unheard of"], films[:3], 7.0)
    titles = movielens.items["title"].head(30).to_list()
    assert listing.attribute("title").tolist() == [*titles, None]
    assert listing.of_history("title").tolist() == titles[:3]
    assert listing.tail.tolist() == [*tail_items(reranker.catalogue.counts)[:30].tolist(), True]
    assert listing.vectors is not None
    np.testing.assert_allclose(np.linalg.norm(listing.vectors[:30], axis=1), 1, rtol=1e-5)
    assert not listing.vectors[30].any()
    gone = [film for film, title in zip(films, titles, strict=True) if "Story" in title]
    assert gone
    assert ranking.removed == dict.fromkeys(gone, "Story")
    assert len(ranking) == 31 - len(gone)
    assert not set(gone) & set(ranking.item_ids)
    with pytest.raises(RequestError, match="no column `titel`: did you mean `title`"):
        listing.attribute("titel")


def test_unknown_candidates_keep_their_ranks_among_those_that_are_left(
    reranker: Reranker, movielens: Dataset, films: list[str]
) -> None:
    story = movielens.items.filter(movielens.items["title"].str.contains("Story"))["item_id"].to_list()
    others = [film for film in films if film not in story][:4]
    candidates = ["new a", story[0], *others, "new b"]
    ranking = reranker.rank(films[:3], candidates, policy=[Without("Story", [])])
    assert [ranking.item_ids[0], ranking.item_ids[-1]] == ["new a", "new b"]
    assert sorted(ranking.item_ids[1:-1]) == sorted(others)


def test_all_items_are_scored_as_a_request_ranks_them(reranker: Reranker, films: list[str]) -> None:
    without = replace(reranker, policy=(Without("Story", []),))
    codes = without.catalogue.codes_of(films)
    history = Histories(codes[:3], np.full(3, -1, np.int32), np.zeros(3), np.array([0, 3], np.int64))
    scores = without.score(history, Candidates(codes, len(without.catalogue)))[0]
    ranking = without.rank(films[:3], films)
    best_first = [films[at] for at in (-scores).argsort(kind="stable") if np.isfinite(scores[at])]
    assert best_first == ranking.item_ids


def test_what_is_said_of_items_later_is_asked_for_and_kept(
    reranker: Reranker, films: list[str], tmp_path: Path
) -> None:
    known = films[0]
    changed = reranker.with_items(
        [known, "new"], ["", ""], columns=[{"title": "Cut", "stock": 3}, {"title": "New Story"}]
    )
    changed.save(tmp_path / "model")
    for each in (changed, Reranker.load(tmp_path / "model")):
        attributes, ids = each.catalogue.attributes, [known, films[1], "new", "other"]
        codes = each.catalogue.codes_of(ids)
        assert attributes.of("stock", ids, codes).tolist() == [3, None, None, None]
        assert attributes.of("title", ids, codes).tolist()[2:] == ["New Story", None]
        assert each.rank((), ids, policy=[Without("Story", [])]).removed == {"new": "Story"}
    gone = changed.without_items(["new", known]).with_items([known], [""])
    assert gone.catalogue.attributes.of("title", [known], gone.catalogue.codes_of([known])).tolist() != [
        "Cut"
    ]
    wrong: list[Any] = [[{}], "ab", [None, {}]]
    for columns in wrong:
        with pytest.raises(RequestError, match="columns must be a list of 2 mappings"):
            reranker.with_items([known, "new"], ["", ""], columns=columns)


def test_columns_are_read_once_and_what_changes_once_more(reranker: Reranker, films: list[str]) -> None:
    read = list[object]()

    def lengths(values: Sequence[Any]) -> Sequence[int]:
        read.extend(values)
        return [len(str(value)) for value in values]

    request = Request(films[:3], [films[4], "other", films[0]])
    titles = [*reranker.listing(request).attribute("title"), *reranker.listing(request).of_history("title")]
    for _ in range(2):
        listing = reranker.listing(request)
        found = [*listing.attribute("title", lengths), *listing.of_history("title", lengths)]
        assert found == lengths(titles)
    assert len(read) == len(reranker.catalogue.items) + 1 + 2 * len(titles)
    changed = reranker.with_items([films[0], "other"], ["", ""], columns=[{"title": "Cut"}, {}])
    found = changed.listing(request).attribute("title", lengths).tolist()
    assert found == [len(str(titles[0])), len("None"), len("Cut")]

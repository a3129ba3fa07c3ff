"""What must go with what, by triples of a small shop of cameras."""

import polars as pl
import pytest

from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.policy.base import Policy
from tailrank.policy.registry import described, from_description
from tailrank.policy.relations import Excludes, Requires
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.reranker import Reranker

ITEMS = ["camera a", "camera b", "lens a", "lens b", "bag", "sharp film", "soft film"]


@pytest.fixture(scope="module")
def shop() -> Reranker:
    events = pl.DataFrame(
        {
            "user_id": [f"u{n}" for n in range(30) for _ in ITEMS],
            "item_id": ITEMS * 30,
            "position": list(range(len(ITEMS))) * 30,
        }
    )
    triples = pl.DataFrame(
        [
            ("lens a", "fits", "camera a"),
            ("lens b", "fits", "camera b"),
            ("sharp film", "not with", "soft film"),
            ("camera a", "made by", "maker"),
        ],
        schema=["head", "relation", "tail"],
        orient="row",
    )
    items = pl.DataFrame({"item_id": ITEMS, "title": ITEMS})
    return Reranker.fit(Dataset.construct(items, events, triples=triples), None)


def ranked(shop: Reranker, history: list[str], *policy: Policy) -> Ranking:
    left = [item for item in ITEMS if item not in history]
    return shop.rank(history, left, policy=policy)


def test_what_needs_another_item_is_removed_unless_the_user_has_it(shop: Reranker) -> None:
    assert ranked(shop, ["camera a"], Requires("fits")).removed == {"lens b": "requires fits"}
    assert set(ranked(shop, ["bag"], Requires("fits")).removed) == {"lens a", "lens b"}
    assert "lens a" in ranked(shop, ["camera a"], Requires("fits")).item_ids


def test_what_doesnt_go_together_is_never_listed_together(shop: Reranker) -> None:
    plain = ranked(shop, ["bag"]).item_ids
    better, worse = sorted(["sharp film", "soft film"], key=plain.index)
    assert ranked(shop, ["bag"], Excludes("not with")).removed == {worse: "excludes not with"}
    for had, other in ((better, worse), (worse, better)):
        assert ranked(shop, [had], Excludes("not with")).removed == {other: "excludes not with"}


def test_relations_are_named_and_described(shop: Reranker) -> None:
    steps = (Requires("fits"), Excludes("not with"))
    assert from_description(described(steps)) == steps
    with pytest.raises(RequestError, match="no column `fit`: did you mean `fits`"):
        ranked(shop, ["bag"], Requires("fit"))
    with pytest.raises(RequestError, match="made by"):
        ranked(shop, ["bag"], Requires("made by"))

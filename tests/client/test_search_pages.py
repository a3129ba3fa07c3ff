"""Hits of a search as candidates and back; `test_client.py` has a server rank them."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest
from search_responses import ELASTICSEARCH, OPENSEARCH

from tailrank import api
from tailrank.client import SearchPage
from tailrank.errors import RequestError


def ranking(**previous_ranks: int) -> api.Ranking:
    """A server's ranking of items, each with its rank on the page."""
    items = [
        api.RankedItem(name.lstrip("_"), -float(rank), rank, before)
        for rank, (name, before) in enumerate(previous_ranks.items(), 1)
    ]
    return api.Ranking("r-1", "films@1", 0.4, False, items)


def test_documents_are_items_unless_a_field_names_them() -> None:
    page = SearchPage(ELASTICSEARCH)
    assert page.candidates[0] == api.Candidate("1", 6.0517254)
    assert page.item_ids == ["1", "71", "172", "never-heard-of", "181"]
    offers = SearchPage(OPENSEARCH, item_id="film.id")
    assert offers.candidates == [api.Candidate(name) for name in ("98", "50", "174", "50")]


def test_hits_come_in_the_order_of_the_ranking_and_keep_what_they_had() -> None:
    before = deepcopy(ELASTICSEARCH)
    found = SearchPage(ELASTICSEARCH).reordered(ranking(_172=3, _1=1, _71=2))
    assert before == ELASTICSEARCH
    hits = found["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["172", "1", "71"]
    assert hits[0].pop("tailrank") == {"score": -1.0, "rank": 1, "previous_rank": 3}
    assert hits[0] == ELASTICSEARCH["hits"]["hits"][2]
    assert found["tailrank"] == {"ranking_id": "r-1", "model": "films@1", "degraded": False}
    assert {name: found[name] for name in before if name != "hits"} == {
        name: before[name] for name in before if name != "hits"
    }
    assert {**found["hits"], "hits": []} == {**before["hits"], "hits": []}


def test_hits_of_one_item_follow_each_other() -> None:
    found = SearchPage(OPENSEARCH, "film.id").reordered(ranking(_50=2, _174=3, _98=1))
    assert [hit["sort"] for hit in found["hits"]["hits"]] == [[4], [9], [5], [3]]


def test_an_empty_page_stays_empty() -> None:
    page = SearchPage({"hits": {"total": {"value": 0, "relation": "eq"}, "max_score": None, "hits": []}})
    assert (page.candidates, page.reordered(ranking())["hits"]["hits"]) == ([], [])


@pytest.mark.parametrize(
    ("response", "told"),
    [
        ({"responses": []}, r"no list at `hits\.hits`"),
        ({"hits": {"total": 3}}, r"no list at `hits\.hits`"),
        ({"hits": {"hits": ["50"]}}, r"no list at `hits\.hits`"),
        ([], r"no list at `hits\.hits`.*response\.body"),
        ({"hits": {"hits": [{"_id": "50"}] * 2_001}}, r"2,001 hits: search for 2,000 at most \(`size`\)"),
        ({"hits": {"hits": [{"_id": "50"}, {}]}}, r"hits\.hits\[1\] \(_id None\): `_id` is missing"),
        ({"hits": {"hits": [{"_id": "50", "_score": "high"}]}}, r"hits\.hits\[0\].*`_score` is 'high'"),
        ({"hits": {"hits": [{"_id": "50", "_score": -math.inf}]}}, r"hits\.hits\[0\].*`_score` is '-inf'"),
        ({"hits": {"hits": [{"_id": "50", "_score": 10**400}]}}, r"hits\.hits\[0\].*`_score` is '1000"),
    ],
)
def test_what_is_no_page_is_told(response: Any, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        SearchPage(response)


@pytest.mark.parametrize(
    ("hit", "told"),
    [
        ({"_source": {"title": "Tea"}}, "`sku` is missing.*`_source` or `fields`"),
        ({"_source": False}, "`sku` is missing"),
        ({"_source": {"sku": True}}, "`sku` is 'True'"),
        ({"fields": {"sku": ["a", "b"]}}, r"`sku` is \"\['a', 'b'\]\""),
        ({"_source": {"sku": ""}}, "`sku` is ''"),
        ({"fields": ["sku"]}, "`sku` is missing"),
    ],
)
def test_a_hit_without_an_item_is_told(hit: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=rf"hits\.hits\[0\] \(_id 'd1'\): {told}"):
        SearchPage({"hits": {"hits": [{"_id": "d1", **hit}]}}, item_id="sku")


def test_another_ranking_is_refused() -> None:
    with pytest.raises(RequestError, match="'50', which no hit is of"):
        SearchPage(ELASTICSEARCH).reordered(ranking(_50=1))

"""Rules do what they say, in their order, and never two things at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.registry import described, from_description
from tailrank.policy.rule import Rule
from tailrank.policy.rules import Rules
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.listing import CandidateListing

ITEMS = pl.DataFrame(
    {
        "item_id": ["w1", "w2", "w3", "t1", "t2", "m1"],
        "category": ["wine", "wine", "wine", "tea", "tea", "milk"],
        "price": [4.0, 12.0, 30.0, 3.0, 5.0, 1.0],
    }
)
CATALOGUE = Catalogue.from_items(ITEMS, np.arange(6), ("click",), "timestamp")
IDS = ITEMS["item_id"].to_list()
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()


def listing(
    candidates: Sequence[str] = IDS,
    history: Sequence[str] = (),
    now: float = NOON,
    catalogue: Catalogue = CATALOGUE,
    **context: Any,
) -> CandidateListing:
    events = History(list(history), [""] * len(history), [0.0] * len(history))
    return CandidateListing(candidates, catalogue.codes_of(candidates), events, now, catalogue, (), context)


def ranked(
    *rules: Rule, candidates: Sequence[str] = IDS, **asked: Any
) -> tuple[list[str], dict[str, list[str]], Scored]:
    """Rank candidates, whose scores fall from the first to the last."""
    scores = -np.arange(len(candidates), dtype=np.float32)
    given = Scored(scores, np.zeros_like(scores), listing=listing(candidates, **asked))
    found = Rules(rules).apply(given)
    total = scores + sum(np.broadcast_to(part, scores.shape) for part in found.contributions.values())
    np.testing.assert_allclose(found.scores, total, atol=1e-5)
    names = np.array(candidates)
    removed = {reason: names[which].tolist() for reason, which in found.removed.items()}
    return names[found.order].tolist(), removed, found


def test_a_filter_takes_items_away_and_says_so() -> None:
    order, removed, _ = ranked(Rule("dry", "category = 'wine' AND price > 10", "filter"))
    assert order == ["w1", "t1", "t2", "m1"]
    assert removed == {"rule dry": ["w2", "w3"]}


def test_a_boost_adds_to_scores() -> None:
    rules = Rule("tea", "category = 'tea'", "boost", by=2.5), Rule("all", "TRUE", "boost", by=-1)
    order, _, found = ranked(*rules)
    assert order == ["w1", "t1", "w2", "t2", "w3", "m1"]
    assert found.contributions["rule tea"].tolist() == [0, 0, 0, 2.5, 2.5, 0]
    assert found.contributions["rule all"].tolist() == [-1] * 6


def test_what_is_buried_keeps_its_order_below_all_others() -> None:
    order, _, found = ranked(Rule("last", "category = 'wine'", "bury"))
    assert order == ["t1", "t2", "m1", "w1", "w2", "w3"]
    assert found.contributions["rule last"].tolist() == [-3, -3, -3, 0, 0, 0]
    assert found.contributions["rules"].tolist() == [0, 0, 0, 3, 3, 3]
    assert found.scores.tolist() == [-3, -4, -5, 0, -1, -2]


def test_a_pin_puts_the_best_that_meets_it_at_its_rank_whatever_the_others_do() -> None:
    rules = [
        Rule("tea", "category = 'tea'", "pin", rank=1),
        Rule("milk", "item_id = 'm1'", "pin", rank=3),
        Rule("wine", "item_id = 'w1'", "bury"),
        Rule("cheap", "item_id = 't1'", "filter"),
    ]
    order, removed, found = ranked(*rules)
    assert (order, removed) == (["t2", "w2", "m1", "w3", "w1"], {"rule cheap": ["t1"]})
    assert found.contributions["rule tea"].nonzero()[0].tolist() == [4]
    assert found.contributions["rule milk"].nonzero()[0].tolist() == [5]
    assert ranked(Rule("far", "item_id = 'w1'", "pin", rank=99))[0][-1] == "w1"
    assert ranked(rules[0], candidates=["w1", "m1"])[0] == ["w1", "m1"]


def test_they_hold_in_their_time() -> None:
    def holds(rule: Rule, now: float = NOON) -> bool:
        return ranked(rule, now=now)[1] != {}

    day = Rule("day", "TRUE", "filter", since=date(2026, 6, 1), until=date(2026, 6, 2))  # type: ignore[arg-type]
    moments = [NOON + hours * 3_600 for hours in (-12.01, -12, 11.99, 12)]
    assert [holds(day, moment) for moment in moments] == [False, True, True, False]
    east = timezone(timedelta(hours=2))
    assert holds(Rule("east", "TRUE", "filter", until=datetime(2026, 6, 1, 14, 1, tzinfo=east)))  # type: ignore[arg-type]
    assert not holds(Rule("utc", "TRUE", "filter", since=datetime(2026, 6, 1, 12, 1)))  # type: ignore[arg-type]


def test_they_hold_in_their_context_and_for_their_history() -> None:
    rule = Rule("a", "category = 'wine'", "filter", context={"market": ["de", "at"], "age": 16})  # type: ignore[dict-item]
    assert ranked(rule, market="at", age=16, other=1)[1]
    for context in ({}, {"market": "de"}, {"market": "fr", "age": 16}, {"market": "de", "age": "16"}):
        assert not ranked(rule, **context)[1], context
    assert not ranked(rule, market=["de"], age=16)[1]
    thirsty = Rule("b", "category = 'tea'", "pin", rank=1, history="category = 'tea' AND price > 4")
    assert ranked(thirsty, history=["w1", "t2"])[0][0] == "t1"
    assert ranked(thirsty, history=["w1", "t1", "?"])[0][0] == "w1"
    assert ranked(thirsty)[0][0] == "w1"


def test_items_that_changed_and_unknown_ones_meet_rules_as_they_are_now() -> None:
    rules = Rules([Rule("dear", "price > 10", "filter"), Rule("gone", "item_id = '?'", "filter")])  # type: ignore[arg-type]
    candidates = ["w1", "w2", "new", "?", "??"]

    def removed(catalogue: Catalogue) -> list[str]:
        asked = listing(candidates, catalogue=catalogue)
        left = rules.apply(Scored(np.zeros(5, np.float32), np.zeros(5, np.float32), listing=asked)).left
        return [name for name, stays in zip(candidates, left.tolist(), strict=True) if not stays]

    assert removed(CATALOGUE) == ["w2", "?"]
    changed = CATALOGUE.with_items(["w2", "new"], [{"price": 9.0}, {"price": 11, "colour": {"any": "thing"}}])
    assert removed(changed) == ["new", "?"]
    assert removed(changed.with_items(["new"], [{"price": "much"}])) == ["?"]
    assert removed(changed.with_items(["new", "w1"], [{"price": [1]}, {"price": 99}])) == ["w1", "?"]
    assert removed(changed.without_items(["new", "w2"])) == ["?"]
    assert removed(CATALOGUE) == ["w2", "?"]


CONDITIONS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "TRUE": lambda row: True,
    "category = 'wine'": lambda row: row["category"] == "wine",
    "price < 5": lambda row: row["price"] < 5,
    "item_id IN ('w1', 't2', 'm1')": lambda row: row["item_id"] in ("w1", "t2", "m1"),
    "category = 'gin'": lambda row: False,
}
DRAWN = st.builds(
    lambda when, then, rank, by, market: (
        (when, then, rank if then == "pin" else None, by if then == "boost" else None, market)
    ),
    st.sampled_from(sorted(CONDITIONS)),
    st.sampled_from(["filter", "pin", "boost", "bury"]),
    st.integers(1, 8),
    st.sampled_from([-2.0, 0.5, 3.0]),
    st.sampled_from(["de", "fr", None]),
)


@given(st.lists(DRAWN, min_size=1, max_size=20), st.permutations(IDS), st.integers(0, 6))
def test_any_rules_do_what_loops_do(drawn: list[Any], ids: list[str], n: int) -> None:
    rules = [
        Rule(f"{at}", when, then, rank, by, {} if market is None else {"market": market})
        for at, (when, then, rank, by, market) in enumerate(drawn)
    ]
    candidates = ids[:n]
    order, removed, _ = ranked(*rules, candidates=candidates, market="de")
    rows = {row["item_id"]: row for row in ITEMS.iter_rows(named=True)}
    live = [rule for rule in rules if rule.context.get("market") != ("fr",)]

    def meets(rule: Rule, item: str) -> bool:
        return bool(CONDITIONS[rule.when](rows[item]))

    scores = {item: -float(at) for at, item in enumerate(candidates)}
    for rule in live:
        for item in candidates:
            scores[item] += rule.by or 0 if meets(rule, item) else 0
    expected = sorted(candidates, key=lambda item: -scores[item])
    gone = {item for rule in live for item in candidates if rule.then == "filter" and meets(rule, item)}
    expected = [item for item in expected if item not in gone]
    low = {item for rule in live for item in candidates if rule.then == "bury" and meets(rule, item)}
    expected = [item for item in expected if item not in low] + [item for item in expected if item in low]
    pins = dict[str, int]()
    for rule in sorted((rule for rule in live if rule.then == "pin"), key=lambda rule: rule.rank or 0):
        for item in expected:
            if meets(rule, item) and item not in pins:
                pins[item] = rule.rank or 0
                break
    expected = [item for item in expected if item not in pins]
    for item, rank in pins.items():
        expected.insert(rank - 1, item)
    assert order == expected
    assert {item for items in removed.values() for item in items} == gone


TEA_FIRST, CHEAP = ("category = 'tea'", "pin", 1), ("price < 4", "filter")


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (TEA_FIRST, CHEAP, r"'a' \(pin\) and 'b' \(filter\).*item 't1' meets both"),
        (CHEAP, TEA_FIRST, r"'a' \(filter\) and 'b' \(pin\).*item 't1' meets both"),
        (("item_id = 't1'", "pin", 1), ("price < 4", "pin", 2), "item 't1' meets both"),
        (("item_id = 't1'", "pin", 2), ("item_id = 'w1'", "pin", 2), "both pin to rank 2"),
        (("item_id = 't1'", "pin", 2), ("category = 'tea'", "bury"), "item 't1' meets both"),
    ],
)
def test_contradictions_are_told_before_any_request(one: Any, other: Any, message: str) -> None:
    a, b = Rule("a", *one), Rule("b", *other)
    with pytest.raises(RequestError, match=message):
        Rules((a, b)).check(listing())
    apart = [
        (replace(a, context={"market": ("de",)}), replace(b, context={"market": ("fr", "it")})),
        (replace(a, until=NOON), replace(b, since=NOON)),
        (replace(a, when="FALSE"), replace(b, when="category = 'wine'", rank=None if b.rank is None else 9)),
    ]
    for pair in apart:
        Rules(pair).check(listing())
    together = replace(a, context={"market": ("de",)}), replace(b, context={"page": ("home",)})
    with pytest.raises(RequestError, match="contradict each other"):
        Rules(together).check(listing())


def test_boosts_and_filters_never_contradict() -> None:
    rules = Rule("a", "TRUE", "filter"), Rule("b", "TRUE", "bury"), Rule("c", "TRUE", "boost", by=1)
    Rules(rules).check(listing())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"then": "drop"}, "rule 'x': then must be one of filter, boost, bury, pin, not 'drop'"),
        ({"then": "pin"}, "rule 'x': `rank` goes with `then = 'pin'`"),
        ({"then": "filter", "by": 1.0}, "`by` goes with `then = 'boost'`"),
        ({"then": "pin", "rank": 0}, "rank must be at least 1, not 0"),
        ({"then": "boost", "by": float("inf")}, "by must be finite"),
        ({"when": 3}, "when must be text"),
        ({"when": "price >; 1"}, "can't be read from `; 1`"),
        ({"history": "price >; 1"}, "can't be read from `; 1`"),
        ({"since": "now"}, "since must be a number, not 'now'"),
        ({"since": 2.0, "until": 2.0}, "`since` must be before `until`"),
        ({"context": "de"}, "context must be a table"),
        ({"context": {"market": []}}, r"context.market must be text"),
        ({"id": ""}, "id must be text of 1 to 100 characters"),
        ({"wen": ""}, "a rule has no field `wen`: did you mean `when`?"),
    ],
)
def test_mistakes_in_a_rule(fields: dict[str, Any], message: str) -> None:
    rule = {"id": "x", "when": "TRUE", "then": "filter", **fields}
    with pytest.raises(RequestError) as refused:
        from_description([{"name": "rules", "rules": [rule]}])
    assert message in str(refused.value)


def test_mistakes_among_rules() -> None:
    with pytest.raises(RequestError, match="two rules have the id 'a'"):
        Rules((Rule("a", "TRUE", "filter"), Rule("a", "FALSE", "filter")))
    with pytest.raises(RequestError, match="a list of 1 to 5,000"):
        Rules(())
    with pytest.raises(RequestError, match="rule 'a': `colour = 1`: items have no column `colour`"):
        Rules((Rule("a", "colour = 1", "filter"),)).check(listing())
    with pytest.raises(RequestError, match="needs the field `when`"):
        from_description([{"name": "rules", "rules": [{"id": "a"}]}])


def test_they_are_described_and_read_back() -> None:
    rule = Rule("a", "TRUE", "pin", 2, None, {"market": ("de", "at")}, "price > 1", 1.0, 2.0)
    assert from_description(described([Rules((rule,))])) == (Rules((rule,)),)

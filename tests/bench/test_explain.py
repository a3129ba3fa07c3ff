"""The study of explanations in small, and the page that tells what it found."""

import json
from dataclasses import replace

import numpy as np
import pytest
from bench.stored import Studies
from bench.study import RESULTS

from bench import charts, explain, page
from tailrank.data.dataset import Dataset
from tailrank.ranking.reranker import Reranker

STORED = Studies(RESULTS).each("explain")


def test_in_small_the_order_of_contributions_beats_chance_and_every_set_is_verified(
    reranker: Reranker, movielens: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "ROUNDS", 6)
    rng = np.random.default_rng(0)
    found = list(explain.cases(reranker, explain.requests(movielens, rng, 4)))
    assert len(found) == 12
    took = explain.deletion(reranker, found, rng)
    assert took["gain"][explain.TRUE]["rank"]["ci95"][0] > 0
    assert [curve["rank"][0] for curve in took["curves"].values()] == [pytest.approx(16 / 3)] * 3
    owed = explain.counterfactuals(reranker, found)
    assert owed["verified"] == owed["found"] == sum(owed["sizes"].values()) > 0
    costs = explain.cost(reranker, movielens, rng)
    assert costs["plain"]["ratio"] == 1
    json.dumps([took, owed, costs])


def test_taking_events_away_leaves_the_others(reranker: Reranker, movielens: Dataset) -> None:
    [case, *_] = explain.cases(reranker, explain.requests(movielens, np.random.default_rng(1), 1))
    assert case.without([]) == replace(case.request, history=case.events)
    assert case.without([0, 2]).history == [case.events[1], *case.events[3:]]


def test_the_page_and_its_picture_are_what_is_stored() -> None:
    text = (page.ROOT / "docs" / "explanations.md").read_text(encoding="utf-8")

    def row(*cells: str) -> str:
        return f" | {' | '.join(cells)} |\n"

    costs = [list(one["cost"].values()) for one in STORED]
    owed = [one["counterfactual"] for one in STORED]
    assert row(*(f"{plain['cpu_ms']:.2f}" for plain, *_ in costs)) in text
    for at in (1, 2):
        assert row(*(f"{cost[at]['ratio']:.2f}" for cost in costs)) in text
    for key in ("found", "verified", "shown to be smallest"):
        assert row(*(str(one[key]) for one in owed)) in text
    for way, measure, digits in (
        (explain.TRUE, "rank", 1),
        (explain.LATEST, "rank", 1),
        (explain.TRUE, "score", 2),
    ):
        gains = [one["deletion"]["gain"][way][measure] for one in STORED]
        cells = [
            f"{gain['mean']:.{digits}f} [{', '.join(f'{end:.{digits}f}' for end in gain['ci95'])}]"
            for gain in gains
        ]
        assert row(*cells) in text
    drawn = charts.svg(charts.deletion, STORED)
    assert (page.ROOT / "docs" / "explanations.svg").read_text(encoding="utf-8") == drawn


def test_what_is_stored_holds_what_is_promised() -> None:
    assert [one["dataset"] for one in STORED] == ["amazon-scientific", "movielens-100k"]
    for one in STORED:
        assert one["cost"]["with contributions"]["ci95"][1] < 1.4
        assert one["counterfactual"]["verified"] == one["counterfactual"]["found"]
        for gain in one["deletion"]["gain"][explain.TRUE].values():
            assert gain["ci95"][0] > 0

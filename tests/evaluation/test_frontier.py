"""Dials of policies: what is measured, what is chosen by, and how it is told."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation import runner
from tailrank.evaluation.baselines import FittedModel
from tailrank.evaluation.frontier import Curve, Dial, Frontier, Point, find_dials
from tailrank.evaluation.frontier_words import choices
from tailrank.evaluation.report import render
from tailrank.evaluation.sweep import Sample, apply_each
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.full_ranking import Outcome, scored
from tailrank.policy.base import Scored
from tailrank.policy.exposure import Exposure
from tailrank.policy.objective import Objective
from tailrank.policy.tail import TailBoost
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.reporting import silent


@pytest.fixture(scope="module")
def split(movielens_split: Split) -> Split:
    """With a fair ground of part of the items."""
    return replace(movielens_split, least_count=5)


@pytest.fixture(scope="module")
def frontier(reranker: Reranker, split: Split, movielens_vectors: ItemVectors) -> Frontier:
    models = [FittedModel("tailrank", reranker, 1.0)]
    spaces = {"semantic": movielens_vectors}
    return runner.sweep(find_dials(["exposure", "tail"]), models, split, spaces, Settings(), max_loss=0.02)


def point(value: float | None, ndcg: float, share: float) -> Point:
    metrics: Mapping[str, float | None] = {"ndcg@10": ndcg, "aplt@10": share}
    return Point(value, dict(metrics), dict(metrics))


def test_lists_are_those_of_fair_ground(reranker: Reranker, split: Split) -> None:
    sample = Sample.of_test(reranker, split)
    plain, boosted, bought = apply_each([TailBoost(0.02), Exposure(0.003)], sample, silent, "rank")
    eligible = split.fair_items
    for strength, found in ((0.0, plain), (0.02, boosted)):
        wanted = []
        for batch, scores in scored(replace(reranker, policy=()), sample.queries, split):
            given = TailBoost(strength).apply(Scored(scores, reranker.catalogue.rarity))
            wanted.append(Outcome.among(eligible, given.scores, batch.targets))
        whole = Outcome.from_batches(wanted)
        top = whole.ranks <= 10
        assert np.array_equal(found.ranks[top], whole.ranks[top])
        assert (found.ranks[~top] > 10).all()
        assert np.mean(found.top == whole.top) > 0.999
    tail = sample.tail
    assert tail[bought.top].mean() > tail[plain.top].mean()
    assert eligible[bought.top].all()


def test_a_setting_is_chosen_on_validation_and_told_on_the_test(frontier: Frontier, split: Split) -> None:
    assert frontier.queries == tuple(
        int(items[queries.targets].sum())
        for items, queries in ((split.learnable_items, split.validation), (split.fair_items, split.test))
    )
    assert [curve.dial for curve in frontier.curves] == ["exposure", "tail"]
    start = frontier.plain.validation["ndcg@10"]
    assert start is not None
    for curve in frontier.curves:
        gains = [each.validation["ndcg@10"] or 0.0 for each in curve.points]
        affordable = [at for at, gain in enumerate(gains) if gain >= 0.98 * start]
        assert curve.chosen == (affordable[-1] if affordable else None)
        shares = [each.test["aplt@10"] or 0.0 for each in (frontier.plain, *curve.points)]
        assert shares == sorted(shares)
        if curve.chosen is not None:
            for change in curve.changes:
                before, now = (
                    each.test[change.metric] for each in (frontier.plain, curve.points[curve.chosen])
                )
                assert before is not None
                assert now is not None
                assert change.difference == pytest.approx(now - before)
                assert change.ci95 is not None
                assert change.ci95[0] <= change.difference <= change.ci95[1]


def test_what_is_chosen_by_never_saw_what_it_is_chosen_on(reranker: Reranker, split: Split) -> None:
    later = replace(split, full_train=replace(split.full_train))
    models = [FittedModel("without-lm", reranker, 1.0)]
    asked: list[str] = []

    def progress(task: str, done: int, total: int | None, note: str = "") -> None:
        asked.append(note)

    runner.sweep({"tail": Dial("tail", "strength", (0.1,))}, models, later, {}, Settings(), progress=progress)
    assert "without-lm" in asked
    asked.clear()
    runner.sweep({"tail": Dial("tail", "strength", (0.1,))}, models, split, {}, Settings(), progress=progress)
    assert "without-lm" not in asked


def test_the_report_and_the_metrics_hold_it(
    frontier: Frontier, reranker: Reranker, split: Split, movielens_vectors: ItemVectors
) -> None:
    models, spaces = [FittedModel("tailrank", reranker, 1.0)], {"semantic": movielens_vectors}
    few = replace(split, test=split.test.sample(50, 0))
    found = runner.evaluate(models, few, spaces, Settings())
    assert "frontier" not in json.loads(found.to_json())
    assert "What each dial gives" not in render(found)
    found = replace(found, frontier=frontier)
    stored = json.loads(found.to_json())["frontier"]
    assert stored["curves"][0]["points"][0]["value"] == frontier.curves[0].points[0].value
    page = render(found)
    assert "What each dial gives" in page
    for choice in choices(frontier):
        assert all(cell in page for cell in (choice.dial, *choice.cells))


@pytest.fixture(scope="module")
def years(reranker: Reranker, split: Split) -> Frontier:
    """What an objective gives that likes films to be of late."""
    models = [FittedModel("tailrank", reranker, 1.0)]
    return runner.sweep(find_dials(["objective:year", "tail"]), models, split, {}, Settings())


def test_an_objective_raises_the_mean_of_its_column(
    years: Frontier, reranker: Reranker, split: Split
) -> None:
    objective, tail = years.curves
    means = [each.test["mean year@10"] or 0.0 for each in (years.plain, *objective.points)]
    assert means == sorted(means)
    assert means[-1] > means[0] + 2
    sample = Sample.of_test(reranker, split)
    weights = (0.0, *find_dials(["objective:year"])["objective:year"].values)
    year = reranker.catalogue.items["year"]
    for at in (0, 5):
        step = Objective("year", weights[at])
        _, found = apply_each([step], sample, silent, "rank")
        lists = [year.gather(top[top >= 0].tolist()).drop_nulls().to_list() for top in found.top]
        assert means[at] == pytest.approx(np.mean([np.mean(each) for each in lists if each]))
    assert (tail.gain, tail.front) == (None, [])
    assert all("mean year@10" in each.test for each in tail.points)


def test_its_pareto_front_is_what_no_other_weight_beats(years: Frontier) -> None:
    [objective, _] = years.curves
    points = [years.plain, *objective.points]
    pairs = [(each.test["ndcg@10"] or 0.0, each.test["mean year@10"] or 0.0) for each in points]
    expected = [
        point.value
        for point, (gain, mean) in zip(points, pairs, strict=True)
        if not any(g >= gain and m >= mean and (g, m) != (gain, mean) for g, m in pairs)
    ]
    assert objective.gain == "mean year@10"
    assert objective.front == expected
    assert objective.front[-1] == objective.points[-1].value
    if objective.chosen is not None:
        [change] = [each for each in objective.changes if each.metric == "mean year@10"]
        before, now = (
            each.test["mean year@10"] or 0.0 for each in (years.plain, objective.points[objective.chosen])
        )
        assert change.difference == pytest.approx(now - before)
        assert "mean year@10 +" in choices(years)[0].cells[0]


def test_the_report_shows_the_front(years: Frontier, reranker: Reranker, split: Split) -> None:
    few = replace(split, test=split.test.sample(50, 0))
    found = runner.evaluate([FittedModel("tailrank", reranker, 1.0)], few, {}, Settings())
    found = replace(found, frontier=years)
    page = render(found)
    assert "The Pareto front of objective:year" in page
    assert 'id="front0-' in page
    stored = json.loads(found.to_json())["frontier"]
    assert stored["curves"][0]["front"] == years.curves[0].front
    assert stored["plain"]["test"]["mean year@10"] == years.plain.test["mean year@10"]


def test_curves_are_read_at_equal_loss() -> None:
    plain = point(None, 0.1, 0.2)
    curve = Curve("tail", "strength", [point(0.1, 0.0995, 0.3), point(0.2, 0.0975, 0.5)], 0)
    assert curve.at_loss("aplt@10", 0.01, plain) == pytest.approx(0.35)
    assert curve.at_loss("aplt@10", 0.5, plain) is None


def test_a_dial_that_costs_too_much_has_no_choice() -> None:
    curve = Curve("tail", "strength", [point(0.1, 0.05, 0.3)], None)
    [choice] = choices(Frontier(0.01, 200, (1, 1), point(None, 0.1, 0.2), [curve]))
    assert choice.cells[0] == "none is affordable"


def test_mistakes_are_told(reranker: Reranker, split: Split) -> None:
    with pytest.raises(RequestError, match="--frontier magic: no dial to turn: choose from exposure, tail, "):
        find_dials(["magic"])
    with pytest.raises(RequestError, match="--frontier '': no dial to turn: choose from exposure, tail, "):
        find_dials([""])
    for name in ("objective", "objective:"):
        with pytest.raises(RequestError, match=r"no dial to turn: choose from .*objective:COLUMN"):
            find_dials([name])
    models = [FittedModel("tailrank", reranker, 1.0)]
    for column, message in (("yaer", "did you mean `year`"), ("title", "`title` holds no numbers")):
        with pytest.raises(RequestError, match=message):
            runner.sweep(dials := find_dials([f"objective:{column}"]), models, split, {}, Settings())
        with pytest.raises(RequestError, match=message):
            dials[f"objective:{column}"].check(split.full_train.items)
    with pytest.raises(RequestError, match="popularity has no policies: name tailrank first"):
        runner.sweep({}, runner.fit(["popularity"], split, {}, Settings()), split, {}, Settings())
    nothing = replace(split, test=split.test.take(slice(0)))
    with pytest.raises(RequestError, match="no test query on fair ground"):
        runner.sweep({}, [FittedModel("tailrank", reranker, 1.0)], nothing, {}, Settings())

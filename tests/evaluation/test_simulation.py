"""Simulated users: who comes, what they are shown, what they click, and what learning from it is worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.data.lists import Lists
from tailrank.errors import RequestError
from tailrank.evaluation.simulation.attraction import RATE, Attraction
from tailrank.evaluation.simulation.clicks import CLICK_MODELS, ClickModelName
from tailrank.evaluation.simulation.hindsight import best_weights
from tailrank.evaluation.simulation.learners import Fixed, Online
from tailrank.evaluation.simulation.log import impressions
from tailrank.evaluation.simulation.meter import bounded, values
from tailrank.evaluation.simulation.simulator import Simulation
from tailrank.evaluation.simulation.visits import Visits, held_out
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

ITEMS, TASTES, USERS, DAYS = 120, 6, 250, 12
START, DAY = 1_700_000_000, 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who mostly choose items of their own taste, the popular ones more often."""
    rng = np.random.default_rng(0)
    out = tmp_path_factory.mktemp("data") / "shop"
    out.mkdir()
    words = ["tea", "coffee", "wine", "bread", "cheese", "soap"]
    titles = [f"{words[n % TASTES]} number {n}" for n in range(ITEMS)]
    pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "title": titles}).write_csv(out / "items.csv")
    popular = 1 / (1 + np.arange(ITEMS) // TASTES)
    rows = []
    for user in range(USERS):
        weights = popular * np.where(np.arange(ITEMS) % TASTES == user % TASTES, 8, 1)
        chosen = rng.choice(ITEMS, DAYS, replace=False, p=weights / weights.sum())
        rows += [(f"u{user}", f"i{item}", START + day * DAY + user) for day, item in enumerate(chosen)]
    pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row").write_csv(out / "events.csv")
    return out


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return Dataset.load(folder)


@pytest.fixture(scope="module")
def fitted(dataset: Dataset) -> Reranker:
    return Reranker.fit(dataset, None)


@pytest.fixture(scope="module")
def asked(dataset: Dataset, fitted: Reranker) -> tuple[Dataset, Queries]:
    known, queries, new = held_out(fitted, dataset)
    assert not new
    return known, queries


@pytest.fixture(scope="module")
def visits(fitted: Reranker, asked: tuple[Dataset, Queries]) -> Visits:
    return Visits.from_queries(fitted, *asked, size=30)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_clicks_are_as_frequent_as_the_model_says(name: ClickModelName) -> None:
    attraction = np.tile([0.5, 0.1, 0.8, 0.3], (20_000, 1))
    clicks = CLICK_MODELS[name].clicks(attraction, np.random.default_rng(0).random(attraction.shape))
    expected = {"position": [0.5, 0.1 / 2, 0.8 / 3, 0.3 / 4], "cascade": [0.5, 0.05, 0.36, 0.027]}[name]
    assert CLICK_MODELS[name].chances(attraction)[0] == pytest.approx(expected)
    assert clicks.mean(axis=0) == pytest.approx(expected, abs=0.02)
    if name == "cascade":
        assert clicks.sum(axis=1).max() == 1


def test_what_is_simulated_is_what_serves(
    fitted: Reranker, dataset: Dataset, asked: tuple[Dataset, Queries], visits: Visits
) -> None:
    h = asked[1].histories
    for row in range(0, len(visits), 37):
        history = dataset.events(h, slice(h.offsets[row], h.offsets[row + 1]))
        ids = [dataset.item_ids[item] for item in visits.items[row]]
        ranking = fitted.rank(Request(history, ids))
        order = np.argsort(-visits.scores[row], kind="stable")
        assert [ids[column] for column in order] == list(ranking.item_ids)
        assert visits.scores[row, order] == pytest.approx(ranking.scores, abs=1e-5)


def test_candidates_are_new_to_the_user_and_hold_what_was_chosen(
    fitted: Reranker, asked: tuple[Dataset, Queries], visits: Visits
) -> None:
    queries = asked[1]
    for row, items in enumerate(visits.items):
        assert len(set(items.tolist())) == visits.size == 30
        assert set(items.tolist()).isdisjoint(queries.source.items[queries.starts[row] : queries.ends[row]])
    assert (visits.items[np.arange(len(visits)), visits.chosen] == queries.targets).all()
    unaided = Visits.from_queries(fitted, *asked, size=30, found=0.0)
    share = float((unaided.chosen >= 0).mean())
    assert 0.2 < share < 1, "recommenders find some of it, and not all"
    some = Visits.from_queries(fitted, *asked, size=30, found=0.5)
    assert share < float((some.chosen >= 0).mean()) < 1


def test_users_come_after_what_the_model_has_learned_from(dataset: Dataset, fitted: Reranker) -> None:
    until = START + 9.5 * DAY
    known, queries, new = held_out(replace(fitted, about={"learned_until": until}), dataset)
    assert new
    assert known.histories.times.max() <= until < queries.source.times[queries.full_ends].min()


def test_too_few_items_are_refused(fitted: Reranker, asked: tuple[Dataset, Queries]) -> None:
    known, queries = asked
    gone = fitted.without_items([f"i{n}" for n in range(ITEMS - 12)])
    with pytest.raises(RequestError, match="12 items that the model knows leave no two candidates"):
        Visits.from_queries(gone, known, queries)
    with pytest.raises(RequestError, match="knows none of the items that users chose"):
        Visits.from_queries(fitted.without_items(known.item_ids), known, queries)


def test_a_shift_adds_the_change_to_the_log_odds(visits: Visits) -> None:
    found = Attraction.draw(visits, np.random.default_rng(0))
    assert found.before.mean() == pytest.approx(RATE)
    assert found.after.mean() == pytest.approx(RATE)
    moved = np.log(found.after / (1 - found.after)) - np.log(found.before / (1 - found.before))
    by_change = visits.standardised @ found.change
    assert moved - moved.mean() == pytest.approx(by_change - by_change.mean(), abs=1e-6)


def test_everything_follows_from_the_seed(visits: Visits) -> None:
    one, same, other = (
        Simulation.draw(visits, 300, seed=seed).run(Fixed(visits.scores)) for seed in (1, 1, 2)
    )
    assert (one.clicked == same.clicked).all()
    assert (one.expected == same.expected).all()
    assert (one.clicked != other.clicked).any()


def test_nothing_changes_before_the_shift(visits: Visits) -> None:
    steady, shifted = (Simulation.draw(visits, 400, shift=shift) for shift in (None, 0.5))
    a, b = (each.run(Fixed(visits.scores)).expected for each in (steady, shifted))
    assert (a[:200] == b[:200]).all()
    assert (a[200:] != b[200:]).mean() > 0.9


def test_clicks_are_expected_as_often_as_they_are_drawn(visits: Visits) -> None:
    run = Simulation.draw(visits, 20_000).run(Fixed(visits.scores))
    assert run.clicked.sum(axis=1).mean() == pytest.approx(run.expected.mean(), rel=0.05)


def test_hindsight_is_at_least_as_good_as_what_it_starts_from(visits: Visits) -> None:
    simulation = Simulation.draw(visits, 2_000, shift=0.0)
    best, change = best_weights(simulation), simulation.attraction.change
    clicks = [
        simulation.run(Fixed.with_weights(visits, weights)).expected.mean()
        for weights in (best, change, np.zeros_like(change))
    ]
    assert clicks[0] >= clicks[1] > clicks[2]


def test_learning_pays_once_taste_has_shifted(visits: Visits) -> None:
    simulation = Simulation.draw(visits, 6_000, shift=0.2)
    frozen = simulation.run(Fixed(visits.scores))
    online = simulation.run(Online.start(visits))
    assert bounded(simulation, online.expected - frozen.expected).low > 0


def test_the_guard_decides_what_ranks(visits: Visits) -> None:
    frozen = Fixed(visits.scores)
    for rankings, decided in ((300, False), (6_000, True)):
        simulation = Simulation.draw(visits, rankings, shift=0.2)
        learner = Online.start(visits, guarded=True)
        gain = simulation.run(learner).expected - simulation.run(frozen).expected
        assert bool(learner.decisions) == decided == gain.any()
    assert learner.guard is not None
    published = [each.action for each in learner.decisions].count("publish")
    assert 0 < published <= len(learner.decisions)
    assert gain.mean() > 0


def test_metrics_are_those_of_their_definitions(visits: Visits) -> None:
    simulation = Simulation.draw(visits, 50)
    run = simulation.run(Fixed(visits.scores))
    found = values(simulation, run, run)
    assert not found["regret"].any()
    for step, row in enumerate(simulation.rows):
        chosen, tail = visits.chosen[row], visits.tail[row]
        gain = sum(1 / np.log2(2 + at) for at, one in enumerate(run.columns[step]) if one == chosen)
        assert found["ndcg@10"][step] == pytest.approx(gain)
        assert found["tail share"][step] == pytest.approx(tail[run.columns[step]].mean())


def test_the_log_says_what_was_shown(dataset: Dataset, visits: Visits, tmp_path: Path) -> None:
    simulation = Simulation.draw(visits, 40)
    run = simulation.run(Fixed(visits.scores))
    impressions(simulation, run, dataset).write_parquet(tmp_path / "log.parquet")
    lists = Lists.read(tmp_path / "log.parquet")
    assert len(lists) == 40
    assert lists.clicked is not None
    for step, (items, clicked) in enumerate(zip(lists.items, lists.clicked, strict=True)):
        shown = visits.items[simulation.rows[step], run.columns[step]]
        assert items == [dataset.item_ids[item] for item in shown]
        assert clicked.tolist() == run.clicked[step].tolist()


def test_exploration_stays_within_bounds_and_says_how_likely_lists_were(visits: Visits) -> None:
    simulation = Simulation.draw(visits, 200)
    online = simulation.run(Online.start(visits))
    by_draws = simulation.run(Online.start(visits, "thompson"), logged=True)
    by_bounds = simulation.run(Online.start(visits, "ucb"), logged=True)
    assert (by_bounds.propensities == 1).all()
    assert by_draws.propensities.min() > 0
    assert 0.05 < (by_draws.propensities < 1).mean() <= 1
    first = by_draws.columns[:25] != online.columns[:25]
    assert 0.05 < first.mean() < 1
    assert bounded(simulation, by_draws.expected).mean > 0.5 * bounded(simulation, online.expected).mean


def call(*words: object) -> Any:
    return CliRunner().invoke(app, list(map(str, words)))


def test_the_command_writes_a_log_that_evaluate_reads(folder: Path, fitted: Reranker, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    words = ("simulate", "--model", tmp_path / "model", "--data", folder, "--rankings", 400)
    out = tmp_path / "shown.parquet"
    done = call(*words, "--learn", "online", "--shift", 0.5, "--clicks", "cascade", "--out", out)
    assert done.exit_code == 0, done.output
    printed = " ".join(done.output.split())
    for said in (
        "guard decided nothing",
        "taste shifts after 200",
        "frozen",
        "online",
        "best fixed weights",
        "online minus frozen",
    ):
        assert said in printed
    judged = ("evaluate", "--data", folder, "--encoder", "none", "--fast", "--candidates", out)
    done = call(*judged, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "what the user clicked" in " ".join(done.output.split())
    refused = call(*words, "--out", tmp_path / "shown.csv")
    assert "ends in .parquet" in str(refused.exception)
    refused = call(*words, "--explore", "ucb")
    assert "needs --learn online" in str(refused.exception)


def test_a_log_needs_times(folder: Path, fitted: Reranker, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    shop = tmp_path / "shop"
    shop.mkdir()
    pl.read_csv(folder / "items.csv").write_csv(shop / "items.csv")
    events = pl.read_csv(folder / "events.csv").rename({"timestamp": "position"})
    events.write_csv(shop / "events.csv")
    refused = call(
        "simulate", "--model", tmp_path / "model", "--data", shop, "--out", tmp_path / "log.parquet"
    )
    assert "--out needs events with a `timestamp`" in str(refused.exception)

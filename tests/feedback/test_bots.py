"""Users who look like programs or made-up profiles, in real logs and in logs made for one reason each."""

import itertools

import numpy as np
import polars as pl
import pytest
from bench.attackers import Attack, attacked

from tailrank.data.dataset import Dataset
from tailrank.feedback import shilling
from tailrank.feedback.bots import Anomalies, Suspicion, find_anomalies, without_users
from tailrank.feedback.shilling import pushed_items

ACCEPTED = 0.005
"""Share of real users who may look wrong."""

Row = tuple[str, str, float]


def log(rows: list[Row], clock: str = "timestamp") -> Dataset:
    events = pl.DataFrame(rows, ["user_id", "item_id", clock], orient="row")
    return Dataset.construct(events.select("item_id").unique(maintain_order=True), events)


def people(n: int, seed: int = 0) -> list[Row]:
    """Let people choose ten of a hundred items, some minutes apart."""
    rng = np.random.default_rng(seed)
    return [
        (f"u{user}", f"i{item}", 1.7e9 + user * 5_000.0 + place * 300.0)
        for user in range(n)
        for place, item in enumerate(rng.choice(100, 10, replace=False))
    ]


def kinds(dataset: Dataset) -> set[tuple[str, str]]:
    return {(each.user_id, each.kind) for each in find_anomalies(dataset).suspicions}


def test_real_people_are_left_alone(movielens: Dataset) -> None:
    assert len(find_anomalies(movielens).users) <= ACCEPTED * movielens.n_users


@pytest.mark.parametrize("attack", ["random", "average", "bandwagon", "flood"])
def test_profiles_that_push_an_item_into_a_real_log_are_found(movielens: Dataset, attack: Attack) -> None:
    made = attacked(movielens, attack, 0.05, seed=0)
    found = set(find_anomalies(made.dataset).users)
    assert len(found & set(made.users)) >= 0.9 * len(made.users)
    audience = movielens.histories.owners[movielens.histories.items == made.target]
    assert found - set(made.users) <= set(movielens.user_ids.gather(audience))


def test_of_a_large_log_less_of_each_profile_is_looked_at(
    movielens: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = attacked(movielens, "random", 0.05, seed=0)
    monkeypatch.setattr(shilling, "PAIRS", 6_000_000)  # of twelve
    assert [push.item for push in pushed_items(made.dataset)] == [made.target]


def test_the_coherence_of_an_audience_is_what_the_formula_says() -> None:
    """Twenty tastes of fifteen items, and thirty users of no taste who all push the first item."""
    rng = np.random.default_rng(0)
    profiles = [15 * (user % 20) + rng.choice(15, 10, replace=False) for user in range(400)]
    profiles += [np.append(rng.choice(np.arange(1, 300), 9, replace=False), 0) for _ in range(30)]
    data = log(
        [(f"u{u}", f"i{i}", p) for u, items in enumerate(profiles) for p, i in enumerate(items)], "position"
    )
    [push] = pushed_items(data)
    assert data.item_ids[push.item] == "i0"
    assert len(set(push.users.tolist()) & set(range(400, 430))) >= 25
    sets = [set(items.tolist()) for items in profiles]
    counts = {item: sum(item in items for items in sets) for item in range(300)}
    by_count = sorted(range(300), key=lambda item: (-counts[item], data.item_index[f"i{item}"]))
    running = itertools.accumulate(counts[item] for item in by_count)
    head = {item for item, total in zip(by_count, running, strict=True) if total <= 0.1 * 4_300}
    said = []
    for items in (items - {0} - head for items in sets if 0 in items):
        both = [
            (j, k, sum(j in other and k in other for other in sets)) for j in items for k in items if j != k
        ]
        said.append(
            np.mean([np.clip(np.log(c / (counts[j] * counts[k] / 430 + 1)), -1, 1) for j, k, c in both])
        )
    assert push.coherence == pytest.approx(float(np.mean(said)))
    assert push.coherence < push.usual


def test_a_burst_is_more_than_a_person_can_do() -> None:
    fast = [("bot", f"i{n % 100}", 1.7e9 + n / 10) for n in range(400)]
    assert kinds(log(people(60) + fast)) == {("bot", "burst")}
    by_day = [(user, item, time // 86_400 * 86_400) for user, item, time in people(60) + fast]
    assert ("bot", "burst") not in kinds(log(by_day))


def test_what_everybody_does_again_and_again_is_a_habit() -> None:
    bread = [
        (f"u{user}", "bread", 1.7e9 + week * 600_000.0 + user) for user in range(60) for week in range(30)
    ]
    clicks = [("bot", "i7", 1.7e9 + n * 60.0) for n in range(200)]
    assert kinds(log(people(60) + bread)) == set()
    assert kinds(log(people(60) + bread + clicks)) == {("bot", "one item")}
    assert kinds(log(people(60) + clicks[:21])) == {("bot", "one item")}


def test_users_who_do_the_same_at_the_same_time_are_one_program() -> None:
    script = [(f"bot{bot}", f"i{3 * n}", 1.7e9 + n * 60.0 + bot) for bot in range(4) for n in range(12)]
    assert kinds(log(people(60) + script)) == {(f"bot{bot}", "synchronised") for bot in range(4)}
    later = [(user, item, time + 86_400 * int(user[-1])) for user, item, time in script]
    assert kinds(log(people(60) + later)) == set()
    positions = [(user, item, float(n)) for n, (user, item, _) in enumerate(people(60) + script)]
    assert kinds(log(positions, "position")) == set()


def test_a_reason_can_be_read() -> None:
    found = find_anomalies(log(people(60) + [("bot", "i7", 1.7e9 + n * 60.0) for n in range(50)]))
    [row] = found.frame().to_dicts()
    assert row["reason"] == "50 events on item i7, more than 20"
    assert (row["user_id"], row["kind"], row["item_id"], row["seen"]) == ("bot", "one item", "i7", 50.0)
    assert found.users == ["bot"]


@pytest.mark.parametrize(("wrong", "too_many"), [(10, False), (11, True)])
def test_if_many_look_wrong_the_log_is_unusual(wrong: int, too_many: bool) -> None:
    suspicions = tuple(Suspicion(f"u{n}", "burst", None, 500.0, 120.0) for n in range(wrong))
    assert Anomalies("shop", 100, suspicions).too_many == too_many


def test_users_are_left_out_with_their_events() -> None:
    data = log(people(5))
    rest = without_users(data, ["u1", "u4", "nobody"])
    assert rest.user_ids.to_list() == ["u0", "u2", "u3"]
    assert rest.history("u2") == data.history("u2")
    assert (rest.n_items, len(rest.histories.items)) == (data.n_items, 30)
    assert without_users(data, data.user_ids.to_list()).n_users == 0

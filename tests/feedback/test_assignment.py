"""Splitting users over variants."""

import numpy as np
import pytest
from scipy import stats

from tailrank.errors import RequestError
from tailrank.feedback.assignment import Experiment

USERS = [f"user-{n}" for n in range(20_000)]


def counts(experiment: Experiment) -> list[int]:
    given = [experiment.variant(user) for user in USERS]
    return [given.count(name) for name in experiment.weights]


@pytest.mark.parametrize("weights", [{"control": 1, "treatment": 1}, {"a": 9, "b": 0.5, "c": 0.5}])
def test_users_are_split_by_the_weights(weights: dict[str, float]) -> None:
    shares = np.array([*weights.values()]) / sum(weights.values())
    assert stats.chisquare(counts(Experiment("new-fusion", weights)), shares * len(USERS)).pvalue > 0.001


def test_a_user_keeps_the_variant_if_more_users_are_treated() -> None:
    few = Experiment("roll-out", {"treatment": 1, "control": 9})
    many = Experiment("roll-out", {"treatment": 5, "control": 5})
    treated = [user for user in USERS if few.variant(user) == "treatment"]
    assert {many.variant(user) for user in treated} == {"treatment"}


def test_experiments_have_nothing_to_do_with_each_other() -> None:
    one, other = (Experiment(name, {"control": 1, "treatment": 1}) for name in ("new-fusion", "new-page"))
    table = np.zeros((2, 2))
    for user in USERS:
        table[one.variant(user) == "control", other.variant(user) == "control"] += 1
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_it_is_the_same_on_every_machine() -> None:
    experiment = Experiment("new-fusion", {"control": 1, "treatment": 1})
    assert [experiment.variant(user) for user in ("ada", "7", "Zoë")] == ["treatment", "control", "control"]


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("", {"a": 1, "b": 1}, "needs a name"),
        ("x", {"a": 1}, "two variants or more"),
        ("x", {"a": 1, "b": 0}, "b has weight 0: give one from 1e-09 to 1e\\+09"),
        ("x", {"a": 1e308, "b": 1e308}, "a has weight 1e\\+308"),
        ("x", {"a": 1, "b": float("nan")}, "b has weight nan"),
    ],
)
def test_what_splits_nobody_is_refused(name: str, weights: dict[str, float], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Experiment(name, weights)

"""Drift: what is steady raises no alarm, and what changed does."""

import numpy as np
import pytest
from scipy.stats import norm

from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.feedback.alerts import Alert, Alerts
from tailrank.feedback.click_rates import ClickRates
from tailrank.feedback.distributions import distribution_shifts, stability_index
from tailrank.feedback.event_volume import volume_shifts

HOURS = np.arange(24 * 7 * 12)
USUAL = 200 * (1 + 0.8 * np.sin(2 * np.pi * HOURS / 24))
START = 1_699_999_200.0  # on the hour


def watch(alerts: Alerts, *rates: float, n: int = 5_000) -> list[Alert]:
    """Watch clicks whose rate changes after each `n`; an event a second."""
    watched, rng = ClickRates(alerts), np.random.default_rng(0)
    clicks = rng.random(n * len(rates)) < np.repeat(rates, n)
    found = [watched.update("cold items", bool(click), float(at)) for at, click in enumerate(clicks)]
    return [alert for alert in found if alert is not None]


@pytest.mark.parametrize(
    ("before", "after", "within"), [(0.2, 0.05, 500), (0.1, 0.02, 1_000), (0.02, 0.1, 1_000)]
)
def test_a_click_rate_that_changed_is_told_once_it_is_no_chance(
    before: float, after: float, within: int
) -> None:
    alerts = Alerts()
    first = watch(alerts, before, after)[0]
    assert 5_000 < first.since < 5_000 + within
    assert first.expected == pytest.approx(before, rel=0.3)
    assert alerts.opened[0].since == first.since
    assert "cold items" in str(first)


def test_a_steady_click_rate_is_no_news() -> None:
    assert watch(Alerts(), 0.05, n=50_000) == []


def test_an_alert_is_closed_when_the_rate_comes_back() -> None:
    alerts = Alerts()
    watch(alerts, 0.2, 0.05, 0.2)
    assert alerts.opened == []
    assert (alerts.closed[0].until or 0) > 10_000


def test_the_index_is_that_of_the_shares() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=200_000), rng.normal(0.5, 1, 200_000)
    edges = norm.ppf(np.arange(1, 10) / 10)
    p, q = np.full(10, 0.1), np.diff(norm.cdf(np.concatenate([[-np.inf], edges, [np.inf]]), 0.5))
    found, bins = stability_index(before, now)
    assert bins == 10
    assert found == pytest.approx(float(np.sum((q - p) * np.log(q / p))), rel=0.05)


def test_a_signal_that_fell_silent_is_a_shift_and_one_drawn_again_is_not() -> None:
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random(1_000) < 0.7, 0, rng.random(1_000))
    again = np.where(rng.random(500) < 0.7, 0, rng.random(500))
    assert distribution_shifts({"co-visitation": sparse}, {"co-visitation": again}, START) == []
    [alert] = distribution_shifts({"co-visitation": sparse}, {"co-visitation": np.zeros(500)}, START)
    assert (alert.kind, alert.subject, alert.expected) == ("distribution", "co-visitation", 0.25)
    assert alert.seen > 1


def test_few_values_are_no_shift_however_far_apart() -> None:
    assert distribution_shifts({"a": np.arange(4.0)}, {"a": np.arange(4.0) + 2}, START) == []


def test_signals_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(RequestError, match="signals differ: b"):
        distribution_shifts({"a": np.zeros(3)}, {"a": np.zeros(3), "b": np.zeros(3)}, START)
    with pytest.raises(RequestError, match="signal a: give at least one value"):
        distribution_shifts({"a": np.zeros(3)}, {"a": np.array([np.nan])}, START)


def times(rates: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    return START + 3600 * np.repeat(HOURS, rng.poisson(rates)).astype(float) + 1


def test_hours_without_events_and_hours_with_too_many_are_told() -> None:
    rates = USUAL.copy()
    rates[900:906], rates[1_500:1_503] = 0, 1_500
    outage, flood = volume_shifts(times(rates))
    assert (outage.since, outage.until) == (START + 900 * 3600, START + 906 * 3600)
    assert outage.seen == 0
    assert (flood.since, flood.until) == (START + 1_500 * 3600, START + 1_503 * 3600)
    assert outage.expected == pytest.approx(USUAL[900:906].mean(), rel=0.2)


def test_an_outage_lasts_until_events_come_again() -> None:
    moments = times(USUAL)
    [alert] = volume_shifts(moments[moments < START + 1_990 * 3600], until=START + 2_000 * 3600)
    assert (alert.since, alert.until) == (START + 1_990 * 3600, None)


def test_the_volume_of_a_real_log_is_as_usual(movielens: Dataset) -> None:
    assert volume_shifts(movielens.histories.times) == []
    assert volume_shifts(movielens.histories.times[:100]) == volume_shifts(np.zeros(0)) == []

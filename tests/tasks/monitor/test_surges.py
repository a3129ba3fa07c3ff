"""Expectations, evidence and thresholds, against distributions and streams that are known."""

import numpy as np
import pytest
from scipy import stats

from tailrank.arrays import Doubles
from tailrank.errors import RequestError
from tailrank.tasks.monitor.cusum import share_scores, volume_scores, volume_threshold
from tailrank.tasks.monitor.expectation import fit_expectation
from tailrank.tasks.monitor.series import ALL, Series
from tailrank.tasks.monitor.settings import MonitorSettings
from tailrank.tasks.monitor.surges import Raised, Surges

HOUR, WEEK = 3_600, 168
DAY_SHAPE = 1 + 0.8 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24)


def test_scores_are_likelihood_ratios() -> None:
    counts, mean, dispersion = np.arange(40), np.full(40, 9.0), 0.2

    def logpmf(mu: float) -> Doubles:
        size = 1 / dispersion
        return stats.nbinom(size, size / (size + mu)).logpmf(counts)

    assert volume_scores(counts, mean, dispersion, 2.0) == pytest.approx(logpmf(18.0) - logpmf(9.0))
    n, odds = np.full(40, 40), 2 * 0.3 / 0.7
    raised = odds / (1 + odds)
    ratio = stats.binom(n, raised).logpmf(counts) - stats.binom(n, 0.3).logpmf(counts)
    assert share_scores(counts, n, 0.3, 0.0, 2.0) == pytest.approx(ratio)


@pytest.mark.parametrize(("mean", "dispersion"), [(0.5, 0.05), (10.0, 0.2)])
def test_a_threshold_gives_the_false_alarms_that_were_asked_for(mean: float, dispersion: float) -> None:
    """Counts are drawn by another generator, of the distribution itself; the level is nearly known."""
    asked = 1 / 400
    threshold = volume_threshold(mean, dispersion, 0.0, 2.0, asked)
    size = 1 / dispersion
    counts = stats.nbinom(size, size / (size + mean)).rvs(400_000, random_state=1)
    total, alarms = 0.0, 0
    for score in volume_scores(counts, np.full(1, mean), dispersion, 2.0).tolist():
        total = max(total + score, 0.0)
        if total > threshold:
            total, alarms = 0.0, alarms + 1
    assert alarms / len(counts) == pytest.approx(asked, rel=0.35)


def test_a_day_without_noise_is_expected_after_ten_days() -> None:
    day = np.round(30 * DAY_SHAPE).astype(np.int64)
    starts = np.arange(240) * HOUR
    found = fit_expectation(np.tile(day, 10), starts, np.ones(240, np.bool_), hourly=True)
    assert np.abs(found.at(starts[-24:]) - day).max() < 2


def test_an_hour_that_was_empty_so_far_may_have_a_text() -> None:
    day = np.r_[np.zeros(6, np.int64), np.full(18, 20)]
    starts = np.arange(240) * HOUR
    found = fit_expectation(np.tile(day, 10), starts, np.ones(240, np.bool_), hourly=True)
    night = found.at(starts[:6])
    assert (night > 0).all()
    assert (night < 0.5).all()


def stream(weeks: int, seed: int, surge: float = 1.0, at: int = 0, **settings: object) -> list[Raised]:
    """Let texts of three topics come, a third of them negative, and one topic surge for a day."""
    rng = np.random.default_rng(seed)
    surges = Surges(MonitorSettings(watch="volume", **settings))  # type: ignore[arg-type]
    means, found = {Series("fees", ""): 0.3, Series("late", ""): 3.0, Series("bags", ""): 12.0}, []
    for hour in range(weeks * WEEK):
        counts = {}
        for one, mean in means.items():
            times = surge if one.topic == "late" and at <= hour < at + 24 else 1.0
            n = int(rng.poisson(mean * times * DAY_SHAPE[hour % 24] * rng.gamma(10, 0.1)))
            if n:
                counts[one] = n, int(rng.binomial(n, 1 / 3))
        if counts:
            both = np.sum(list(counts.values()), axis=0).tolist()
            counts[ALL] = both[0], both[1]
        found += surges.close(hour * HOUR, counts)
    return found


def test_chance_raises_about_as_much_as_was_asked_for() -> None:
    weeks, asked = 6, 1.0
    raised = sum(len(stream(weeks, seed, false_alarms_per_week=asked)) for seed in range(2))
    assert raised / (2 * (weeks - 1)) <= 1.5 * asked


@pytest.mark.parametrize(("times", "most"), [(3.0, 12), (5.0, 5)])
def test_a_surge_is_found_soon(times: float, most: int) -> None:
    at = 3 * WEEK + 9
    found = [each for each in stream(4, 3, times, at) if at * HOUR <= each.surge.until <= (at + 30) * HOUR]
    assert "late" in {one.topic for each in found for one in (each.series, *each.also)}
    assert (found[0].surge.until - at * HOUR) / HOUR <= most
    assert found[0].surge.severity > 1.2


def test_an_outage_is_no_surge_when_it_ends() -> None:
    surges = Surges(MonitorSettings(watch="volume", burn_in_days=3))
    raised = []
    for hour in range(14 * 24):
        n = 0 if 5 * 24 <= hour < 12 * 24 else 40
        raised += surges.close(hour * HOUR, {ALL: (n, 0)} if n else {})
    assert raised == []


def test_a_series_without_texts_for_eight_weeks_is_forgotten() -> None:
    surges, once = Surges(MonitorSettings(watch="volume", period="day")), Series("once", "")
    for day in range(60):
        surges.close(day * 24 * HOUR, {ALL: (9, 0)} | ({once: (1, 0)} if day == 0 else {}))
        assert (once in surges.series) == (day <= 57)
    assert ALL in surges.series


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(RequestError, match=r"did you mean `negative share`"):
        MonitorSettings(watch="negative_share")
    with pytest.raises(RequestError, match="`lateness_hours`"):
        MonitorSettings.from_dict({"lateness": 2})
    with pytest.raises(RequestError, match="false_alarms_per_week must be"):
        MonitorSettings(false_alarms_per_week=0)

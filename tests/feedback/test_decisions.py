"""What is done after an experiment, and why."""

from dataclasses import replace

import numpy as np
import pytest

from tailrank.errors import RequestError
from tailrank.feedback.experiments import DAY, Decision, Guardrail, decide, looks
from tailrank.feedback.interleaved_outcomes import InterleavedOutcomes
from tailrank.feedback.split_outcomes import SplitOutcomes

TAIL = Guardrail("tail_share", -0.01, at_least=True)
LATENCY = Guardrail("latency_ms", 5.0, at_least=False)


def split(clicks: float = 0.0, tail: float = 0.0, latency: float = 0.0, users: int = 3000) -> SplitOutcomes:
    """Draw four rankings a user, on four days; the treatment's metrics differ by so much."""
    rng = np.random.default_rng(0)
    treated = np.tile(rng.random(users) < 0.5, 4)
    metrics = {
        "clicks": rng.poisson(0.5 + clicks * treated).astype(np.float64),
        "tail_share": rng.normal(0.3 + tail * treated, 0.05),
        "latency_ms": rng.normal(30 + latency * treated, 10),
    }
    times = np.repeat(np.arange(4), users) * DAY + rng.random(4 * users) * DAY
    return SplitOutcomes(np.tile(np.arange(users, dtype=np.int32), 4), treated, times, metrics)


def decided(outcomes: SplitOutcomes) -> Decision:
    return decide(outcomes, "clicks", [TAIL, LATENCY])


def statuses(decision: Decision) -> dict[str, str]:
    return {each.name: each.status for each in (*decision.gates, *decision.guardrails)}


def test_what_is_better_and_harms_nothing_is_shipped() -> None:
    decision = decided(split(clicks=0.2))
    assert decision.verdict == "ship"
    assert set(statuses(decision).values()) == {"passed"}
    assert decision.reasons[0].startswith("clicks differs by +0.2")
    assert decision.reasons[0].endswith(": better.")
    assert decision.effect.difference.low < 0.2 < decision.effect.difference.high


def test_what_is_worse_is_rolled_back() -> None:
    decision = decided(split(clicks=-0.2))
    assert decision.verdict == "roll back"
    assert [reason.rpartition(": ")[2] for reason in decision.reasons] == ["worse."]


def test_what_breaks_a_guardrail_is_rolled_back_however_good_it_is() -> None:
    decision = decided(split(clicks=0.2, tail=-0.03, latency=9))
    assert decision.verdict == "roll back"
    assert [reason.partition(" is ")[0] for reason in decision.reasons] == [
        "tail_share >= -0.01",
        "latency_ms <= +5",
    ]


def test_what_may_break_a_guardrail_is_held() -> None:
    decision = decided(split(clicks=0.2, tail=-0.01))
    assert decision.verdict == "hold"
    assert statuses(decision)["tail_share >= -0.01"] == "unclear"
    assert decision.reasons[0].startswith("tail_share >= -0.01 is uncertain: -0.0")


def test_what_may_be_chance_is_held() -> None:
    decision = decided(split())
    assert decision.verdict == "hold"
    assert decision.reasons[0].endswith("that may be chance.")


def test_where_nothing_differs_no_number_is_given() -> None:
    users = np.arange(200, dtype=np.int32)
    decision = decide(InterleavedOutcomes(users, np.arange(200.0), np.zeros(200)), "clicks")
    assert decision.verdict == "hold"
    assert decision.reasons[0].startswith("rankings won by clicks differs by nothing that was seen up to now")


def test_no_gate_is_passed_by_a_good_metric() -> None:
    good = split(clicks=0.2, tail=-0.03)
    lost = good.treated & (good.users % 4 == 0)
    rest = replace(
        good,
        users=good.users[~lost],
        treated=good.treated[~lost],
        times=good.times[~lost],
        metrics={name: values[~lost] for name, values in good.metrics.items()},
    )
    decision = decided(rest)
    assert decision.verdict == "hold"
    assert statuses(decision)["sample ratio"] == "failed"
    assert "of planned 1 : 1" in decision.reasons[0]
    assert statuses(decided(replace(rest, weights=(4.0, 3.0))))["sample ratio"] == "passed"


@pytest.mark.parametrize("names", [["treated"], ["users"], ["users", "treated"]])
def test_the_order_of_rows_means_nothing_even_if_times_are_days(names: list[str]) -> None:
    drawn = split(clicks=0.2)
    days = replace(drawn, times=np.floor(drawn.times / DAY) * DAY)
    order = np.lexsort([getattr(days, name) for name in names])
    rows = {name: getattr(days, name)[order] for name in ("users", "treated", "times")}
    metrics = {name: values[order] for name, values in days.metrics.items()}
    found = decided(replace(days, metrics=metrics, **rows))
    assert found.verdict == "ship"
    assert [gate.reason for gate in found.gates] == [gate.reason for gate in decided(days).gates]


def test_users_with_both_variants_are_found() -> None:
    good = split(clicks=0.2)
    treated = good.treated.copy()
    treated[:2] = ~treated[:2]
    decision = decided(replace(good, treated=treated))
    assert decision.verdict == "hold"
    assert decision.reasons == (
        "2 of 3,000 users have both variants. Choose the variant by the user's id alone.",
    )


@pytest.mark.parametrize(("share", "of", "failed"), [(0.04, 2, False), (0.04, 1, True), (0.2, 2, True)])
def test_missing_metrics_are_found(share: float, of: int, failed: bool) -> None:
    good = split(clicks=0.2)
    lacking = (np.random.default_rng(1).random(len(good.users)) < share) & (good.treated | (of == 2))
    clicks = np.where(lacking, np.nan, good.metrics["clicks"])
    decision = decided(replace(good, metrics=dict(good.metrics) | {"clicks": clicks}))
    assert statuses(decision)["missing clicks"] == ("failed" if failed else "passed")
    assert decision.verdict == ("hold" if failed else "ship")


def test_few_users_are_waited_for() -> None:
    decision = decided(split(clicks=3, users=150))
    assert decision.verdict == "hold"
    assert "100 are needed. Wait." in decision.reasons[0]


def test_nothing_at_all_is_held() -> None:
    decision = decided(split(clicks=0.2).before(-1.0))
    assert decision.verdict == "hold"
    assert "Users: 0 of control and 0 of treatment; 100 are needed. Wait." in decision.reasons


def test_each_day_is_what_one_would_have_decided_by_then() -> None:
    outcomes = split(clicks=0.2)
    days = list(looks(outcomes, "clicks", [TAIL, LATENCY]))
    assert [day.rankings for day in days] == [3000, 6000, 9000, 12_000]
    for day in days:
        assert day.difference == decided(outcomes.before(day.until)).effect.difference


def test_interleaved_rankings_are_decided_by_who_wins_more_of_them() -> None:
    rng = np.random.default_rng(0)
    won = rng.choice([2.0, 1.0, 0.0, -1.0], 6000, p=[0.1, 0.3, 0.3, 0.3])
    users, times = rng.integers(0, 1500, 6000).astype(np.int32), np.arange(6000, dtype=np.float64)
    decision = decide(InterleavedOutcomes(users, times, won), "clicks")
    assert decision.verdict == "ship"
    assert decision.effect.treatment == pytest.approx((won > 0).sum() / (won != 0).sum())
    assert decision.effect.difference.mean == pytest.approx(2 * decision.effect.treatment - 1)
    assert decide(InterleavedOutcomes(users, times, -won), "clicks").verdict == "roll back"
    few = decide(InterleavedOutcomes(users % 50, times, won), "clicks")
    assert few.reasons == ("Users: 50 of all; 100 are needed. Wait.",)


def test_one_that_wins_nearly_every_list_is_shipped_though_its_wins_hardly_vary() -> None:
    users, times = np.arange(400, dtype=np.int32) % 200, np.arange(400, dtype=np.float64)
    won = np.ones(400)
    won[:3] = -1.0
    assert decide(InterleavedOutcomes(users, times, won), "clicks").verdict == "ship"
    assert decide(InterleavedOutcomes(users, times, -won), "clicks").verdict == "roll back"
    chance = np.where(users % 2, 1.0, -1.0)
    assert decide(InterleavedOutcomes(users, times, chance), "clicks").verdict == "hold"


@pytest.mark.parametrize("text", ["tail_share", "tail_share>-0.01", ">=1", "a>=x", "a>=1.2.3", "a>=nan"])
def test_a_guardrail_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="write METRIC>=DIFFERENCE"):
        Guardrail.parse(text)


def test_guardrails_are_read() -> None:
    assert Guardrail.parse(" latency_ms <= 5 ") == LATENCY
    assert str(Guardrail.parse("complaints<=1e-3")) == "complaints <= +0.001"

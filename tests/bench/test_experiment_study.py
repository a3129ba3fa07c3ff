"""Experiments that are drawn, with an effect and without."""

import numpy as np
import pytest
from bench.experiments import (
    DAYS,
    DESIGNS,
    GAIN,
    GUARDRAILS,
    NOISE,
    SHOWN,
    better_noise,
    chances,
    false_alarms,
    interleaved,
    listed,
    null_split,
    rankings_needed,
    split,
    summary,
)
from bench.stored import Studies
from bench.study import RESULTS

from bench import page
from tailrank.feedback.experiments import ALPHA
from tailrank.feedback.interleaved_outcomes import InterleavedOutcomes


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_better_ranker_has_the_gain_that_is_said() -> None:
    _, relevance, (old, new) = listed(rng(), 50_000, NOISE, better_noise())
    assert old.shape == (50_000, SHOWN)
    clicks = [chances(relevance, shown).sum(axis=1).mean() for shown in (old, new)]
    assert clicks[1] / clicks[0] - 1 == pytest.approx(GAIN, abs=0.005)


@pytest.mark.parametrize("design", DESIGNS)
def test_experiments_without_an_effect_have_none(design: str) -> None:
    daily, new, rate = DESIGNS[design]
    drawn = null_split(rng(), daily, new, rate)
    assert len(drawn.users) == daily * DAYS
    assert len(np.unique(drawn.users)) == daily + new * (DAYS - 1)
    clicks = drawn.metrics["clicks"]
    assert clicks[drawn.treated].mean() == pytest.approx(clicks[~drawn.treated].mean(), rel=0.5)
    assert set(false_alarms(drawn, GUARDRAILS)) == {"interval", "gates", "decision", "z test"}


def test_interleaving_needs_fewer_rankings() -> None:
    users, credit = interleaved(rng(), 6000, better_noise())
    sides = InterleavedOutcomes(users, np.arange(6000.0), credit)
    [few, many] = rankings_needed(sides), rankings_needed(split(rng(), 40_000))
    assert few is not None
    assert few < (many or 40_000)


def test_runs_that_saw_nothing_count_as_endless() -> None:
    found = summary([3, 1, None, 2, 4])
    assert found == {"median": 3, "power_80": 4, "counts": [1, 2, 3, 4, None]}
    assert summary([None, 1, None])["median"] is None


def test_the_page_quotes_what_is_stored() -> None:
    stored = Studies(RESULTS).single("experiments")
    assert stored is not None
    text = (page.ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    for design, found in stored["without_an_effect"].items():
        cells = [
            f"{found[test]:.1%}" if test in found else ""
            for test in ("z test", "interval", "gates", "decision")
        ]
        assert " ".join(f"| {design} | {' | '.join(cells)} |".split()) in text
        assert max(found[test] for test in ("interval", "gates", "decision")) <= ALPHA
    for needed in (*stored["rankings_needed"].values(), stored["five_to_six_percent"]["ours"]):
        assert f"{needed['median']:,}" in text
        assert f"{needed['power_80']:,}" in text
    split, interleaved = (stored["rankings_needed"][way] for way in ("split", "interleaved"))
    assert f"{split['median'] / interleaved['median']:.1f} times" in text
    assert f"{split['power_80'] / interleaved['power_80']:.1f} times" in text

"""A search for settings."""

from collections.abc import Callable
from pathlib import Path

import pytest
from trainings import SHORT, domain

from tailrank.language.encoder import TextEncoder
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.finetuning import Tuned, finetune
from tailrank.tuning.search import Search, search

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_search_goes_on(small_bert: Path, tmp_path: Path) -> None:
    kept: list[float] = []
    reported: list[tuple[int, FineTuningConfig, float]] = []

    def run(config: FineTuningConfig, on_validation: Callable[[int, float], bool]) -> Tuned:
        encoder = TextEncoder.load(str(small_bert), "cpu")
        return finetune([domain(encoder)], encoder, config, on_validation=on_validation)

    def once(minutes: float) -> Search:
        start = FineTuningConfig(**SHORT)
        return search(
            tmp_path / "trials.db",
            "shop",
            start,
            ["head", "lora"],
            ["distillation"],
            minutes,
            run,
            lambda t: kept.append(t.validation_score),
            lambda n, t, start: reported.append((n, t.encoder.config, start)),
        )

    first = once(0.02).trials
    found = once(0.02)
    second = found.trials
    assert len(second) > len(first) >= 1
    assert kept == sorted(set(kept))
    assert second[0].value == kept[-1] == pytest.approx(found.start + found.gain)
    assert found.learned
    assert {trial.number for trial in second} == set(range(len(second)))
    assert all({"blend", "power", "inverse_temperature"} <= trial.params.keys() for trial in second)
    number, config, _ = reported[0]
    assert (number, config) == (0, FineTuningConfig(**SHORT).complete())
    assert {start for _, _, start in reported} == {found.start}

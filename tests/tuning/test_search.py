"""A search for settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trainings import SHORT, domain

from tailrank.language.encoder import TextEncoder
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.finetuning import Tuned, finetune
from tailrank.tuning.search import search

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_search_goes_on(small_bert: Path, tmp_path: Path) -> None:
    kept: list[float] = []

    def run(config: FineTuningConfig, on_validation: Callable[[int, float], bool]) -> Tuned:
        encoder = TextEncoder.load(str(small_bert), "cpu")
        return finetune([domain(encoder)], encoder, config, on_validation=on_validation)

    def once(minutes: float) -> list[Any]:
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
        )

    first = once(0.02)
    second = once(0.02)
    assert len(second) > len(first) >= 1
    assert kept == sorted(set(kept))
    assert second[0].value == kept[-1]
    assert {trial.number for trial in second} == set(range(len(second)))
    assert all({"blend", "power", "inverse_temperature"} <= trial.params.keys() for trial in second)

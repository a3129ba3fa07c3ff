"""Settings of a fine-tuning."""

from typing import Any

import pytest

from tailrank.errors import RequestError
from tailrank.tuning.config import FineTuningConfig


@pytest.mark.parametrize(
    ("settings", "steps"),
    [({}, 0), ({"blend": 0.5}, 600), ({"loss": "pairs"}, 600), ({"method": "lora"}, 600)],
)
def test_steps_follow_unless_the_head_has_a_closed_form(settings: dict[str, Any], steps: int) -> None:
    assert FineTuningConfig(**settings).complete().steps == steps


def test_steps_that_are_given_stay() -> None:
    assert FineTuningConfig(steps=6, every=3).complete() == FineTuningConfig(steps=6, every=3)
    assert FineTuningConfig(steps=45).complete().every == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": float("nan")}, "rate must be above 0, not nan"),
        ({"head_rate": float("inf")}, "head_rate must be finite"),
        ({"method": "magic"}, "method must be one of full, last-layers, lora, prompt, head, not 'magic'"),
        ({"batch": 1}, "batch must be at least 2"),
        ({"steps": -1}, "steps must be at least 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"temper": -0.1}, "temper must be at least 0 and at most 1"),
        ({"method": "head", "adversarial": 0.5}, "doesn't run the word embeddings"),
    ],
)
def test_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        FineTuningConfig(**settings)

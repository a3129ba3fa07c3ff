"""Bounds of settings: declared beside a field, checked in one place."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.errors import RequestError


@dataclass
class Settings:
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    rate: Annotated[float, Meta(gt=0)] | None = None
    mode: Literal["fast", "exact"] | None = "fast"
    name: str = ""
    workers: int = 1


@given(st.floats())
def test_a_number_is_accepted_exactly_if_it_is_finite_and_within_its_bounds(value: float) -> None:
    accepted = 0 <= value <= 1, 0 < value < math.inf
    for settings, is_accepted in zip((Settings(share=value), Settings(rate=value)), accepted, strict=True):
        if is_accepted:
            check_bounds(settings)
        else:
            with pytest.raises(RequestError, match=r"must be (at least 0 and at most 1|above 0|finite), not"):
                check_bounds(settings)


def test_none_is_within_all_bounds_and_a_choice_is_one_of_the_named() -> None:
    check_bounds(Settings(rate=None, mode=None))
    with pytest.raises(RequestError, match=r"mode must be one of fast, exact, not 'slow'"):
        check_bounds(Settings(mode="slow"))  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="share must be"):
        check_bounds(Settings(share=math.nan))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"share": "half"}, "share must be a number, not 'half'"),
        ({"share": [1]}, "share must be a number"),
        ({"share": None}, "share must be a number, not None"),
        ({"rate": "1"}, "rate must be a number"),
        ({"workers": 1.5}, "workers must be a whole number"),
        ({"name": 5}, "name must be text"),
    ],
)
def test_values_of_another_type_are_refused_by_name(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(RequestError, match=re.escape(why)):
        check_bounds(Settings(**changed))


def test_numbers_of_other_libraries_are_numbers() -> None:
    check_bounds(Settings(share=np.float32(0.5), rate=np.array(2), workers=np.int64(3)))  # type: ignore[arg-type]

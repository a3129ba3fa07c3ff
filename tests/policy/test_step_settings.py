"""Whatever a request says of steps is a list of steps, or refused in words."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrank.errors import RequestError
from tailrank.policy.registry import POLICIES, described, from_description

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NAMES = st.text(max_size=4)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2)
)


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=60)
@given(data=st.data())
def test_settings_of_any_type_are_taken_or_refused(name: str, data: st.DataObject) -> None:
    known = st.sampled_from([field.name for field in fields(POLICIES[name])])
    step: dict[str, Any] = {"name": name, **data.draw(st.dictionaries(known, VALUES, max_size=3))}
    try:
        [found] = from_description([step])
    except RequestError:
        return
    assert described([found])[0]["name"] == name


@pytest.mark.parametrize(
    "step", [{}, {"name": None}, {"name": ["tail"]}, {"name": ""}, "tail", None, ["tail"]]
)
def test_a_step_without_a_known_name_is_refused(step: Any) -> None:
    with pytest.raises(RequestError, match="policy"):
        from_description([step])


def test_what_a_step_can_not_do_without_is_asked_for() -> None:
    with pytest.raises(RequestError, match="policy 'cap' needs the setting `column`"):
        from_description([{"name": "cap"}])

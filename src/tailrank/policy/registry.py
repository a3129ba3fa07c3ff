"""The policies that there are, as model folders and configuration name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any, Final

from tailrank import plugins
from tailrank.errors import RequestError, instead_of
from tailrank.policy.base import Policy
from tailrank.policy.calibration import Calibration
from tailrank.policy.caps import Cap
from tailrank.policy.diversity import Diversity, SimilarityCeiling
from tailrank.policy.exploration import Exploration
from tailrank.policy.exposure import Exposure
from tailrank.policy.fair import Fair
from tailrank.policy.fresh import FreshBoost
from tailrank.policy.objective import Objective
from tailrank.policy.relations import Excludes, Requires
from tailrank.policy.rules import Rules
from tailrank.policy.shown import AlreadyShown
from tailrank.policy.stock import Stock
from tailrank.policy.tail import TailBoost
from tailrank.policy.taken import AlreadyTaken
from tailrank.policy.wishes import Wishes
from tailrank.policy.xquad import XQuad

STEPS: Final = (
    TailBoost,
    Objective,
    FreshBoost,
    Stock,
    AlreadyTaken,
    AlreadyShown,
    Requires,
    Excludes,
    XQuad,
    Exposure,
    Calibration,
    Diversity,
    SimilarityCeiling,
    Cap,
    Fair,
    Wishes,
    Rules,
    Exploration,
)
POLICIES: Final[dict[str, Any]] = {step.name: step for step in STEPS}
"""Classes by the name of their step; installed packages add to them."""


def described(policies: Iterable[Any]) -> list[dict[str, Any]]:
    """Describe steps as JSON: the name and the settings of each, in their order.

    Examples
    --------
    >>> described([TailBoost(0.25)])
    [{'name': 'tail', 'strength': 0.25}]
    """
    return [{"name": policy.name, **asdict(policy)} for policy in policies]


def from_description(steps: Iterable[Mapping[str, Any]]) -> tuple[Policy, ...]:
    """Make the steps that `described` describes.

    Raises
    ------
    RequestError
        On an unknown name or setting, one out of bounds, or one that is missing.

    Examples
    --------
    >>> from_description([{"name": "tail", "strength": 0.25}])
    (TailBoost(strength=0.25),)
    >>> from_description([{"name": "tial"}])
    Traceback (most recent call last):
    tailrank.errors.RequestError: no policy is called 'tial': did you mean `tail`?
    """
    return tuple(map(_made, steps))


def _made(step: Mapping[str, Any]) -> Policy:
    if not isinstance(step, Mapping):
        raise RequestError(f"a policy is described by its `name` and settings, not by {step!r}")
    if "name" not in step:
        raise RequestError(
            f"`name` is missing: it says which policy is meant; there are {', '.join(POLICIES)}"
        )
    name = step["name"]
    made = POLICIES.get(name) or plugins.plugged(plugins.POLICIES, name) if isinstance(name, str) else None
    if made is None:
        known = {name: name for name in [*POLICIES, *plugins.plugged_names(plugins.POLICIES)]}
        raise RequestError(f"no policy is called {name!r}: {instead_of(str(name), known)}")
    settings = {key: value for key, value in step.items() if key != "name"}
    known = {field.name: field.name for field in fields(made)}
    for key in settings:
        if key not in known:
            raise RequestError(f"policy {name!r} has no setting `{key}`: {instead_of(key, known)}")
    for field in fields(made):
        if field.name not in settings and field.default is MISSING and field.default_factory is MISSING:
            raise RequestError(f"policy {name!r} needs the setting `{field.name}`")
    policy: Policy = made(**settings)
    return policy

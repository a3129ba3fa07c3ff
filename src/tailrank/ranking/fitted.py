"""What fitting learns and a model folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrank.language.vectors import VectorSpace
from tailrank.policy.base import Policy
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.settings import Settings
from tailrank.signals.base import Signal


@dataclass(frozen=True)
class Fitted:
    """Everything learned.

    Attributes
    ----------
    catalogue
        Items and event types, and how often each item occurs.
    signals
        In the order of the fusion's weights.
    fusion
        Learned weights.
    policy
        Steps after the score, for requests that name no others.
    settings
        How it was fitted; `template` is how item texts were written.
    spaces
        By name, how the vector of a new text becomes one that signals compare.
    upstream
        How much the scores of other recommenders count, by their names, if that was learned.
    about
        Anything worth remembering, such as the data and their metrics; nothing depends on it.
    as_of
        When the data learned from were read, in seconds since 1970: what was said of their items before that
        is out of date. 0 if that isn't known.
    """

    catalogue: Catalogue
    signals: tuple[Signal, ...]
    fusion: Fusion
    policy: tuple[Policy, ...]
    settings: Settings
    spaces: Mapping[str, VectorSpace] = field(default_factory=dict)
    upstream: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, object] = field(default_factory=dict)
    as_of: float = 0.0

    def __repr__(self) -> str:
        signals = ", ".join(self.fusion.signals)
        return f"{type(self).__name__}({len(self.catalogue):,} items; signals: {signals})"

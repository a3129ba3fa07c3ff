"""How a classifier of texts is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from tailrank.bounds import check_bounds

Tune: TypeAlias = Literal["none", "full", "lora"]
Share: TypeAlias = Annotated[float, Meta(gt=0, le=0.5)]


@dataclass(frozen=True)
class ClassifierSettings:
    """How to fit.

    Attributes
    ----------
    kind
        Of the task: a name in `tailrank.tasks.registry.KINDS`.
    held_out
        Share of the texts that calibration and thresholds are learned from.
    refuse
        Share of texts like those learned from that may be refused, at most; 0 refuses none.
    seed
        Of every draw.

    Raises
    ------
    RequestError
        On a number that is out of its range.
    """

    kind: str = "one"
    held_out: Share = 0.2
    refuse: Annotated[float, Meta(ge=0, le=0.5)] = 0.04
    seed: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        check_bounds(self)

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
        Of the task: a name that `tailrank.tasks.registry.kind_named` knows.
    held_out
        Share of the texts that calibration and thresholds are learned from.
    refuse
        Share of texts like those learned from that may be refused, at most; 0 refuses none.
    tune
        What learns beside the head: `none` of the encoder, `full` every weight of it, or `lora` low-rank
        updates of its linear maps (Hu et al., ICLR 2022).
    epochs
        Times that tuning sees each text, at most.
    patience
        Epochs without a better log loss of the texts held out, after which tuning stops.
    batch
        Texts of a step.
    rate
        AdamW's peak learning rate for the encoder; `lora` takes ten times as much.
    contrast
        Weight of the loss that pulls texts of one label together, beside the head's; 0 leaves it out.
    refit
        Whether tuning is repeated with the texts that were held out, for as many epochs as were best: twice
        as long, for some more texts, but temperature and threshold are then those of another encoder.
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
    tune: Tune = "none"
    epochs: Annotated[int, Meta(ge=1)] = 10
    patience: Annotated[int, Meta(ge=1)] = 3
    batch: Annotated[int, Meta(ge=2)] = 32
    rate: Annotated[float, Meta(gt=0)] = 5e-5
    contrast: Annotated[float, Meta(ge=0)] = 0.0
    refit: bool = False
    seed: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        check_bounds(self)

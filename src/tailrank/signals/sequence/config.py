"""How a sequence model is built and trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from tailrank.bounds import check_bounds

SequenceLoss = Literal["softmax", "sampled-softmax", "gbce", "bce"]


@dataclass(frozen=True)
class SASRecConfig:
    """Size and training of a sequence model.

    Attributes
    ----------
    epochs
        Tried at most; training ends earlier if lower learning rates don't help any more.
    loss
        See `losses.sampled`; None takes `softmax` up to 50,000 items and `sampled-softmax` above.
    width, heads, blocks
        Of the transformer: dimensions of every vector inside, attention heads, blocks.
    length
        Latest events of a history that it sees.
    dropout
        Of the inputs and of every block.
    rate
        Adam's learning rate at its height; it falls if validation says so.
    events
        Events in a batch, about.
    debias
        Power of popularity by which events are likelier to be observed: targets count by the clipped inverse
        of that (`PopularityPropensity`), 1 on average. 0 counts all alike.
    seed
        Of weights, order and dropout.

    Raises
    ------
    RequestError
        On a field of another type or out of bounds, by its name.
    """

    epochs: int = 12
    loss: SequenceLoss | None = None
    width: int = 128
    heads: int = 2
    blocks: int = 2
    length: int = 50
    dropout: float = 0.3
    rate: float = 2e-3
    events: int = 1024
    debias: Annotated[float, Meta(ge=0, le=1)] = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_bounds(self)

"""How a model is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.ranking.fusion_objective import Loss


@dataclass(frozen=True)
class Settings:
    """How to fit.

    Attributes
    ----------
    dimensions
        Whitened dimensions kept of an encoder's vectors.
    max_history
        Latest events that a ranking looks at.
    queries
        Validation queries that fusion learns from, at most; fewer for catalogues above 20,000 items.
    loss
        Listwise softmax, or binary cross-entropy.
    shrinkage
        Pull of fusion's weights toward those that all items and histories share.
    tail
        Strength of the tail policy, 0 to 1, on top of the most accurate weights; None learns weights for the
        tail instead, as far as `tail_cost` affords, if at least 200 queries can tell.
    tail_cost
        Share of ndcg@10 on validation that weights for the tail may give up.
    new_cost
        Share of it that all other targets may then give up for items without interactions.
    debias
        Power of popularity by which events are likelier to be observed: fusion's queries count by the clipped
        inverse of that of their targets (`PopularityPropensity`), instead of weights for the tail, and so do
        the targets that a sequence model is trained on. 0 counts all alike.
    upstream_weight
        Weight of the caller's own scores, standardised within the list.
    template
        Item text, such as "{title}. {genres}"; by default all text columns.
    seed
        Of every sample drawn.
    sequence_epochs
        Epochs that the sequence model is trained for, at most; 0 leaves it out. Training needs torch. None
        tries one if time and queries are enough, and keeps it if the whole ranks validation better with it.
    minutes
        That such a trial may take on this machine: training before validation and again on all events.

    Raises
    ------
    RequestError
        On a field out of bounds, by its name.
    """

    dimensions: Annotated[int, Meta(ge=1)] = 256
    max_history: Annotated[int, Meta(ge=1)] = 50
    queries: Annotated[int, Meta(ge=1)] = 6_000
    loss: Loss = "listwise"
    shrinkage: Annotated[float, Meta(gt=0)] = 1.0
    tail: Annotated[float, Meta(ge=0, le=1)] | None = None
    tail_cost: Annotated[float, Meta(ge=0, le=1)] = 0.01
    new_cost: Annotated[float, Meta(ge=0, le=1)] = 0.01
    debias: Annotated[float, Meta(ge=0, le=1)] = 0.0
    upstream_weight: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1.0
    template: str | None = None
    seed: Annotated[int, Meta(ge=0)] = 0
    sequence_epochs: Annotated[int, Meta(ge=0)] | None = 0
    minutes: Annotated[float, Meta(ge=0)] = 15.0

    def __post_init__(self) -> None:
        check_bounds(self)

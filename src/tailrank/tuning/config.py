"""How an encoder is fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.errors import RequestError

Method = Literal["full", "last-layers", "lora", "prompt", "head"]
TuningLoss = Literal["distillation", "next-item", "pairs", "bce", "simcse"]

STEPS: Final = 600
VALIDATION_STEPS: Final = 15

_Number: TypeAlias = Annotated[int, Meta(ge=0)]
_Count: TypeAlias = Annotated[int, Meta(ge=1)]
_Positive: TypeAlias = Annotated[float, Meta(gt=0)]
_NotNegative: TypeAlias = Annotated[float, Meta(ge=0)]
_Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class FineTuningConfig:
    """What learns, from what, and how.

    Every method also learns a head over the text's vector, which starts as the whitening of the catalogue, so
    that training starts from the best that the frozen model offers. For `distillation` its last map is found
    in closed form before the first step, so that no step moves the model for what the head can do (linear
    probing, then fine-tuning; Kumar et al., ICLR 2022).

    Attributes
    ----------
    method
        `full`: every weight. `last-layers`: the upper `layers`, on what the lower ones gave once and for
        all. `lora`: low-rank updates of every linear map (Hu et al., ICLR 2022). `prompt`: `rank` learned
        vectors before every text (prompt tuning; Lester et al., EMNLP 2021). `head`: the head alone.
    loss
        See `tailrank.tuning.objectives`.
    blend
        Share of the loss that `next-item` has beside `distillation`; its batches then hold histories, as
        those of `next-item` do.
    steps
        Steps of the optimiser, at most. 0 stands for 600, but for none if a head alone learns by
        `distillation`, as its closed form needs none; see `tailrank.tuning.closed_form_head`.
    every
        Optimiser steps between two validation steps; 0 stands for a fifteenth of `steps`.
    patience
        Validation steps without a better one, after which training stops.
    batch
        Examples a step: texts for `distillation` and `simcse`, else pairs of a history and the next item.
    memory
        Texts whose activations are in memory at once. A batch of more texts is encoded twice, the second
        time part by part with the gradient of the whole (gradient caching; Gao et al., RepL4NLP 2021).
    accumulation
        Batches whose gradients are added up for a step.
    rate, head_rate
        AdamW's peak learning rates of the model and of the head: they rise over the first tenth of the steps
        and fall linearly to a fiftieth.
    weight_decay, dropout, clip
        Of the model's weights; of its activations; largest norm of a gradient.
    layers, rank
        Upper layers that learn; rank of LoRA, or learned vectors of a prompt.
    dimensions, hidden
        Width of the vectors, at most that of the encoder; hidden units of the head, 0 for a linear one.
    power
        Of the whitening that the head starts as: 0 rotates only, 0.5 whitens fully.
    temperature
        Of similarities, if there is a softmax.
    debias
        Share of an item's log frequency that is subtracted if batches hold frequent items more often:
        1 is the full correction (logQ), 0 none.
    window
        Events between two co-visited items, at most.
    context
        Latest events of a history; 1 pairs each item with the next.
    inverse_temperature, recency_decay
        Attention to the events of a history, as in `tailrank.signals.semantic.SemanticAttention`.
    adversarial
        Length of the step up the gradient of the word embeddings, after which the loss is computed once more
        (FGM; Miyato et al., ICLR 2017); 0 leaves it out.
    max_tokens
        Longer texts are cut, but for `head`, which learns from vectors of whole texts.
    minutes
        Between two checkpoints.
    temper
        Exponent, from 0 to 1, of the number of a domain's events in how often it is drawn: 1 draws each
        event as often as any, 0 each domain.
    replay
        Share of batches of older events, if `Domain.since` says which events are new.
    seed
        Of batches and dropout.

    Raises
    ------
    RequestError
        On an unknown name, or a number that is out of its range or not finite.
    """

    method: Method = "head"
    loss: TuningLoss = "distillation"
    blend: _Share = 0.0
    steps: _Number = 0
    every: _Number = 0
    patience: _Count = 3
    batch: Annotated[int, Meta(ge=2)] = 128
    memory: _Count = 512
    accumulation: _Count = 1
    rate: _Positive = 1e-4
    head_rate: _Positive = 1e-4
    weight_decay: _NotNegative = 0.01
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    clip: _Positive = 1.0
    layers: _Count = 2
    rank: _Count = 16
    dimensions: _Count = 256
    hidden: _Number = 8_192
    power: _Share = 0.45
    temperature: _Positive = 0.07
    debias: _NotNegative = 0.3
    window: _Count = 3
    context: _Count = 10
    inverse_temperature: _NotNegative = 0.0
    recency_decay: _NotNegative = 0.7
    adversarial: _NotNegative = 0.0
    max_tokens: _Count = 64
    minutes: _Positive = 5.0
    temper: _Share = 0.5
    replay: _Share = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.adversarial and self.method in ("last-layers", "head"):
            raise RequestError(
                f"{self.method} doesn't run the word embeddings, so adversarial training can't move them: "
                "choose full, lora or prompt"
            )

    def complete(self) -> FineTuningConfig:
        """Replace zeros by numbers of steps.

        Examples
        --------
        >>> FineTuningConfig().complete().steps, FineTuningConfig(method="lora").complete().steps
        (0, 600)
        """
        closed_form = self.method == "head" and self.loss == "distillation" and not self.blend
        steps = self.steps or (0 if closed_form else STEPS)
        return replace(self, steps=steps, every=self.every or max(steps // VALIDATION_STEPS, 1))

"""How an encoder is fine-tuned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from tailrank.errors import RequestError

Method = Literal["full", "last-layers", "lora", "prompt", "head"]
TuningLoss = Literal["distillation", "next-item", "pairs", "bce", "simcse"]

STEPS: Final = 600
LOOKS: Final = 15


@dataclass(frozen=True)
class FineTuningConfig:
    """What learns, from what, and how.

    Every method also learns a head over the text's vector, which starts as the whitening of the catalogue, so
    that training starts from the best that the frozen model offers. For `distillation` it is solved before
    the first step, so that no step moves the model for what the head can do (linear probing, then
    fine-tuning; Kumar et al., ICLR 2022).

    Attributes
    ----------
    method
        `full`: every weight. `last-layers`: the upper `layers`, on what the lower ones gave once and for
        all. `lora`: low-rank updates of every linear map (Hu et al., ICLR 2022). `prompt`: `rank` learned
        vectors before every text (prompt tuning; Lester et al., EMNLP 2021). `head`: the head alone.
    loss
        See `tailrank.tuning.objectives`.
    blend
        Share of the loss that `next-item` has beside `distillation`; its batches then hold pasts, as those of
        `next-item` do.
    steps
        Steps of the optimiser, at most. 0 stands for 600, but for none where a head alone learns by
        `distillation`, as that is solved before the first step; see `tailrank.tuning.closed_form_head`.
    every
        Steps between two looks at the validation queries; 0 stands for a fifteenth of `steps`.
    patience
        Looks without a better one, after which training stops.
    batch
        Examples a step: texts for `distillation` and `simcse`, else pairs of a past and what came next.
    memory
        Texts whose activations are in memory at once. A batch of more texts is encoded twice, the second
        time part by part with the gradient of the whole (gradient caching; Gao et al., RepL4NLP 2021).
    accumulation
        Batches whose gradients are added up for a step.
    rate, head_rate
        AdamW's rates of the model and of the head at their height: they rise over the first tenth of the
        steps and fall linearly to a fiftieth.
    weight_decay, dropout, clip
        Of the model's weights; of its activations; largest norm of a gradient.
    layers, rank
        Upper layers that learn; rank of LoRA, or learned vectors of a prompt.
    dimensions, hidden
        Width of the vectors, at most that of the encoder; hidden units of the head, 0 for a linear one.
    power
        Of the whitening that the head starts as: 0 rotates only, 0.5 whitens fully.
    temperature
        Of similarities, where there is a softmax.
    debias
        Share of an item's log frequency that is taken off where batches hold frequent items more often:
        1 is the full correction (logQ), 0 none.
    window
        Events between two co-visited items, at most.
    context
        Latest events of a past; 1 pairs each item with the next.
    sharpness, fading
        Attention to the events of a past: to their similarity, and to their order.
    adversarial
        Length of the step up the gradient of the word embeddings, from where the loss is taken once more
        (FGM; Miyato et al., ICLR 2017); 0 leaves it out.
    max_tokens
        Longer texts are cut, but for `head`, which learns from vectors of whole texts.
    minutes
        Between two checkpoints.
    temper
        Exponent, from 0 to 1, of the number of a domain's events in how often it is drawn: 1 draws each
        event as often as any, 0 each domain.
    replay
        Share of batches that older events come in where training is told to look at new ones.
    seed
        Of batches and dropout.

    Raises
    ------
    RequestError
        On an unknown name, or a number that is out of its range or not finite.
    """

    method: Method = "head"
    loss: TuningLoss = "distillation"
    blend: float = 0.0
    steps: int = 0
    every: int = 0
    patience: int = 3
    batch: int = 128
    memory: int = 512
    accumulation: int = 1
    rate: float = 1e-4
    head_rate: float = 1e-4
    weight_decay: float = 0.01
    dropout: float = 0.1
    clip: float = 1.0
    layers: int = 2
    rank: int = 16
    dimensions: int = 256
    hidden: int = 8_192
    power: float = 0.45
    temperature: float = 0.07
    debias: float = 0.3
    window: int = 3
    context: int = 10
    inverse_temperature: float = 0.0
    recency_decay: float = 0.7
    adversarial: float = 0.0
    max_tokens: int = 64
    minutes: float = 5.0
    temper: float = 0.5
    replay: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for chosen, names in ((self.method, get_args(Method)), (self.loss, get_args(TuningLoss))):
            if chosen not in names:
                raise RequestError(f"fine-tuning knows {', '.join(names)}, not {chosen!r}")
        for name, (allowed, said) in _ALLOWED.items():
            if not allowed(getattr(self, name)):
                raise RequestError(f"{name} must be {said}, not {getattr(self, name)}")
        if self.adversarial and self.method in ("last-layers", "head"):
            raise RequestError(
                f"{self.method} doesn't run the word embeddings, so adversarial training can't move them: "
                "take full, lora or prompt"
            )

    def complete(self) -> FineTuningConfig:
        """Put numbers of steps in the place of zeros.

        Examples
        --------
        >>> FineTuningConfig().complete().steps, FineTuningConfig(method="lora").complete().steps
        (0, 600)
        """
        solved = self.method == "head" and self.loss == "distillation" and not self.blend
        steps = self.steps or (0 if solved else STEPS)
        return replace(self, steps=steps, every=self.every or max(steps // LOOKS, 1))


_Allowed: TypeAlias = tuple[Callable[[float], bool], str]


def _each(names: str, allowed: Callable[[float], bool], said: str) -> dict[str, _Allowed]:
    return dict.fromkeys(names.split(), (allowed, said))


_COUNTS: Final = "patience memory accumulation layers rank dimensions window context max_tokens"
_ALLOWED: Final[dict[str, _Allowed]] = {
    **_each(_COUNTS, lambda x: x >= 1, "at least 1"),
    **_each("batch", lambda x: x >= 2, "at least 2, as items are told apart"),
    **_each("steps every hidden", lambda x: x >= 0, "at least 0"),
    **_each("rate head_rate clip temperature minutes", lambda x: 0 < x < math.inf, "a number above 0"),
    **_each(
        "weight_decay debias sharpness fading adversarial", lambda x: 0 <= x < math.inf, "a number from 0 up"
    ),
    **_each("temper replay blend power", lambda x: 0 <= x <= 1, "a share from 0 to 1"),
    **_each("dropout", lambda x: 0 <= x < 1, "a share from 0 to below 1"),
}
"""What each number may be; a NaN is nothing that any of them allows."""

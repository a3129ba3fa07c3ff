"""Leave parts of tailrank out: texts, signals and losses, each against another; start again to resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Annotated, Final, get_args

import numpy as np
import typer

from bench import study
from tailrank.arrays import Doubles, Floats
from tailrank.data.splits import Split, leave_one_out
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.fitting import FittedSignals, fit_both, fuse
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.base import Signal
from tailrank.signals.sequence.config import SASRecConfig, SequenceLoss
from tailrank.signals.sequence.signal import SequenceSignal
from tailrank.signals.sequence.training import train

EPOCHS: Final = 12
WHOLE: Final = "whole"
TEXTS: Final = ("no text", "random vectors", "permuted texts", "TF-IDF", "raw LM", "whitened LM")
"""What signals know of items; only TF-IDF has the lexical signal, and it has no vectors."""

SIGNALS: Final = ("semantic", "lexical", "sequence", "covisitation", "item-knn", "popularity")
LOSSES: Final[dict[str, SequenceLoss]] = {
    f"sequence: {loss}": loss for loss in get_args(SequenceLoss) if loss != "softmax"
}
ROWS: Final = (
    ("whole", WHOLE, ""),
    ("text", TEXTS[0], ""),
    *(("text", name, before) for name, before in zip(TEXTS[1:], TEXTS, strict=False)),
    ("text", "whitened LM", "TF-IDF"),
    *(("signals", f"without {name}", WHOLE) for name in SIGNALS),
    ("loss", "fusion: bce", WHOLE),
    *(("loss", name, WHOLE) for name in LOSSES),
)
"""Group, variant, and the variant that it is compared with."""

GROUPS: Final = ("", "tail80", "count=1-5", "count=6-20", "count>20")
"""Of test queries, by their target."""


class Parts:
    """What the variants of one seed are put together from; each part is fitted when it is first needed."""

    def __init__(self, split: Split, vectors: ItemVectors, seed: int) -> None:
        self.split, self.vectors = split, vectors
        self.settings = Settings(seed=seed, sequence_epochs=EPOCHS)
        self.trained: dict[tuple[str, SequenceLoss | None], Signal] = {}

    def values(self, name: str) -> study.Values:
        """Rank the test queries by one variant."""
        return {name: study.ndcg(self.reranker(name), self.split)}

    def reranker(self, name: str) -> Reranker:
        """Fit one variant."""
        settings, signals = self.settings, self._whole
        if name in TEXTS:
            signals = self._with_text(name)
        elif name.startswith("without "):
            signals = self._without(name.removeprefix("without "))
        elif name in LOSSES:
            signals = (*self._without("sequence"), self._sequence("whitened LM", LOSSES[name]))
        elif name == "fusion: bce":
            settings = replace(settings, loss="bce")
        return Reranker.from_fitted(fuse(self.split, FittedSignals(signals, signals, {}), settings))

    def _without(self, *names: str) -> tuple[Signal, ...]:
        return tuple(signal for signal in self._whole if signal.name not in names)

    def _with_text(self, text: str) -> tuple[Signal, ...]:
        kept = self._without("semantic", "sequence", *(["lexical"] if text != "TF-IDF" else []))
        vectors = self._item_vectors(text)
        semantic = [] if vectors is None else [study.attention(vectors, self.split, self.settings.seed)]
        return (*kept, *semantic, self._sequence(text, None))

    def _item_vectors(self, text: str) -> Floats | None:
        """Give the vectors that a text gives items, shape (items, d); None if it gives none."""
        rng = np.random.default_rng(self.settings.seed)
        if text == "random vectors":
            drawn = rng.normal(size=self._white.shape).astype(np.float32)
            unit: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
            return unit
        if text == "permuted texts":
            return self._white[rng.permutation(len(self._white))]
        return {"raw LM": self.vectors.values, "whitened LM": self._white}.get(text)

    def _sequence(self, text: str, loss: SequenceLoss | None) -> Signal:
        """Train the sequence model with the vectors of a text; the whole has that of the whitened LM."""
        vectors = self._item_vectors(text)
        key = (text if vectors is not None else "ids", loss)
        if key == ("whitened LM", None):
            return next(signal for signal in self._whole if signal.name == "sequence")
        if key not in self.trained:
            config = SASRecConfig(epochs=EPOCHS, seed=self.settings.seed, loss=loss)
            split = self.split
            model = train(split.train, split.validation, split.repeats, vectors, config).model
            self.trained[key] = SequenceSignal(**vars(model))
        return self.trained[key]

    @cached_property
    def _white(self) -> Floats:
        return study.whitened(self.vectors)

    @cached_property
    def _whole(self) -> tuple[Signal, ...]:
        return fit_both(self.split, self.vectors, self.settings).before


def rows(split: Split, found: Mapping[str, list[Doubles]]) -> list[study.Json]:
    """Average each variant over queries and seeds, and bound its difference to what it stands against."""
    return [
        {"group": group, "variant": name, "against": against, "difference": {}}
        | study.row(found[name], split, found.get(against), GROUPS)
        for group, name, against in ROWS
        if name in found and (not against or against in found)
    ]


def main(
    data: study.Data,
    name: study.Name,
    seeds: study.Seeds = "0,1,2,3,4",
    variant: Annotated[list[str] | None, typer.Option(help="May be given again; by default all.")] = None,
) -> None:
    """Store the ablation of one data set."""
    dataset, vectors, about = study.encoded(name, data)
    split, all_seeds = leave_one_out(dataset), study.numbers(seeds)
    variants = study.chosen(variant, dict.fromkeys(each for _, each, _ in ROWS))

    def parts(seed: int) -> dict[str, Callable[[], study.Values]]:
        one = Parts(split, vectors, seed)
        return {each: partial(one.values, each) for each in variants}

    found = study.collect("ablation", dataset, all_seeds, parts)
    about |= {"protocol": split.protocol, "seeds": all_seeds, "rows": rows(split, found)}
    study.store(f"{name}/ablation.json", about)

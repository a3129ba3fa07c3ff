"""What the language model is worth: rankers that know other things of items; start again to resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import polars as pl
import typer

from bench import study
from bench.grounds import GROUNDS, WORDS, Ground, fair_ndcg, fair_splits
from tailrank.arrays import Codes, Doubles
from tailrank.cli.progress import progress_bars
from tailrank.data.columns import Columns
from tailrank.data.splits import Split
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import finetune

EVERYTHING: Final = "everything"
VARIANTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "no text": ("no", ()),
    "random vectors": ("no", ("random",)),
    "permuted texts": ("permuted", ("permuted",)),
    WORDS: ("own", ()),
    "raw LM": ("no", ("raw",)),
    "whitened LM": ("no", ("whitened",)),
    "tuned LM": ("no", ("tuned",)),
    EVERYTHING: ("own", ("whitened",)),
    "everything, tuned": ("own", ("whitened", "tuned")),
}
"""What each ranker has of the items: whose words, and what vectors. All of them have behaviour."""


@dataclass(frozen=True)
class Knowledge:
    """What rankers can be given of the items of one split.

    Attributes
    ----------
    split
        What they learn from.
    vectors
        Of the items, by an encoder.
    settings
        How rankers are fitted, with the seed of what is drawn.
    tune
        Gives the vectors of an encoder that was tuned on the split.
    """

    split: Split
    vectors: ItemVectors
    settings: Settings
    tune: Callable[[], ItemVectors]

    def values(self, name: str, variant: str) -> study.Values:
        """Fit one variant, and give ndcg@10 of each test query under a name."""
        return {name: fair_ndcg(self.reranker(variant), self.split)}

    def reranker(self, variant: str) -> Reranker:
        """Fit one variant."""
        words, parts = VARIANTS[variant]
        spaces = {"tuned" if part == "tuned" else "semantic": self._vectors(part) for part in parts}
        return Reranker.fit(self._with(words), spaces, replace(self.settings, template="{text}"))

    def _with(self, words: str) -> Split:
        """Give each item its words, another's, or none: a blank text shares no word with any other."""
        train, full_train = self.split.train, self.split.full_train
        own = item_texts(train.items)
        texts = {"own": own, "permuted": [own[at] for at in self._order], "no": [""] * len(own)}[words]
        items = train.items.select(Columns.ITEM, pl.Series("text", texts))
        changed = replace(train, items=items)
        after = changed if full_train is train else replace(full_train, items=items)
        return replace(self.split, train=changed, full_train=after)

    def _vectors(self, part: str) -> ItemVectors:
        values = self.vectors.values
        if part == "tuned":
            return self.tune()
        if part == "random":
            drawn = np.random.default_rng(self.settings.seed).normal(size=values.shape)
            return ItemVectors(drawn.astype(np.float32))
        if part == "permuted":
            return ItemVectors(values[self._order])
        return ItemVectors(values, whiten=part == "whitened")

    @cached_property
    def _order(self) -> Codes:
        return np.random.default_rng(self.settings.seed).permutation(len(self.vectors)).astype(np.int32)


def tuned(split: Split, vectors: ItemVectors, seed: int, file: Path) -> ItemVectors:
    """Tune the default encoder on a split, unless a file keeps the vectors that it gave."""

    def compute() -> study.Values:
        domain = Domain(split, item_texts(split.train.items), vectors.values)
        with progress_bars() as progress:
            found = finetune([domain], TextEncoder.load(), FineTuningConfig(seed=seed), progress)
        return {"vectors": found.vectors[0].astype(np.float64)}

    return ItemVectors(study.remembered(file, compute)["vectors"].astype(np.float32), whiten=False)


def main(
    data: study.Data,
    name: study.Name,
    seeds: study.Seeds = "0,1,2",
    variant: Annotated[list[str] | None, typer.Option(help="May be given again; by default all.")] = None,
    sequence_epochs: Annotated[int, typer.Option(help="Of the sequence model; 0 leaves it out.")] = 0,
) -> None:
    """Store the ablation of one data set."""
    dataset, vectors, about = study.encoded(name, data)
    all_seeds, variants = study.numbers(seeds), study.chosen(variant, VARIANTS)
    splits = {seed: fair_splits(dataset, seed) for seed in all_seeds}
    settings = Settings(sequence_epochs=sequence_epochs)
    found = study.collect(
        "ablation",
        dataset,
        all_seeds,
        lambda seed: _parts(splits[seed], vectors, variants, replace(settings, seed=seed)),
    )
    about |= {"seeds": all_seeds, "sequence_epochs": sequence_epochs, "grounds": []}
    for title in GROUNDS:
        values = {each: found[_part(title, each, settings)] for each in variants}
        ground = Ground([splits[seed][title] for seed in all_seeds])
        about["grounds"].append({"title": title, **ground.about(), "rows": rows(ground, values)})
    study.store(f"{name}/ablation.json", about)


def rows(ground: Ground, values: Mapping[str, Sequence[Doubles]]) -> list[study.Json]:
    """Measure each variant, and compare it with everything, and with everything but the language model."""
    against = {each: values[each] for each in (EVERYTHING, WORDS) if each in values}
    return [{"variant": each, **ground.row(found, against)} for each, found in values.items()]


def _parts(
    splits: Mapping[str, Split], vectors: ItemVectors, variants: Sequence[str], settings: Settings
) -> dict[str, Callable[[], study.Values]]:
    """Give what computes each variant on each ground, for one seed."""
    parts: dict[str, Callable[[], study.Values]] = {}
    for title, split in splits.items():
        file = study.kept_file("ablation", split.train, settings.seed, f"{title}, tuned encoder")
        known = Knowledge(split, vectors, settings, partial(tuned, split, vectors, settings.seed, file))
        for each in variants:
            part = _part(title, each, settings)
            parts[part] = partial(known.values, part, each)
    return parts


def _part(title: str, variant: str, settings: Settings) -> str:
    epochs = settings.sequence_epochs
    return f"{title}, {variant}" + (f", {epochs} epochs" if epochs else "")

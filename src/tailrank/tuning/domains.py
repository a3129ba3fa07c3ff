"""The data sets that an encoder learns from, as one catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.data.splits import Split
from tailrank.errors import DataError
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.examples import Batch, Behaviour, Examples, Texts
from tailrank.tuning.teacher_embeddings import fit_teacher_embeddings
from tailrank.tuning.validator import Validator


@dataclass(frozen=True)
class Domain:
    """One data set to learn from.

    Attributes
    ----------
    split
        What to learn from, and validation queries that say when to stop.
    texts
        Of every item.
    vectors
        The encoder's vectors of them, shape (items, d).
    since
        From when on events are new; see `examples.Behaviour`.
    """

    split: Split
    texts: Sequence[str]
    vectors: Floats
    since: float | None = None


class Mixture:
    """Several domains, their items one after the other.

    Parameters
    ----------
    domains
        With names of their own.
    recipe
        Loss, batch, mixing and seed.

    Raises
    ------
    DataError
        Where two have the same name, or one has nothing to learn from or no validation query.
    """

    def __init__(self, domains: Sequence[Domain], recipe: FineTuningConfig) -> None:
        names = [domain.split.train.name for domain in domains]
        if len(set(names)) < len(names):
            raise DataError(f"two data folders are called {max(names, key=names.count)!r}: rename one")
        self.domains, self.recipe = domains, recipe
        self.texts = [text for domain in domains for text in domain.texts]
        self.vectors = np.concatenate([domain.vectors for domain in domains])
        self.starts = np.cumsum([0, *(len(domain.texts) for domain in domains)])[:-1]
        self.told = [np.array([bool(text.strip()) for text in domain.texts]) for domain in domains]
        for name, domain, told in zip(names, domains, self.told, strict=True):
            if not len(domain.split.validation):
                raise DataError(f"{name}: no validation query to stop by: give more events")
            if told.sum() < 2:
                raise DataError(
                    f"{name}: fewer than two items have a text, so there is nothing to learn from"
                )
        self.judges = {
            name: Validator(domain.split, recipe.recency_decay, recipe.seed)
            for name, domain in zip(names, domains, strict=True)
        }
        self.examples = [self._examples(*pair) for pair in zip(domains, self.told, strict=True)]
        weights = np.array([float(each.size) for each in self.examples]) ** recipe.temper
        self.chances = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of one domain."""
        chosen = int(rng.choice(len(self.examples), p=self.chances))
        return self.examples[chosen].draw(rng).shifted(int(self.starts[chosen]))

    def tables(self, table: Floats) -> list[Floats]:
        """Cut vectors of all items, shape (items, dimensions), into those of each domain."""
        return np.split(table, self.starts[1:])

    def look(self, table: Floats) -> dict[str, dict[str, float]]:
        """Judge vectors of all items, by domain and group."""
        pairs = zip(self.judges.items(), self.tables(table), strict=True)
        return {name: judge(part) for (name, judge), part in pairs}

    def teacher(self, table: Floats, progress: Progress | None = None) -> Tensor | None:
        """Find the vectors that are to be learned, shape (items, dimensions), if the loss is of that kind."""
        if self.recipe.loss != "distillation":
            return None
        parts = zip(self.domains, self.told, self.judges.values(), self.tables(table), strict=True)
        return torch.cat(
            [
                fit_teacher_embeddings(
                    part, domain.split.train, told, self.recipe, judge.worth, domain.since, progress
                )
                for domain, told, judge, part in parts
            ]
        )

    def weights(self) -> Doubles:
        """Say how much each item counts where vectors are learned: the log of its events, shape (items,)."""
        pairs = zip(self.domains, self.told, strict=True)
        return np.concatenate([np.log1p(domain.split.train.counts) * told for domain, told in pairs])

    def _examples(self, domain: Domain, told: Bools) -> Examples:
        if self.recipe.loss == "simcse":
            return Texts(told, self.recipe.batch, twice=True)
        if self.recipe.loss == "distillation" and not self.recipe.blend:
            return Texts(told & (domain.split.train.counts > 0), self.recipe.batch, twice=False)
        return Behaviour(domain.split.train, told, self.recipe, domain.since)

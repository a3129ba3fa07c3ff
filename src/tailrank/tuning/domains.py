"""The data sets that an encoder learns from, as one catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.data.cold_items import with_held_out_items
from tailrank.data.splits import Split
from tailrank.errors import DataError
from tailrank.reporting import Progress, silent
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.examples import Batch, BehaviourExamples, Examples, TextExamples
from tailrank.tuning.teacher_embeddings import BATCH, fit_teacher_embeddings
from tailrank.tuning.validator import Validator


@dataclass(frozen=True)
class Domain:
    """One data set to learn from.

    Attributes
    ----------
    split
        Training events to learn from, and validation queries that say when to stop; see `learned`.
    texts
        Of every item.
    vectors
        The encoder's vectors of them, shape (items, d).
    since
        Events from then on are new, in seconds; see `examples.BehaviourExamples`.
    """

    split: Split
    texts: Sequence[str]
    vectors: Floats
    since: float | None = None

    @cached_property
    def learned(self) -> Split:
        """What is learned from, and validated on: some items are held out, if enough queries ask for them."""
        return with_held_out_items(self.split)

    @cached_property
    def has_text(self) -> Bools:
        """Whether an item's text isn't blank, shape (items,)."""
        return np.array([bool(text.strip()) for text in self.texts])

    def examples(self, config: FineTuningConfig) -> Examples:
        """Choose what the config's loss learns from."""
        if config.loss == "simcse":
            return TextExamples(self.has_text, config.batch, twice=True)
        if config.loss == "distillation" and not config.blend:
            return TextExamples(self.has_text & (self.learned.train.counts > 0), config.batch, twice=False)
        return BehaviourExamples(self.learned.train, self.has_text, config, self.since)


class Mixture:
    """Several domains, their items one after the other.

    Parameters
    ----------
    domains
        With names of their own.
    config
        Loss, batch, mixing and seed.

    Raises
    ------
    DataError
        If two have the same name, or one has nothing to learn from or no validation query.
    """

    def __init__(self, domains: Sequence[Domain], config: FineTuningConfig) -> None:
        names = [domain.split.train.name for domain in domains]
        if len(set(names)) < len(names):
            raise DataError(f"two data folders are called {max(names, key=names.count)!r}: rename one")
        self.domains, self.config = domains, config
        self.texts = [text for domain in domains for text in domain.texts]
        self.vectors = np.concatenate([domain.vectors for domain in domains])
        self.starts = np.cumsum([0, *(len(domain.texts) for domain in domains)])[:-1]
        for name, domain in zip(names, domains, strict=True):
            if not len(domain.split.validation):
                raise DataError(f"{name}: no validation query to stop by: give more events")
            if domain.has_text.sum() < 2:
                raise DataError(
                    f"{name}: fewer than two items have a text, so there is nothing to learn from"
                )
        self.validators = {
            name: Validator(domain.learned, config.recency_decay, config.seed)
            for name, domain in zip(names, domains, strict=True)
        }
        self.examples = [domain.examples(config) for domain in domains]
        weights = np.array([float(len(each)) for each in self.examples]) ** config.temper
        self.chances = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of one domain."""
        chosen = int(rng.choice(len(self.examples), p=self.chances))
        batch = self.examples[chosen].draw(rng)
        return replace(batch, items=batch.items + np.int32(self.starts[chosen]))

    def by_domain(self, vectors: Floats) -> list[Floats]:
        """Cut vectors of all items, shape (items, dimensions), into those of each domain."""
        return np.split(vectors, self.starts[1:])

    def validate(self, vectors: Floats) -> dict[str, dict[str, float]]:
        """Measure vectors of all items by ndcg@10 on validation, by domain and group."""
        pairs = zip(self.validators.items(), self.by_domain(vectors), strict=True)
        return {name: validator(part) for (name, validator), part in pairs}

    def teacher_embeddings(self, vectors: Floats, progress: Progress = silent) -> Tensor | None:
        """Fit the vectors to distil, shape (items, dimensions); None if the loss is another."""
        if self.config.loss != "distillation":
            return None
        config = replace(self.config, loss="next-item", batch=BATCH)
        parts = zip(self.domains, self.validators.values(), self.by_domain(vectors), strict=True)
        return torch.cat(
            [
                fit_teacher_embeddings(part, domain.examples(config), config, validator, progress)
                for domain, validator, part in parts
            ]
        )

    def weights(self) -> Doubles:
        """Say how much each item counts in a distillation: the log of its events, shape (items,)."""
        return np.concatenate([np.log1p(d.learned.train.counts) * d.has_text for d in self.domains])

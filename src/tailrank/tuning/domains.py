"""The data sets that an encoder learns from, as one catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.data.splits import Split
from tailrank.errors import DataError
from tailrank.reporting import Progress, silent
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.examples import Batch, BehaviourExamples, Examples, TextExamples
from tailrank.tuning.teacher_embeddings import fit_teacher_embeddings
from tailrank.tuning.validator import Validator


@dataclass(frozen=True)
class Domain:
    """One data set to learn from.

    Attributes
    ----------
    split
        Training events to learn from, and validation queries that say when to stop.
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
        self.has_text = [np.array([bool(text.strip()) for text in domain.texts]) for domain in domains]
        for name, domain, has_text in zip(names, domains, self.has_text, strict=True):
            if not len(domain.split.validation):
                raise DataError(f"{name}: no validation query to stop by: give more events")
            if has_text.sum() < 2:
                raise DataError(
                    f"{name}: fewer than two items have a text, so there is nothing to learn from"
                )
        self.validators = {
            name: Validator(domain.split, config.recency_decay, config.seed)
            for name, domain in zip(names, domains, strict=True)
        }
        self.examples = [self._examples(*pair) for pair in zip(domains, self.has_text, strict=True)]
        weights = np.array([float(each.size) for each in self.examples]) ** config.temper
        self.chances = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of one domain."""
        chosen = int(rng.choice(len(self.examples), p=self.chances))
        return self.examples[chosen].draw(rng).shifted(int(self.starts[chosen]))

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
        parts = zip(
            self.domains, self.has_text, self.validators.values(), self.by_domain(vectors), strict=True
        )
        return torch.cat(
            [
                fit_teacher_embeddings(
                    part, domain.split.train, has_text, self.config, validator.score, domain.since, progress
                )
                for domain, has_text, validator, part in parts
            ]
        )

    def weights(self) -> Doubles:
        """Say how much each item counts in a distillation: the log of its events, shape (items,)."""
        pairs = zip(self.domains, self.has_text, strict=True)
        return np.concatenate([np.log1p(domain.split.train.counts) * has_text for domain, has_text in pairs])

    def _examples(self, domain: Domain, has_text: Bools) -> Examples:
        if self.config.loss == "simcse":
            return TextExamples(has_text, self.config.batch, twice=True)
        if self.config.loss == "distillation" and not self.config.blend:
            return TextExamples(has_text & (domain.split.train.counts > 0), self.config.batch, twice=False)
        return BehaviourExamples(domain.split.train, has_text, self.config, domain.since)

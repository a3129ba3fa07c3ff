"""A data set to carry vectors to or from: spaces of its items in closed form, scored on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import scipy.sparse as sp

from bench import study
from tailrank.arrays import Doubles, Floats
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, leave_one_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.whitening import Whitening
from tailrank.ranking.settings import Settings
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.validator import Validator, validation_score

QUERIES: Final = 6_000
"""Test queries, at most."""


@dataclass(frozen=True)
class Shop:
    """A data set to learn from, to choose on, or to rank."""

    dataset: Dataset
    vectors: Floats

    @cached_property
    def split(self) -> Split:
        """Everything but test queries; these are sampled."""
        return leave_one_out(self.dataset).sampled(QUERIES, 0)

    @cached_property
    def aligned(self) -> Floats:
        """Whitened by the shop's own mean and covariance, then turned back to the encoder's axes (ZCA).

        So an axis means the same in each shop, as in CORAL (Sun, Feng and Saenko, AAAI 2016).
        """
        fitted = Whitening.fit(self.vectors, Settings().dimensions)
        axes = fitted.matrix / np.maximum(np.linalg.norm(fitted.matrix, axis=0), 1e-12)
        turned: Floats = fitted.transform(self.vectors) @ axes.T
        return turned

    @cached_property
    def words(self) -> Floats:
        """Sum the encoder's embeddings of a text's tokens, each weighted by its idf in this shop."""
        model: Any = TextEncoder.load().model
        table = model[0].model.embeddings.word_embeddings.weight.detach().cpu().numpy()
        texts = item_texts(self.dataset.items)
        tokens = [set(found) for found in model.tokenizer(texts, add_special_tokens=False)["input_ids"]]
        columns = np.concatenate([np.fromiter(found, np.int64) for found in tokens])
        bounds = np.cumsum([0, *map(len, tokens)])
        found = sp.csr_array((np.ones(len(columns)), columns, bounds), shape=(len(texts), len(table)))
        idf = np.log((1 + len(texts)) / (1 + np.bincount(columns, minlength=len(table))))
        return unit(found @ (idf[:, None] * table))

    def map(self, penalty: float) -> Doubles:
        """Learn by ridge regression what the aligned vector of the next item is, symmetric and of mean 1."""
        h = self.split.train.histories
        before = np.flatnonzero(h.owners[1:] == h.owners[:-1])
        given, wanted = (self.aligned[h.items[at]].astype(np.float64) for at in (before, before + 1))
        products, size = given.T @ given, given.shape[1]
        products.flat[:: size + 1] += penalty * products.trace() / size
        found = np.linalg.solve(products, given.T @ wanted).astype(np.float64)
        learned: Doubles = (found + found.T) * size / (2 * found.trace())
        return learned

    def mapped(self, learned: Doubles, share: float) -> Floats:
        """Compare aligned vectors by a share of a map that was learned, and of the identity."""
        values, axes = np.linalg.eigh((1 - share) * np.eye(len(learned)) + share * learned)
        return unit(self.aligned @ (axes * np.sqrt(np.maximum(values, 0))))

    def read(self, dimensions: int, power: float, words: float) -> Floats:
        """Put whitened vectors of texts and of their words side by side."""
        parts = ((1.0, self.vectors), (words, self.words)) if words else ((1.0, self.vectors),)
        white = [w * Whitening.fit(part, dimensions, power).transform(part) for w, part in parts]
        return unit(np.hstack(white))

    def scores(self, part: str, spaces: Callable[[], Sequence[Floats]]) -> Doubles:
        """Score spaces by validation queries, relative to the frozen one's; kept under a name."""

        def compute() -> study.Values:
            validator = Validator(self.split, FineTuningConfig().recency_decay, 0)
            scored = [validation_score(validator(space)) for space in [self.aligned, *spaces()]]
            return {"scores": np.array(scored[1:]) / scored[0]}

        return study.remembered(study.kept_file("transfer", self.dataset, 0, part), compute)["scores"]


def unit(vectors: Floats | Doubles) -> Floats:
    """Scale vectors to length one; zero vectors stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(length, 1e-12)).astype(np.float32)
    return scaled

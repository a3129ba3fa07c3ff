"""What a step learns from: a few histories and their next items, from behaviour or made of texts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError
from tailrank.tuning.config import FineTuningConfig


@dataclass(frozen=True)
class Batch:
    """Histories, and the next item of each.

    Attributes
    ----------
    items
        Items to encode, shape (n,).
    contexts
        Each history as rows of `items`, the latest event last, -1 as padding; shape (batch, context).
    targets
        The next items, as rows of `items`; shape (batch,).
    excluded
        Items of the same user's history, which are no negatives of a context; shape (batch, n).
    frequencies
        Log of how often an item is in batches, up to a constant; shape (n,).
    """

    items: Codes
    contexts: Offsets
    targets: Offsets
    excluded: Bools
    frequencies: Floats


class BehaviourExamples:
    """Examples from histories.

    Parameters
    ----------
    dataset
        To learn from.
    has_text
        Shape (items,).
    config
        Loss, batch, window and context.
    since
        Events from then on are new; the others come in `config.replay` of the batches. None treats all alike.

    Raises
    ------
    DataError
        If no history has two different items with texts, or nothing is new.
    """

    def __init__(
        self, dataset: Dataset, has_text: Bools, config: FineTuningConfig, since: float | None = None
    ) -> None:
        h = dataset.histories
        self.config, self.items, self.owners, self.starts = config, h.items, h.owners, h.offsets[:-1]
        self.has_text = has_text
        self.frequencies = np.log1p(dataset.counts).astype(np.float32)
        ones = np.ones(len(h.items), bool)
        self.interactions = sp.csr_array((ones, (h.owners, h.items)), shape=(len(h), dataset.n_items))
        reach = config.window if config.loss == "pairs" else 1
        pairs = [self._pairs(distance) for distance in range(1, reach + 1)]
        self.before, self.after = (np.concatenate(side) for side in zip(*pairs, strict=True))
        if not len(self.after):
            raise DataError(
                f"{dataset.name}: no user has two different items with texts: nothing to learn from"
            )
        new = np.ones(len(self.after), bool) if since is None else h.times[self.after] >= since
        self.new, self.old = np.flatnonzero(new), np.flatnonzero(~new)
        if not len(self.new):
            raise DataError(f"{dataset.name}: no event to learn from is as new as that: name an earlier time")

    def _pairs(self, distance: int) -> tuple[Offsets, Offsets]:
        """Find the positions of different items with texts so far apart in one history."""
        before = np.arange(len(self.items) - distance)
        after = before + distance
        same = self.owners[before] == self.owners[after]
        a, b = self.items[before], self.items[after]
        kept = same & (a != b) & self.has_text[a] & self.has_text[b]
        return before[kept], after[kept]

    def __len__(self) -> int:
        return len(self.after)

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of histories, or of co-visited pairs."""
        replayed = len(self.old) and rng.random() < self.config.replay
        chosen = rng.choice(self.old if replayed else self.new, self.config.batch)
        before, after = self.before[chosen], self.after[chosen]
        if self.config.loss == "pairs":
            swapped = rng.random(len(chosen)) < 0.5
            before, after = np.where(swapped, after, before), np.where(swapped, before, after)
            events = before[:, None]
        else:
            events = after[:, None] - np.arange(self.config.context, 0, -1)
        owners = self.owners[after]
        codes = np.where(events >= self.starts[owners][:, None], self.items[np.maximum(events, 0)], -1)
        codes = np.where(self.has_text[codes], codes, -1)
        codes[codes == self.items[after][:, None]] = -1  # no context holds its target
        items, rows = np.unique(np.append(codes, self.items[after]), return_inverse=True)
        if items[0] < 0:
            items, rows = items[1:], rows - 1
        contexts, targets = rows[: codes.size].reshape(codes.shape), rows[codes.size :]
        excluded = self.interactions[owners][:, items].toarray()
        return Batch(items, contexts, targets, excluded, self.frequencies[items])


class TextExamples:
    """Examples without behaviour: items that have a text.

    Parameters
    ----------
    has_text
        Shape (items,).
    batch
        Texts a batch.
    twice
        Whether each text is its own next item, under another dropout (SimCSE: Gao, Yao and Chen, EMNLP 2021,
        equation 4); else there are no contexts.
    """

    def __init__(self, has_text: Bools, batch: int, twice: bool) -> None:
        self.items, self.batch, self.twice = np.flatnonzero(has_text), batch, twice

    def __len__(self) -> int:
        return len(self.items)

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw different texts."""
        items = rng.choice(self.items, min(self.batch, len(self.items)), replace=False).astype(np.int32)
        contexts = np.arange(len(items) if self.twice else 0)
        n = len(items) + len(contexts)
        excluded = np.eye(len(contexts), n, dtype=bool)
        both = np.tile(items, 2)[:n]
        return Batch(both, contexts[:, None], contexts + len(items), excluded, np.zeros(n, np.float32))


Examples: TypeAlias = BehaviourExamples | TextExamples

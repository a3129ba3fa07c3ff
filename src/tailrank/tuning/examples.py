"""What a step learns from: a few pasts and what came next, drawn from behaviour or made of texts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError
from tailrank.tuning.config import FineTuningConfig


@dataclass(frozen=True)
class Batch:
    """Pasts, and the item that came next of each.

    Attributes
    ----------
    items
        Items to encode, shape (n,).
    contexts
        Each past as rows of `items`, the latest event last, -1 where there is none; shape (batch, context).
    targets
        What came next, as rows of `items`; shape (batch,).
    taken
        Items that a past says nothing against, as the person did take them; shape (batch, n).
    frequencies
        Log of how often an item is in batches, up to a constant; shape (n,).
    """

    items: Codes
    contexts: Offsets
    targets: Offsets
    taken: Bools
    frequencies: Floats

    def shifted(self, by: int) -> Batch:
        """Let item codes start elsewhere."""
        return Batch(self.items + np.int32(by), self.contexts, self.targets, self.taken, self.frequencies)


class Examples(Protocol):
    """Where batches come from."""

    @property
    def size(self) -> int:
        """How much there is to learn from: events, or texts."""

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch."""


class Behaviour:
    """Examples from what people took.

    Parameters
    ----------
    dataset
        What to learn from.
    told
        Whether an item has a text, shape (items,).
    recipe
        Loss, batch, window and context.
    since
        From when on events are new; the others come in `recipe.replay` of the batches. None takes all alike.

    Raises
    ------
    DataError
        Where nobody took two different items with texts, or there is nothing new.
    """

    def __init__(
        self, dataset: Dataset, told: Bools, recipe: FineTuningConfig, since: float | None = None
    ) -> None:
        h = dataset.histories
        self.recipe, self.items, self.owners, self.starts = recipe, h.items, h.owners, h.offsets[:-1]
        self.told = told
        self.frequencies = np.log1p(dataset.counts).astype(np.float32)
        ones = np.ones(len(h.items), bool)
        self.taken = sp.csr_array((ones, (h.owners, h.items)), shape=(len(h), dataset.n_items))
        reach = recipe.window if recipe.loss == "pairs" else 1
        pairs = [self._apart(distance) for distance in range(1, reach + 1)]
        self.before, self.after = (np.concatenate(side) for side in zip(*pairs, strict=True))
        if not len(self.after):
            raise DataError(
                f"{dataset.name}: nobody took two different items with texts: nothing to learn from"
            )
        new = np.ones(len(self.after), bool) if since is None else h.times[self.after] >= since
        self.new, self.old = np.flatnonzero(new), np.flatnonzero(~new)
        if not len(self.new):
            raise DataError(
                f"{dataset.name}: no event to learn from is as new as asked for: name an earlier time"
            )

    def _apart(self, distance: int) -> tuple[Offsets, Offsets]:
        """Find the positions of different items with texts so far apart in one history."""
        before = np.arange(len(self.items) - distance)
        after = before + distance
        same = self.owners[before] == self.owners[after]
        a, b = self.items[before], self.items[after]
        kept = same & (a != b) & self.told[a] & self.told[b]
        return before[kept], after[kept]

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.after)

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of pasts, or of co-visited pairs."""
        replayed = len(self.old) and rng.random() < self.recipe.replay
        chosen = rng.choice(self.old if replayed else self.new, self.recipe.batch)
        before, after = self.before[chosen], self.after[chosen]
        if self.recipe.loss == "pairs":
            swapped = rng.random(len(chosen)) < 0.5
            before, after = np.where(swapped, after, before), np.where(swapped, before, after)
            events = before[:, None]
        else:
            events = after[:, None] - np.arange(self.recipe.context, 0, -1)
        owners = self.owners[after]
        codes = np.where(events >= self.starts[owners][:, None], self.items[np.maximum(events, 0)], -1)
        codes = np.where(self.told[codes], codes, -1)
        codes[codes == self.items[after][:, None]] = -1  # no past holds what came next
        items, rows = np.unique(np.append(codes, self.items[after]), return_inverse=True)
        if items[0] < 0:
            items, rows = items[1:], rows - 1
        contexts, targets = rows[: codes.size].reshape(codes.shape), rows[codes.size :]
        taken = self.taken[owners][:, items].toarray()
        return Batch(items, contexts, targets, taken, self.frequencies[items])


class Texts:
    """Examples without behaviour: items that have a text.

    Parameters
    ----------
    told
        Whether an item has a text, shape (items,).
    batch
        Texts a batch.
    twice
        Whether each text is its own next item, under another dropout (SimCSE: Gao, Yao and Chen, EMNLP 2021,
        equation 4); else nothing comes next of anything.
    """

    def __init__(self, told: Bools, batch: int, twice: bool) -> None:
        self.told, self.batch, self.twice = np.flatnonzero(told), batch, twice

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self.told)

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw different texts."""
        items = rng.choice(self.told, min(self.batch, len(self.told)), replace=False).astype(np.int32)
        pasts = np.arange(len(items) if self.twice else 0)
        n = len(items) + len(pasts)
        both = np.tile(items, 2)[:n]
        taken = np.eye(len(pasts), n, dtype=bool)
        return Batch(both, pasts[:, None], pasts + len(items), taken, np.zeros(n, np.float32))

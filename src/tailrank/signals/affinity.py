"""Attention in a space of item meanings that behaviour has moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
from rich.progress import Progress
from scipy import sparse

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.data.ranks import mask_taken, ndcg, target_ranks
from tailrank.signals.protocol import Candidates
from tailrank.signals.semantic import SemanticAttention

EPOCHS: Final = 8
EXAMPLES: Final = 200_000
"""Events that an epoch learns from, at most."""

CHECKED: Final = 2_000
"""Validation queries that decide when to stop, at most."""

BATCH: Final = 512
CONTEXT: Final = 10
NEGATIVES: Final = 2_048
TEMPERATURE: Final = 0.1
DROPOUT: Final = 0.3
RATE: Final = 1e-3


@dataclass(frozen=True)
class Affinity(SemanticAttention):
    """Similarity to recent behaviour, of vectors that start as meanings and learn from what people do.

    ``score(c) = sum_j a_j vector(c) . vector(j)`` with the attention of `SemanticAttention`, but without
    its sharpness, and ``vector(i) = unit(meaning(i) + residual(i))``. Residuals start at zero and grow by
    predicting each event of a history from the ten before it, averaged with weights that fade as
    attention's do. What is predicted stands against items drawn by popularity, without a correction, so
    that the vectors learn what goes together and leave popularity to the signal of that name. Few passes
    move a vector little: a rare item stays where its text put it.
    """

    name: ClassVar[str] = "affinity"

    @classmethod
    def learn(
        cls,
        meaning: SemanticAttention,
        dataset: Dataset,
        validation: Queries,
        repeats: bool,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> tuple[Self, int]:
        """Move vectors as long as they rank validation queries better.

        Parameters
        ----------
        meaning
            The fitted semantic signal, where vectors start.
        dataset
            What to learn from.
        validation
            Queries whose targets aren't among it.
        repeats
            Whether items of the history are candidates.
        seed
            Of order, negatives and dropout.
        progress
            Where a bar is shown.

        Returns
        -------
        tuple
            The signal, and the epochs that were best: 0 where moving the vectors didn't help.
        """
        moving, checked = _Moving(meaning, dataset, seed), validation.sample(CHECKED, seed)
        best = cls._over(meaning, moving.vectors)
        found, epochs = best._ndcg(checked, repeats), 0
        bar = None if progress is None else progress.add_task("affinity", total=EPOCHS)
        for epoch in range(1, EPOCHS + 1):
            moving.epoch()
            moved = cls._over(meaning, moving.vectors)
            if progress is not None and bar is not None:
                progress.update(bar, completed=epoch)
            if (now := moved._ndcg(checked, repeats)) <= found:
                break
            best, found, epochs = moved, now, epoch
        if progress is not None and bar is not None:
            progress.update(bar, completed=EPOCHS)
        return best, epochs

    @classmethod
    def relearn(cls, meaning: SemanticAttention, dataset: Dataset, epochs: int, seed: int = 0) -> Self:
        """Move vectors anew, on other events, for as many epochs."""
        moving = _Moving(meaning, dataset, seed)
        for _ in range(epochs):
            moving.epoch()
        return cls._over(meaning, moving.vectors)

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Compare each history's mean with the candidates; (histories, candidates). Empty ones score 0."""
        h = histories.latest(self.window)
        attention = np.exp(self._prior(h)).astype(np.float32)
        means = np.zeros((len(h), self.vectors.shape[1]), np.float32)
        filled = np.flatnonzero(h.lengths)
        if len(filled):
            starts = h.offsets[filled]
            means[filled] = np.add.reduceat(attention[:, None] * self._of(h.items), starts)
            means[filled] /= np.add.reduceat(attention, starts)[:, None]
        values = self.vectors if candidates.whole else self._of(candidates.codes)
        scores: Floats = means @ values.T
        return scores[:, self.rows] if candidates.whole else scores

    @classmethod
    def _over(cls, meaning: SemanticAttention, vectors: Floats) -> Self:
        """Attend to other vectors, one an item, as the meaning does, but without its sharpness."""
        rows = np.arange(len(vectors), dtype=np.int32)
        return cls(vectors, rows, meaning.kinds, 0.0, meaning.fading, meaning.cooling)

    def _ndcg(self, queries: Queries, repeats: bool) -> float:
        """Measure ndcg@10 of the signal on its own, over the whole catalogue."""
        gains = [np.zeros(0)]
        for batch in queries.batches(len(self.rows)):
            scores = self.score(batch.histories, Candidates.everything(len(self.rows)))
            if not repeats:
                mask_taken(scores, batch)
            gains.append(ndcg(target_ranks(scores, batch.targets)))
        return float(np.concatenate(gains).sum()) / max(len(queries), 1)


class _Moving:
    """Vectors under way: Adam (Kingma and Ba, ICLR 2015) on the residuals of the items of each batch."""

    def __init__(self, meaning: SemanticAttention, dataset: Dataset, seed: int) -> None:
        self.rng, self.dataset = np.random.default_rng(seed), dataset
        self.meanings = meaning.vectors[meaning.rows].astype(np.float32)
        self.blank: Bools = np.logical_not(self.meanings.any(axis=1))
        drawn = self.rng.normal(size=(int(self.blank.sum()), self.meanings.shape[1])).astype(np.float32)
        # An item without text starts somewhere of its own, as a zero vector has no direction to turn from.
        self.meanings[self.blank] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        self.residuals, self.first, self.second = (np.zeros_like(self.meanings) for _ in range(3))
        h = dataset.histories
        self.examples: Offsets = np.flatnonzero(h.ages < (h.lengths - 1)[h.owners])
        self.starts: Offsets = h.offsets[:-1][h.owners]
        fading = meaning.fading * np.log1p(np.arange(CONTEXT))
        self.weights = np.exp(-fading).astype(np.float32)
        self.mass = np.cumsum(dataset.counts + 1.0)
        self.mass /= self.mass[-1]
        self.steps = 0

    @property
    def vectors(self) -> Floats:
        """Unit vectors, shape (items, dimensions); zero for what has neither text nor events."""
        vectors = self._unit(np.arange(len(self.meanings)))[0]
        vectors[self.blank & (self.dataset.counts == 0)] = 0
        return vectors

    def epoch(self) -> None:
        """Go once over the events, or over a sample of them."""
        order = self.rng.permutation(self.examples)[:EXAMPLES]
        for at in range(0, len(order), BATCH):
            self._step(np.sort(order[at : at + BATCH]))

    def _unit(self, items: Codes | Offsets) -> tuple[Floats, Floats]:
        """Give items' vectors, and how long they were before they were made units."""
        vectors: Floats = self.meanings[items] + self.residuals[items]
        norms: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / norms, norms

    def _step(self, events: Offsets) -> None:
        """Descend on the cross-entropy of some events among items drawn by popularity."""
        targets, context, shares = self._pasts(events)
        others, times = np.unique(np.searchsorted(self.mass, self.rng.random(NEGATIVES)), return_counts=True)
        rows = np.unique(np.concatenate([context.ravel(), targets, others]))
        slots, wanted, drawn = (np.searchsorted(rows, codes) for codes in (context, targets, others))
        unit, norms = self._unit(rows)
        kept = (self.rng.random(unit.shape, np.float32) >= DROPOUT) / np.float32(1 - DROPOUT)
        owners = np.repeat(np.arange(len(events)), CONTEXT)
        mean = sparse.csr_array((shares.ravel(), (owners, slots.ravel())), (len(events), len(rows)))
        known = np.concatenate([slots, wanted[:, None]], axis=1)
        query: Floats = np.asarray(mean @ (unit * kept))
        _, back, gradient = cross_entropy(query, unit, wanted, drawn, times, known)
        gradient += (mean.T @ back) * kept
        gradient -= unit * np.einsum("id,id->i", gradient, unit)[:, None]  # a unit vector only turns
        self._adam(rows, gradient / norms)

    def _pasts(self, events: Offsets) -> tuple[Codes, Codes, Floats]:
        """Give each event's item, those before it, and their shares; a missing one is the item itself."""
        items = self.dataset.histories.items
        before = events[:, None] - 1 - np.arange(CONTEXT)
        real = before >= self.starts[events][:, None]
        shares: Floats = self.weights * real
        shares /= shares.sum(axis=1, keepdims=True)
        context = np.where(real, items[np.maximum(before, 0)], items[events][:, None])
        return items[events], context, shares

    def _adam(self, rows: Offsets, gradient: Floats) -> None:
        """Move the residuals of some items."""
        self.steps += 1
        first = self.first[rows] = 0.9 * self.first[rows] + 0.1 * gradient
        second = self.second[rows] = 0.999 * self.second[rows] + 0.001 * gradient**2
        scale = RATE * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        self.residuals[rows] -= scale * first / (np.sqrt(second) + 1e-8)


def cross_entropy(
    query: Floats, unit: Floats, wanted: Offsets, drawn: Offsets, times: Offsets, known: Offsets
) -> tuple[float, Floats, Floats]:
    """Give the mean cross-entropy of targets among drawn items, and its gradients.

    Parameters
    ----------
    query
        Shape (events, d).
    unit
        Vectors of the items in play, shape (rows, d).
    wanted
        Row of each event's target, shape (events,).
    drawn, times
        Rows drawn and how often, each of shape (draws,).
    known
        Rows that are no wrong answers for an event: what was just taken is nearest of all, and the target
        has its own place. Shape (events, k).

    Returns
    -------
    tuple
        The loss, its gradient by the query, and that by the vectors as targets and as drawn.
    """
    events, rows = np.arange(len(query)), len(unit)
    place = np.full(rows, -1)
    place[drawn] = np.arange(len(drawn))
    logits = query @ unit[drawn].T / TEMPERATURE + np.log(times).astype(np.float32)
    event, column = np.nonzero(place[known] >= 0)
    logits[event, place[known[event, column]]] = -np.inf
    hit = np.einsum("ed,ed->e", query, unit[wanted])[:, None] / TEMPERATURE
    top = np.maximum(logits.max(axis=1, keepdims=True), hit)
    chances, chance = np.exp(logits - top), np.exp(hit - top)
    total = chances.sum(axis=1, keepdims=True) + chance
    loss = float((np.log(total) + top - hit).mean())
    slope, miss = (part / (TEMPERATURE * len(query)) for part in (chances / total, chance / total - 1))
    right = sparse.csr_array((miss[:, 0], (wanted, events)), (rows, len(query)))
    gradient: Floats = right @ query
    gradient[drawn] += slope.T @ query
    return loss, slope @ unit[drawn] + miss * unit[wanted], gradient

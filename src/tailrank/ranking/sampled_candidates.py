"""Which candidates fusion learns from: the target, what each signal likes best, and a random rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.histories import Histories, Queries
from tailrank.ranking.fusion import history_buckets
from tailrank.ranking.fusion_objective import SampledCandidates
from tailrank.reporting import Progress, silent
from tailrank.running import Run, in_order, run_here

BEST: Final = 40
RANDOM: Final = 64
EMPTY_HISTORIES: Final = 500

BLOCK: Final = 256
"""Items of which the highest is looked for first."""


@dataclass(frozen=True)
class Drawing:
    """Queries, and what their candidates are drawn by: all that whoever draws some of them needs.

    Attributes
    ----------
    score
        Gives the signals of every item for some histories, each of shape (histories, items); they are
        fitted without the queries' targets.
    queries
        Validation queries, at least one.
    levels
        Count level of each item, shape (items,).
    allowed
        Marks the items that are candidates of some queries, shape (queries, items); targets always are.
    max_history
        Latest events that signals see.
    """

    score: Callable[[Histories], list[Floats]]
    queries: Queries
    levels: Codes
    allowed: Callable[[Queries], Bools]
    max_history: int

    def drawn(self, part: tuple[slice, Codes]) -> SampledCandidates:
        """Score the whole catalogue for some queries and keep the candidates that matter.

        Parameters
        ----------
        part
            Which queries, and the random rest of their candidates, shape (queries, `RANDOM`).
        """
        rows, rest = part
        batch = self.queries.take(rows)
        histories = batch.histories.latest(self.max_history)
        scores, may = self.score(histories), self.allowed(batch)
        may[np.arange(len(batch)), batch.targets] = True
        codes, log_odds = _choose(scores, batch.targets, may, rest)
        features = np.stack([np.take_along_axis(values, codes, axis=1) for values in scores], axis=-1)
        return SampledCandidates(features, self.levels[codes], history_buckets(histories.lengths), log_odds)


def draw_candidates(
    drawing: Drawing, rng: np.random.Generator, progress: Progress = silent, run: Run = run_here
) -> SampledCandidates:
    """Draw the candidates of all queries.

    Parameters
    ----------
    drawing
        What they are drawn by.
    rng
        Source of the random rest.
    progress
        Is told how many batches of queries are done.
    run
        Who draws them; they are the same whoever does.
    """
    n_items = len(drawing.levels)
    parts = [
        (rows, rng.integers(0, n_items, (rows.stop - rows.start, RANDOM), dtype=np.int32))
        for rows in drawing.queries.cut(n_items)
    ]
    task = "drawing candidates for fusion"
    return SampledCandidates.join(in_order(run, Drawing.drawn, drawing, parts, progress, task))


def with_empty_histories(queries: Queries) -> Queries:
    """Ask up to 500 of the queries again without any history, behind all others.

    So empty histories get weights of their own.
    """
    again = queries.sample(EMPTY_HISTORIES, seed=0)
    again = replace(again, ends=again.starts, full_ends=again.starts)
    return Queries.concatenate([queries, again])


def _choose(scores: list[Floats], targets: Codes, allowed: Bools, rest: Codes) -> tuple[Codes, Floats]:
    """Pick item codes and what each stands for, both (queries, candidates); `rest` are the random ones."""
    everything, best = bool(allowed.all()), min(BEST, allowed.shape[1])
    seen = (values if everything else np.where(allowed, values, -np.inf) for values in scores)
    codes = np.concatenate([targets[:, None], *(highest(values, best) for values in seen), rest], axis=1)
    counts = _first_seen(codes) & np.take_along_axis(allowed, codes, axis=1)
    certain, drawn = counts[:, :-RANDOM].sum(axis=1), counts[:, -RANDOM:].sum(axis=1)
    log_odds = np.where(counts, 0, -np.inf).astype(np.float32)
    others = np.maximum(allowed.sum(axis=1) - certain, 1) / np.maximum(drawn, 1)
    log_odds[:, -RANDOM:] += np.log(others)[:, None]
    return codes, log_odds


def highest(scores: Floats, n: int) -> Codes:
    """Find the `n` highest scores of each row, of equal ones the first; codes of shape (rows, n).

    At least `n` scores reach the n-th highest maximum of all blocks, and few others do.
    """
    n_items = scores.shape[1]
    block = min(BLOCK, n_items // n)
    maxima = np.maximum.reduceat(scores, np.arange(0, n_items, block), axis=1)
    bounds = np.partition(maxima, -n, axis=1)[:, -n]
    found = np.empty((len(scores), n), np.int32)
    for row, (values, bound) in enumerate(zip(scores, bounds, strict=True)):
        codes = np.concatenate([np.flatnonzero(values > bound), _first_level(values, bound, n)])
        found[row] = codes[np.lexsort((codes, -values[codes]))[:n]]
    return found


def _first_level(values: Floats, bound: np.float32, n: int) -> Offsets:
    """Find the first `n` values at the bound, or all; often they are many, and the first ones near."""
    size = BLOCK
    while len(level := np.flatnonzero(values[:size] == bound)) < n and size < len(values):
        size *= 8
    return level[:n]


def _first_seen(codes: Codes) -> Bools:
    """Mark each row's first occurrence of every code."""
    order = np.argsort(codes, axis=1, kind="stable")
    ordered = np.take_along_axis(codes, order, axis=1)
    new = np.ones(codes.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty_like(new)
    np.put_along_axis(first, order, new, axis=1)
    return first

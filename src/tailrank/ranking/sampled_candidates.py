"""Which candidates fusion learns from: the target, what each signal likes best, and a random rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Queries
from tailrank.ranking.fusion import SampledCandidates, history_buckets
from tailrank.signals.base import Signal

BEST: Final = 40
RANDOM: Final = 64
EMPTY_HISTORIES: Final = 500


def draw_candidates(
    signals: tuple[Signal, ...],
    queries: Queries,
    item_buckets: Codes,
    max_history: int,
    repeats: bool,
    rng: np.random.Generator,
) -> tuple[SampledCandidates, Codes]:
    """Score the whole catalogue for each query and keep the candidates that matter.

    Parameters
    ----------
    signals
        Fitted without the queries' targets.
    queries
        Validation queries. Up to 500 of them are repeated without any history, so that
        empty histories get weights of their own.
    item_buckets
        Count bucket of each item, shape (items,).
    max_history
        Latest events that signals see.
    repeats
        Whether items of the history are candidates.
    rng
        Source of the random rest.

    Returns
    -------
    tuple[Pool, Codes]
        The sample, empty histories last, and its item codes, shape (queries, candidates).
    """
    without_history = queries.sample(EMPTY_HISTORIES, seed=0)
    without_history = replace(without_history, ends=without_history.starts, full_ends=without_history.starts)
    n_items = len(item_buckets)
    everything = Candidates.everything(n_items)
    samples, drawn = [], []
    for batch in (*queries.batches(n_items), *without_history.batches(n_items)):
        histories = batch.histories.latest(max_history)
        scores = [signal.score(histories, everything) for signal in signals]
        codes, log_odds = _choose(scores, batch, n_items, repeats, rng)
        features = np.stack([np.take_along_axis(values, codes, axis=1) for values in scores], axis=-1)
        samples.append(
            SampledCandidates(features, item_buckets[codes], history_buckets(histories.lengths), log_odds)
        )
        drawn.append(codes)
    return SampledCandidates.join(samples), np.concatenate(drawn)


def _choose(
    scores: list[Floats], queries: Queries, n_items: int, repeats: bool, rng: np.random.Generator
) -> tuple[Codes, Floats]:
    """Pick item codes and what each stands for, both (queries, candidates)."""
    allowed = np.ones((len(queries), n_items), dtype=bool)
    if not repeats:
        allowed[queries.full_histories.owners, queries.full_histories.items] = False
    allowed[np.arange(len(queries)), queries.targets] = True
    best = min(BEST, n_items)
    columns = [queries.targets[:, None]]
    for values in scores:
        ordered = np.argpartition(np.where(allowed, -values, np.inf), best - 1, axis=1)
        columns.append(ordered[:, :best].astype(np.int32))
    columns.append(rng.integers(0, n_items, (len(queries), RANDOM), dtype=np.int32))
    codes = np.concatenate(columns, axis=1)
    counts = _first_seen(codes) & np.take_along_axis(allowed, codes, axis=1)
    certain, drawn = counts[:, :-RANDOM].sum(axis=1), counts[:, -RANDOM:].sum(axis=1)
    log_odds = np.where(counts, 0, -np.inf).astype(np.float32)
    rest = np.maximum(allowed.sum(axis=1) - certain, 1) / np.maximum(drawn, 1)
    log_odds[:, -RANDOM:] += np.log(rest)[:, None]
    return codes, log_odds


def _first_seen(codes: Codes) -> Bools:
    """Mark each row's first occurrence of every code."""
    order = np.argsort(codes, axis=1, kind="stable")
    ordered = np.take_along_axis(codes, order, axis=1)
    new = np.ones(codes.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty_like(new)
    np.put_along_axis(first, order, new, axis=1)
    return first

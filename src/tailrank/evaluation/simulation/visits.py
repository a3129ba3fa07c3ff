"""Moments at which users really came, with candidates that the model has scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets, Seconds
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import UNTYPED, Histories, Queries
from tailrank.data.splits import ENOUGH, events_since, hold_out
from tailrank.errors import RequestError
from tailrank.evaluation.simulation.retrieval import offered
from tailrank.metrics.popularity import tail_items
from tailrank.policy.base import Policy, Scored, apply_all
from tailrank.ranking.fused_scores import FusedScores
from tailrank.ranking.fusion import Fusion, history_buckets
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import Progress, counted, silent

SCORED_AT_ONCE: Final = 100
"""Visits that are scored between two reports of progress."""


@dataclass(frozen=True)
class Visits:
    """Users who come, each with a history, candidates, and what the model knows of both.

    Attributes
    ----------
    users
        User codes, shape (visits,).
    times
        When the user really chose an item, in seconds, shape (visits,).
    items
        Item codes of the candidates, shape (visits, candidates).
    chosen
        Which candidate the user really chose then, -1 if it isn't among them; shape (visits,).
    signals
        Shape (visits, candidates, signals).
    levels
        Count level of each candidate, shape (visits, candidates).
    buckets
        History bucket, shape (visits,).
    rarity
        Of each candidate, as policies read it, shape (visits, candidates).
    tail
        Which candidates are in the tail, shape (visits, candidates).
    fusion, policy
        Those of the model.
    """

    users: Codes
    times: Seconds
    items: Codes
    chosen: Codes
    signals: Floats
    levels: Codes
    buckets: Codes
    rarity: Floats
    tail: Bools
    fusion: Fusion
    policy: tuple[Policy, ...]

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Visits({len(self):,} of {len(np.unique(self.users)):,} users, {self.size} candidates each)"

    @property
    def size(self) -> int:
        """Candidates of a visit."""
        return int(self.items.shape[1])

    @cached_property
    def standardised(self) -> Doubles:
        """Signals with mean 0 and standard deviation 1 over all candidates; (visits, candidates, signals)."""
        flat = self.signals.reshape(-1, self.signals.shape[2]).astype(np.float64)
        spread = flat.std(axis=0)
        flat -= flat.mean(axis=0)
        flat /= np.where(spread > 0, spread, 1)
        return flat.reshape(self.signals.shape)

    @cached_property
    def scores(self) -> Doubles:
        """The model's log-odds, its policy included; shape (visits, candidates)."""
        return self.served(self.fusion, self.policy, np.arange(len(self)))

    def served(self, fusion: Fusion, policy: Sequence[Policy], rows: Offsets) -> Doubles:
        """Score the candidates of some visits as a server does; shape (rows, candidates)."""
        scores = np.empty((len(rows), self.size))
        for at, row in enumerate(rows.tolist()):
            fused = self.fused(fusion, row)
            wish = fusion.wish(fused, 0)
            bonus = None if wish is None else wish.bonus
            scored = Scored(fused.total[0], self.rarity[row], bonus=bonus)
            scores[at] = apply_all(policy, scored).scores
        return scores

    def fused(self, fusion: Fusion, row: int) -> FusedScores:
        """Fuse the signals of one visit."""
        return fusion.fuse(list(self.signals[row].T[:, None]), self.levels[row], self.buckets[row : row + 1])

    @classmethod
    def from_queries(
        cls,
        reranker: Reranker,
        known: Dataset,
        queries: Queries,
        size: int = 50,
        found: float = 1.0,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Self:
        """Offer candidates for each query, and score them as `Reranker.rank` does.

        Parameters
        ----------
        reranker
            The model in service.
        known
            What the recommender that offers candidates learns from; its codes are those of the queries.
        queries
            Of which each becomes a visit, unless the model doesn't know its target.
        size
            Candidates a visit, at most.
        found
            How often the recommender finds what the user really chose; otherwise it may still do by itself.
        seed
            Of what is found.
        progress
            Is told how many visits are scored.

        Raises
        ------
        RequestError
            If the model knows none of the targets, or there aren't two candidates for every visit.
        """
        catalogue = reranker.catalogue
        codes = catalogue.codes_of(known.item_ids)
        types = np.append(catalogue.types_of(known.event_types), UNTYPED)
        queries = queries.take(codes[queries.targets] >= 0)
        if not len(queries):
            raise RequestError(
                f"{known.name}: the model knows none of the items that users chose: train again"
            )
        items = offered(known, queries, codes >= 0, size)
        chosen = _placed(items, queries.targets, found, np.random.default_rng(seed))
        histories = queries.histories.recoded(codes, types).latest(reranker.settings.max_history)
        codes = codes[items]
        return cls(
            users=queries.users,
            times=queries.source.times[queries.full_ends],
            items=items,
            chosen=chosen,
            signals=_signals(reranker, histories, codes, progress),
            levels=catalogue.levels[codes],
            buckets=history_buckets(histories.lengths),
            rarity=catalogue.rarity[codes],
            tail=tail_items(catalogue.counts)[codes],
            fusion=reranker.fusion,
            policy=reranker.policy,
        )


def held_out(reranker: Reranker, dataset: Dataset) -> tuple[Dataset, Queries, bool]:
    """Choose the events at which users come: those that the model hasn't learned from, if there are enough.

    Returns
    -------
    tuple[Dataset, Queries, bool]
        What was known before, a query of each event, and whether these events are new to the model.

    Raises
    ------
    DataError
        If no user has two events.
    """
    until = reranker.about.get("learned_until")
    if isinstance(until, float) and dataset.clock == "timestamp":
        known, queries = events_since(dataset, until)
        if len(queries) >= ENOUGH:
            return known, queries, True
    split = hold_out(dataset)
    return split.train, split.validation, False


def _placed(items: Codes, targets: Codes, found: float, rng: np.random.Generator) -> Codes:
    """Put some targets that weren't offered in the last place; gives the place of each, -1 for none."""
    missing = ~(items == targets[:, None]).any(axis=1)
    put = missing & (rng.random(len(items)) < found)
    items[put, -1] = targets[put]
    hits = items == targets[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1), -1).astype(np.int32)


def _signals(reranker: Reranker, histories: Histories, codes: Codes, progress: Progress) -> Floats:
    """Let every signal score the candidates of each history; shape (visits, candidates, signals)."""
    signals = np.empty((*codes.shape, len(reranker.signals)), np.float32)
    offsets = histories.offsets
    blocks = np.array_split(np.arange(len(codes)), max(len(codes) // SCORED_AT_ONCE, 1))
    for block in counted(blocks, progress, "scoring visits", len(codes)):
        for row in block:
            history = histories.cut(offsets[row : row + 1], offsets[row + 1 : row + 2])
            candidates = Candidates(codes[row], len(reranker.catalogue))
            for at, signal in enumerate(reranker.signals):
                signals[row, :, at] = signal.score(history, candidates)[0]
    return signals

"""From the scores of one list to its order, with candidates that the model doesn't know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.errors import RequestError
from tailrank.policy.base import Listing, Policy, Scored
from tailrank.ranking.additive import settled
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.explored import Explored, Wish
from tailrank.ranking.parts import LIST_MEAN, RANK_KEPT, Contributions, Moves
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import distinct
from tailrank.ranking.signal_values import SignalValues
from tailrank.ranking.upstream import Scores
from tailrank.stages import stage

T = TypeVar("T", np.float32, np.float64)


@dataclass(frozen=True)
class Listed:
    """The distinct candidates of requests, and which of them the model knows.

    Attributes
    ----------
    ids
        In the order of the request, each once; shape (candidates,).
    previous_ranks
        First rank of each in the request, from 1, shape (candidates,).
    n_requested
        Length of the request's list, repetitions included.
    codes
        Item code of each, -1 for an unknown one, shape (candidates,).
    known
        Shape (candidates,); None if all are.
    candidates
        The known ones.
    rarity
        Shape (candidates,); unknown ones have the mean.
    """

    ids: list[str]
    previous_ranks: Offsets
    n_requested: int
    codes: Codes
    known: Bools | None
    candidates: Candidates
    rarity: Floats

    @classmethod
    def from_ids(cls, ids: Sequence[str], catalogue: Catalogue) -> Listed:
        """Look the candidates up."""
        names, ranks = distinct(ids)
        codes = catalogue.codes_of(names)
        known = None if codes.min(initial=0) >= 0 else codes >= 0
        if known is not None:
            catalogue.unknown(names, "candidate")
        candidates = catalogue.candidates(codes if known is None else codes[known])
        rarity = _spread(catalogue.rarity.take(candidates.codes), known)
        return cls(names, ranks, len(ids), codes, known, candidates, rarity)

    def first(self, scores: Scores | None) -> Scores | None:
        """Keep the scores of each candidate's first occurrence.

        Raises
        ------
        RequestError
            Unless there is one score a candidate, or if a recommender's name is no string.
        """
        if scores is None:
            return None
        if isinstance(scores, Mapping):
            if not all(isinstance(name, str) for name in scores):
                raise RequestError(f"names of recommenders must be strings, not {list(scores)}")
            return {name: self._first(given) for name, given in scores.items()}
        return self._first(scores)

    def _first(self, scores: Sequence[float]) -> Sequence[float]:
        if not isinstance(scores, Sized):
            raise RequestError(f"scores must be a list, one a candidate, not {scores!r}")
        if len(scores) != self.n_requested:
            raise RequestError(f"{len(scores)} scores for {self.n_requested} candidates: give one each")
        if self.n_requested == len(self.ids):
            return scores
        return [scores[rank - 1] for rank in self.previous_ranks]


def order_candidates(
    listed: Listed,
    own: Floats,
    upstream: Mapping[str, Floats],
    policy: Sequence[Policy],
    k: int | None,
    parts: tuple[tuple[str, ...], Doubles] | None,
    unknown_history: list[str],
    history_length: int,
    signals: SignalValues | None,
    wish: Wish | None,
    listing: Listing,
) -> Ranking:
    """Add upstream shares, apply the policy, and sort.

    Parameters
    ----------
    listed
        The candidates.
    own
        Fused scores of the known ones, shape (known,).
    upstream
        Weighted scores of the caller, each of shape (candidates,). Without any, candidates that the model
        doesn't know keep their ranks.
    policy
        Steps after the score.
    k
        Length of the ranking; None for all.
    parts
        Names of what `own` is made of, and the values, shape (names, known); None leaves contributions out.
    unknown_history, history_length
        Go into the ranking.
    signals
        What the signals said of the known ones; None leaves it out.
    wish
        What exploration would like to add to `own`; None if nothing is explored.
    listing
        What policies may ask of the list.
    """
    known = listed.known
    total = _spread(own, known)
    for share in upstream.values():
        total = total + share
    keep_ranks = known is not None and not upstream
    # Between ranks that are kept, even neighbours may be many ranks apart: too far to explore.
    bonus = None if wish is None or keep_ranks else _spread(wish.bonus, known)
    given = Scored(total, listed.rarity, bonus=bonus, listing=listing)
    with stage("policy"):
        walk = list(accumulate(policy, lambda before, step: step.apply(before), initial=given))
    scored = walk[-1]
    order = scored.order
    scores = scored.scores[order]
    added = {**upstream, **scored.contributions}
    if known is not None and keep_ranks:
        order, scores = _keep_ranks(order, scores, known)
        added[RANK_KEPT] = np.zeros_like(total)
        added[RANK_KEPT][order] = scores - scored.scores[order]
    chosen, contributions, moves = order[:k], None, None
    if parts is not None:
        final = scored.scores.copy()
        final[order] = scores
        contributions = _centred(*_parts(parts, added, final, known), known, chosen)
        steps, orders = [step.name for step in policy], [each.order for each in walk]
        if RANK_KEPT in added:
            steps, orders = [*steps, RANK_KEPT], [*orders, order]
        moves = _moves(steps, orders, chosen)
    at = chosen.tolist()
    return Ranking(
        list(map(listed.ids.__getitem__, at)),
        scores[:k].tolist(),
        listed.previous_ranks.take(chosen).tolist(),
        None if known is None else known[chosen].tolist(),
        contributions,
        unknown_history,
        history_length,
        signals=None if signals is None else signals.take(chosen, known),
        removed=reasons(listed.ids, scored.removed),
        moves=moves,
        explored=None
        if signals is None or wish is None
        else Explored.from_scored(
            scored,
            policy,
            wish._replace(features=_spread(wish.features.T, known).T),
            signals.history_bucket,
        ),
    )


def reasons(ids: Sequence[str], removed: Mapping[str, Bools]) -> dict[str, str]:
    """Give the first reason of each candidate that a policy took from the list."""
    found = dict[str, str]()
    for reason, which in removed.items():
        for at in which.nonzero()[0].tolist():
            found.setdefault(ids[at], reason)
    return found


def _parts(
    own: tuple[tuple[str, ...], Doubles], added: Mapping[str, Floats], final: Floats, known: Bools | None
) -> tuple[tuple[str, ...], Doubles]:
    """Put together what the final scores are made of, by name, shape (names, candidates)."""
    names, n_own = (*own[0], *added), len(own[0])
    values = np.empty((len(names), len(final)))
    values[:n_own] = _spread(own[1], known)
    for row, part in enumerate(added.values(), n_own):
        values[row] = part
    return names, settled(values, final)


def _moves(steps: Sequence[str], orders: Sequence[Offsets], chosen: Offsets) -> Moves:
    """Say where each order had the chosen candidates."""
    ranks = np.empty((len(chosen), len(orders)), np.int64)
    for column, order in enumerate(orders):
        ranks_of = np.empty(order.max(initial=-1) + 1, np.int64)
        ranks_of[order] = np.arange(1, len(order) + 1)
        ranks[:, column] = ranks_of[chosen]
    return Moves(tuple(steps), ranks)


def _centred(names: tuple[str, ...], values: Doubles, known: Bools | None, chosen: Offsets) -> Contributions:
    """Tell what sets the chosen candidates apart from the mean of those that the model knows."""
    compared = values if known is None or not known.any() else values[:, known]
    means = compared.sum(axis=1, keepdims=True) / max(compared.shape[1], 1)
    mean = np.full((1, len(chosen)), means.sum())
    apart = np.concatenate([mean, values.take(chosen, axis=1) - means])
    return Contributions((LIST_MEAN, *names), apart.T)


def _spread(values: npt.NDArray[T], known: Bools | None) -> npt.NDArray[T]:
    """Give unknown candidates the mean of the others; shape (..., known) to (..., candidates)."""
    if known is None:
        return values
    whole = np.zeros((*values.shape[:-1], len(known)), values.dtype)
    if values.shape[-1]:
        whole += values.mean(axis=-1, keepdims=True)
    whole[..., known] = values
    return whole


def _keep_ranks(order: Offsets, scores: Floats, known: Bools) -> tuple[Offsets, Floats]:
    """Leave unknown candidates at their ranks; each then has the score of the known one above it."""
    kept = np.sort(order)
    kept[known[kept]] = order[known[order]]
    if not known[kept].any():
        return kept, scores
    falling = scores[known[order]]
    above = np.cumsum(known[kept]) - 1
    return kept, falling[np.maximum(above, 0)]

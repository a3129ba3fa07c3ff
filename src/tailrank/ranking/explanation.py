"""Where a score comes from, signal by signal and event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.policy.long_tail import promote
from tailrank.ranking.fusion import history_buckets

if TYPE_CHECKING:
    from tailrank.ranking.reranker import Reranker


@dataclass(frozen=True)
class Explanation:
    """One candidate's score, taken apart.

    Attributes
    ----------
    item_id
        The candidate.
    score
        What it was ranked by; the contributions add up to it.
    contributions
        Of each signal, in log-odds. `base` is what its count bucket earns without any signal;
        `upstream` the share of the caller's own scores (of several, `upstream NAME` each), `long-tail` that
        of the policy, where used.
    by_event
        For each signal that looks at single events, the contribution of every event it saw, oldest
        first; they add up to the signal's contribution.
    """

    item_id: str
    score: float
    contributions: dict[str, float]
    by_event: dict[str, list[float]]


def explain(
    reranker: Reranker,
    history: Histories,
    candidates: Candidates,
    ids: Sequence[str],
    added: Mapping[str, Floats],
    tail: float | None = None,
) -> list[Explanation]:
    """Take the scores of one history apart, as `Reranker.score` gives them.

    Parameters
    ----------
    reranker
        Whose scores.
    history
        One history.
    candidates, ids
        The candidates, and what to call them.
    added
        What else is part of the score, by name; each of shape (candidates,).
    tail
        Dial of the long-tail policy; by default the model's own.
    """
    seen, fusion = history.latest(reranker.settings.max_history), reranker.fusion
    buckets, known = reranker.catalogue.buckets[candidates.codes], int(history_buckets(seen.lengths)[0])
    parts: dict[str, Floats] = {"base": fusion.biases[buckets, known]}
    events: dict[str, Floats] = {}
    for position, signal in enumerate(reranker.signals):
        weights = fusion.weights[buckets, known, position]
        parts[signal.name] = weights * signal.score(seen, candidates)[0]
        shares = signal.by_event(seen, candidates)
        if shares is not None:
            events[signal.name] = weights * shares
    parts |= added
    dial = reranker.tail if tail is None else tail
    if dial:
        rare = reranker.catalogue.rare[candidates.codes]
        parts["long-tail"] = promote(np.zeros(len(candidates), np.float32), rare, dial)
    total = np.sum(list(parts.values()), axis=0)
    return [
        Explanation(
            item_id,
            float(total[at]),
            {name: float(values[at]) for name, values in parts.items()},
            {name: values[:, at].tolist() for name, values in events.items()},
        )
        for at, item_id in enumerate(ids)
    ]

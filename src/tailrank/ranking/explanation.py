"""Where a score comes from, signal by signal and event by event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.data.histories import Histories
from tailrank.ranking.fusion import Fusion, history_buckets
from tailrank.signals.protocol import Candidates, Signal


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
    signals: tuple[Signal, ...],
    fusion: Fusion,
    history: Histories,
    candidates: Candidates,
    buckets: Codes,
    ids: list[str],
    added: dict[str, Floats],
) -> list[Explanation]:
    """Take the scores of one history apart.

    Parameters
    ----------
    history
        One history, as the signals see it.
    buckets
        Count bucket of each candidate, shape (candidates,).
    ids
        Their ids.
    added
        What else is part of the score, by name; each of shape (candidates,).
    """
    known = int(history_buckets(history.lengths)[0])
    parts: dict[str, Floats] = {"base": fusion.biases[buckets, known]}
    events: dict[str, Floats] = {}
    for position, signal in enumerate(signals):
        weights = fusion.weights[buckets, known, position]
        parts[signal.name] = weights * signal.score(history, candidates)[0]
        shares = signal.by_event(history, candidates)
        if shares is not None:
            events[signal.name] = weights * shares
    parts |= added
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

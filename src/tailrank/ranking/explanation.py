"""Which events a score comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.signals.base import Signal


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
        By name, in log-odds, as `Ranking` has them.
    by_event
        For each signal that looks at single events, the contribution of every event that it saw, oldest
        first; they add up to the signal's contribution. Empty for an item that the model doesn't know.
    """

    item_id: str
    score: float
    contributions: dict[str, float]
    by_event: dict[str, list[float]]


def contributions_by_event(
    signals: Sequence[Signal], weights: Floats, history: Histories, candidates: Candidates
) -> list[dict[str, list[float]]]:
    """Split the contribution of each signal by the events of one history, for every candidate.

    Parameters
    ----------
    signals
        Those of the model; one that doesn't look at single events is left out.
    weights
        Fusion's weights, shape (signals, candidates).
    history, candidates
        As the signals see them.
    """
    found: list[dict[str, list[float]]] = [{} for _ in range(len(candidates))]
    for signal, weight in zip(signals, weights, strict=True):
        shares = signal.by_event(history, candidates)
        if shares is not None:
            for inner, events in zip(found, (weight * shares).T.tolist(), strict=True):
                inner[signal.name] = events
    return found

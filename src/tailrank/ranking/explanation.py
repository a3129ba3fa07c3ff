"""Why an item ranks where it does: which signals and which events set it apart from the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.ranking.display import html_table
from tailrank.ranking.request import LIST_MEAN
from tailrank.signals.base import Signal

LEAST: Final = 0.005
"""Log-odds that two digits show."""


@dataclass(frozen=True)
class Reason:
    """One part of what sets an item apart from the list.

    Attributes
    ----------
    name
        Of the contribution.
    lift
        The contribution: how much more the item has of it than the list has on average, in log-odds.
    event
        Item id of the event that sets it apart most; None if it doesn't come from single events.
    """

    name: str
    lift: float
    event: str | None = None


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
        By name, in log-odds, as `Ranking` has them: the list's mean, and what sets the candidate apart.
    by_event
        For each signal that looks at single events, what every event that it saw contributes, oldest first,
        less what it contributes to the list on average; they add up to the signal's contribution. Empty for
        an item that the model doesn't know.
    events
        Item ids of these events.
    """

    item_id: str
    score: float
    contributions: dict[str, float]
    by_event: dict[str, list[float]]
    events: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parts = ", ".join(f"{each.name} {each.lift:+.2f}" for each in self.reasons if abs(each.lift) >= LEAST)
        return f"Explanation({self.item_id!r} {self.score:.2f}: {parts})"

    def _repr_html_(self) -> str:
        rows = [(each.name, each.lift, each.event or "") for each in self.reasons]
        rows += [(LIST_MEAN, self.score - self.lift, ""), ("score", self.score, "")]
        return html_table([self.item_id, "log-odds", "most by"], rows)

    @property
    def lift(self) -> float:
        """Score less the list's mean."""
        return self.score - self.contributions[LIST_MEAN]

    @property
    def reasons(self) -> list[Reason]:
        """What sets the candidate apart, from what speaks for it most to what speaks against it most."""
        found = [
            Reason(name, lift, self._event(name, lift))
            for name, lift in self.contributions.items()
            if name != LIST_MEAN
        ]
        return sorted(found, key=lambda reason: -reason.lift)

    def _event(self, name: str, lift: float) -> str | None:
        shares = self.by_event.get(name)
        return self.events[int(np.argmax(np.sign(lift) * np.array(shares)))] if shares else None


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
        As the signals see them; there is at least one candidate.
    """
    found: list[dict[str, list[float]]] = [{} for _ in range(len(candidates))]
    for signal, weight in zip(signals, weights, strict=True):
        shares = signal.by_event(history, candidates)
        if shares is not None:
            parts = weight * shares
            apart = parts - parts.mean(axis=1, keepdims=True)
            for inner, events in zip(found, apart.T.tolist(), strict=True):
                inner[signal.name] = events
    return found

"""Why an item ranks where it does: which signals and which events set it apart from the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats
from tailrank.data.candidates import Candidates
from tailrank.ranking.additive import settled
from tailrank.ranking.display import html_table
from tailrank.ranking.fusion import history_buckets
from tailrank.ranking.parts import LIST_MEAN, Contributions, Move
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.scoring import Scoring

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
    moves
        Its rank before and after each step after the score, in their order.
    leanings
        How much more of a signal it has than the list on average, before weights: a signal may count against
        what has much of it.
    """

    item_id: str
    score: float
    contributions: dict[str, float]
    by_event: dict[str, list[float]]
    events: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    leanings: dict[str, float] = field(default_factory=dict)

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
        return reasons(self.contributions, self.by_event, self.events)


def reasons(
    contributions: Mapping[str, float], by_event: Mapping[str, Sequence[float]], events: Sequence[str]
) -> list[Reason]:
    """Name the event behind each contribution but the list's mean; from the highest to the lowest."""

    def most(name: str, lift: float) -> str | None:
        shares = by_event.get(name)
        return events[int(np.argmax(np.sign(lift) * np.array(shares)))] if shares else None

    found = [Reason(name, lift, most(name, lift)) for name, lift in contributions.items()]
    return sorted((each for each in found if each.name != LIST_MEAN), key=lambda reason: -reason.lift)


@dataclass(frozen=True)
class EventShares:
    """The contributions of signals, split by the events of one history, for all candidates that are known.

    Attributes
    ----------
    events
        Item ids of the events that the signals saw, oldest first.
    rows
        Position of each candidate in what follows, by its id.
    shares
        By the name of a signal that looks at single events, less the mean over the candidates, shape (events,
        candidates).
    leanings
        By the name of a signal, what it says less the mean over the candidates, shape (candidates,).
    """

    events: tuple[str, ...]
    rows: Mapping[str, int]
    shares: Mapping[str, Doubles]
    leanings: Mapping[str, Floats]

    @classmethod
    def split(
        cls,
        scoring: Scoring,
        levels: Codes,
        events: tuple[str, ...],
        candidates: Candidates,
        ids: Sequence[str],
    ) -> Self:
        """Split what the signals say.

        Parameters
        ----------
        scoring
            Signals, and what they read of one history.
        levels
            Count levels of the candidates, shape (candidates,).
        events, ids
            Names of what they read, and item ids of the candidates.
        candidates
            As the signals see them.
        """
        found, leanings = dict[str, Doubles](), dict[str, Floats]()
        weights = scoring.fusion.weights_of(levels, int(history_buckets(scoring.told.lengths)[0]))
        for signal, weight in zip(scoring.signals, weights, strict=True) if ids else ():
            shares = scoring.by_event(signal, candidates)
            if shares is not None:
                parts = weight.astype(np.float64) * shares
                found[signal.name] = parts - parts.mean(axis=1, keepdims=True)
            said = scoring.score(signal, candidates)[0] if shares is None else shares.sum(axis=0)
            leanings[signal.name] = said - said.mean()
        return cls(events, {item: row for row, item in enumerate(ids)}, found, leanings)

    def of_items(self, ids: Sequence[str], contributions: Contributions) -> list[dict[str, list[float]]]:
        """Give what each event contributes to items, by signal; nothing for an unknown item.

        They add up to the contributions, shape (items, names).
        """
        known = [at for at, item in enumerate(ids) if item in self.rows]
        rows = [self.rows[ids[at]] for at in known]
        found: list[dict[str, list[float]]] = [{} for _ in ids]
        for name, shares in self.shares.items():
            totals = contributions.values[known, contributions.names.index(name)]
            for at, parts in zip(known, settled(shares[:, rows], totals).T.tolist(), strict=True):
                found[at][name] = parts
        return found

    def leanings_of(self, item: str) -> dict[str, float]:
        """Give how much more of each signal an item has than the list on average; none if it is unknown."""
        row = self.rows.get(item)
        return {} if row is None else {name: float(said[row]) for name, said in self.leanings.items()}


def explanations(ranking: Ranking, shares: EventShares, first: int | None = None) -> list[Explanation]:
    """Explain the first items of a ranking that knows its contributions and moves; None explains all."""
    if ranking.contributions is None or ranking.moves is None:
        return []
    ids = ranking.item_ids[:first]
    columns = (
        ids,
        ranking.scores,
        ranking.contributions.by_item(),
        shares.of_items(ids, ranking.contributions),
        repeat(shares.events),
        ranking.moves.by_item(),
        map(shares.leanings_of, ids),
    )
    return list(map(Explanation, *columns))

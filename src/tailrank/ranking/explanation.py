"""Why an item ranks where it does: which signals and which events set it apart from the list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.ranking.additive import settled
from tailrank.ranking.display import html_table
from tailrank.ranking.fusion import history_buckets
from tailrank.ranking.parts import LIST_MEAN, Contributions, Move
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.scoring import Scoring
from tailrank.signals.base import Signal
from tailrank.signals.semantic import SemanticAttention

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
    lacking
        Names of the vector spaces that say nothing of it: it has no vector there, such as without a picture,
        or they are for items with events alone.
    """

    item_id: str
    score: float
    contributions: dict[str, float]
    by_event: dict[str, list[float]]
    events: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    leanings: dict[str, float] = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()

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
        return self.strongest()

    def strongest(self, first: int | None = None) -> list[Reason]:
        """Give the first of the reasons, and the last; None gives all."""
        return reasons(self.contributions, self.by_event.get, self.events, first)


def reasons(
    contributions: Mapping[str, float],
    by_event: Callable[[str], Sequence[float] | None],
    events: Sequence[str],
    first: int | None = None,
) -> list[Reason]:
    """Name the event behind each contribution but the list's mean; from the highest to the lowest.

    Parameters
    ----------
    contributions
        By name.
    by_event
        Gives the shares of events in a contribution, by its name; nothing if it has none.
    events
        Their item ids.
    first
        How many to give, and the lowest one; None gives all.
    """

    def most(name: str, lift: float) -> str | None:
        shares = by_event(name)
        return events[shares.index((max if lift > 0 else min)(shares))] if shares else None

    found = sorted(contributions.items(), key=lambda part: -part[1])
    found = [part for part in found if part[0] != LIST_MEAN]
    if first is not None:
        found = found[:first] + found[first:][-1:]
    return [Reason(name, lift, most(name, lift)) for name, lift in found]


@dataclass(frozen=True)
class EventShares:
    """The contributions of signals, split by the events of one history, for some of the known candidates.

    Attributes
    ----------
    events
        Item ids of the events that the signals saw, oldest first.
    rows
        Position of each of these in what follows, by its id.
    names
        Of the signals that look at single events.
    shares
        What these say of each event, less the mean over all known candidates, shape (events, names, some).
    leanings
        Of each of these, what signals say by their names, less the mean over all known candidates.
    lacking
        Of each of these, the names of vector spaces that say nothing of it.
    """

    events: tuple[str, ...]
    rows: Mapping[str, int]
    names: tuple[str, ...]
    shares: Doubles
    leanings: Sequence[dict[str, float]]
    lacking: Sequence[frozenset[str]]

    @classmethod
    def split(
        cls,
        scoring: Scoring,
        levels: Codes,
        events: tuple[str, ...],
        candidates: Candidates,
        ids: Sequence[str],
        wanted: Collection[str],
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
        wanted
            Those to split it for; any others only count in the means.
        """
        at = np.fromiter((row for row, item in enumerate(ids) if item in wanted), np.int64)
        names, found, told = list[str](), list[Doubles](), dict[str, Floats]()
        weights = scoring.fusion.weights_of(levels, int(history_buckets(scoring.told.lengths)[0]))
        for signal, weight in zip(scoring.signals, weights, strict=True) if ids else ():
            shares = scoring.by_event(signal, candidates)
            if shares is None:
                said = scoring.score(signal, candidates)[0]
            else:
                said, exact = shares.sum(axis=0), weight.astype(np.float64)
                means = shares @ exact / len(ids)
                names.append(signal.name)
                found.append(exact.take(at) * shares.take(at, axis=1) - means[:, None])
            told[signal.name] = said
        rows = {ids[row]: nth for nth, row in enumerate(at.tolist())}
        stacked = np.stack(found, axis=1) if found else np.empty((len(events), 0, len(at)))
        lacking = _lacking(scoring.signals, candidates.codes.take(at))
        return cls(events, rows, tuple(names), stacked, _leanings(told, at), lacking)

    def of_items(self, ids: Sequence[str], contributions: Contributions) -> list[dict[str, list[float]]]:
        """Give what each event contributes to items, by signal; nothing for an unknown item.

        They add up to the contributions, shape (items, names).
        """
        known = [at for at, item in enumerate(ids) if item in self.rows]
        rows = np.array([self.rows[ids[at]] for at in known], np.int64)
        parts = self.shares.take(rows, axis=2)
        columns = [contributions.names.index(name) for name in self.names]
        totals = contributions.values[known][:, columns].T
        exact = settled(parts.reshape(len(parts), totals.size), totals.ravel()).reshape(parts.shape)
        found: list[dict[str, list[float]]] = [{} for _ in ids]
        for at, split in zip(known, exact.transpose(2, 1, 0), strict=True):
            found[at] = dict(zip(self.names, split.tolist(), strict=True))
        return found


def _leanings(said: Mapping[str, Floats], at: Offsets) -> list[dict[str, float]]:
    """Say how much more some candidates have of each signal than all have on average."""
    if not said:
        return []
    values = np.stack(list(said.values()), axis=1)
    apart = values.take(at, axis=0) - values.mean(axis=0)
    return [dict(zip(said, row, strict=True)) for row in apart.tolist()]


def _lacking(signals: Sequence[Signal], codes: Codes) -> list[frozenset[str]]:
    """Name for each item the vector spaces that say nothing of it."""
    compared = (signal for signal in signals if isinstance(signal, SemanticAttention))
    having = {signal.space: signal.speaks_of(codes) for signal in compared}
    return [frozenset(name for name, has in having.items() if not has[at]) for at in range(len(codes))]


def explanations(ranking: Ranking, ids: Sequence[str], shares: EventShares) -> list[Explanation]:
    """Explain the first items of a ranking that knows its contributions and moves, which `ids` names."""
    if ranking.contributions is None or ranking.moves is None:
        return []
    rows = list(map(shares.rows.get, ids))
    columns = (
        ids,
        ranking.scores,
        ranking.contributions.by_item(),
        shares.of_items(ids, ranking.contributions),
        repeat(shares.events),
        ranking.moves.by_item(),
        ({} if row is None else shares.leanings[row] for row in rows),
        (frozenset[str]() if row is None else shares.lacking[row] for row in rows),
    )
    return list(map(Explanation, *columns))

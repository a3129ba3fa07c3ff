"""What is asked of a ranker."""

from __future__ import annotations

import operator
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any, Final, cast

import numpy as np

from tailrank.arrays import Offsets
from tailrank.bounds import EARLIEST_TIMESTAMP, as_list, check_time
from tailrank.data.histories import Event, History
from tailrank.errors import RequestError, instead_of
from tailrank.policy.base import Policy, Scalar
from tailrank.ranking.catalogue import check_strings
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.text_events import AnyEvent, TextEvent, apart
from tailrank.ranking.upstream import Scores


@dataclass(frozen=True)
class Request:
    """Candidates to rank for one history.

    Attributes
    ----------
    history
        The user's events, oldest first: item ids, `Event`, or `TextEvent`, which moves to `texts`; or all of
        them as the columns of a `History`. May be empty. Items that the model doesn't know are dropped, and
        named in the ranking.
    candidates
        Item ids in the order of the recommender that found them. One that occurs again is ranked once, by its
        first rank. One that the model doesn't know gets the mean of the others' scores or, without scores of
        its recommender, keeps its rank.
    scores
        That recommender's own scores, one a candidate, the higher the better; NaN if missing. Those of
        several recommenders go by their names. A name that `Reranker.learn_upstream` met counts as it
        learned, any other as `Settings.upstream_weight` says.
    policy
        Steps after the score, in their order; None takes the model's own.
    k
        Length of the ranking; None ranks all candidates.
    explain
        Whether the ranking says what each score is made of, and so what sets an item apart from the list.
    keep_signals
        Whether the ranking keeps what each signal said, to learn from later.
    time
        When the list is made, in seconds since 1970, for policies that go by it; None is now.
    context
        What is known of the request itself, such as the market and the device, by names of one's own, for
        rules that go by it.
    ranking_id
        What to call the ranking; None makes something up.
    shown
        When the user was shown items lately, in seconds since 1970, by their ids, for policies that go by it.
    without
        Names of signals whose parts are left out of the score.
    texts
        What the user says among the events.

    Raises
    ------
    RequestError
        On a `k` below 1, a `ranking_id` that isn't text, a history, candidates, a policy or names of signals
        that are no list, a context that is no mapping, or times of `shown` that make no sense.
    """

    history: Sequence[AnyEvent] | History = ()
    candidates: Sequence[str] = ()
    scores: Scores | None = None
    policy: Sequence[Policy] | None = None
    k: int | None = None
    explain: bool = False
    keep_signals: bool = False
    time: float | None = None
    context: Mapping[str, Scalar] = field(default_factory=dict)
    ranking_id: str | None = None
    shown: Mapping[str, Sequence[float]] = field(default_factory=dict)
    without: Sequence[str] = ()
    texts: Sequence[TextEvent] = ()

    def __post_init__(self) -> None:
        for name in ("history", "candidates", "without", "texts"):
            given = getattr(self, name)
            if isinstance(given, Event):
                raise RequestError(f"{name} must be a list of item ids, not {given!r}")
            if not isinstance(given, list | tuple):
                object.__setattr__(self, name, as_list(name, given))
        if TextEvent in set(map(type, self.history)):
            history, texts = apart(self.history, self.texts)
            object.__setattr__(self, "history", history)
            object.__setattr__(self, "texts", texts)
        if self.k is not None and not _is_whole(self.k):
            raise RequestError(f"k must be a whole number, not {self.k!r}")
        if self.k is not None and self.k < 1:
            raise RequestError(f"k must be at least 1, not {self.k}")
        if self.policy is not None and not _are_steps(self.policy):
            raise RequestError(f"policy must be a list such as [TailBoost(0.5)], not {self.policy!r}")
        if not isinstance(self.context, Mapping):
            raise RequestError(f'context must be a mapping such as {{"market": "de"}}, not {self.context!r}')
        if self.ranking_id is not None and not (isinstance(self.ranking_id, str) and self.ranking_id):
            raise RequestError(f"ranking_id must be text, not {self.ranking_id!r}")
        if self.shown:
            _check_shown(self.shown)

    @property
    def n_events(self) -> int:
        """How many events the history has."""
        return len(self.history.items if isinstance(self.history, History) else self.history)

    @property
    def columns(self) -> History:
        """The history as columns.

        Raises
        ------
        RequestError
            If its timestamps make no sense.
        """
        if isinstance(self.history, History):
            return self.history
        return History.from_events(cast("Sequence[str | Event]", self.history))

    def upstream_ranking(self) -> Ranking:
        """Keep the order of the candidates: what to return when there is no time to rank, or no way to."""
        ids, ranks = distinct(self.candidates)
        scores = [0.0] * len(ids)
        if isinstance(self.scores, Sequence):
            given = np.nan_to_num(np.array(self.scores, np.float64))
            scores = [float(given[rank - 1]) for rank in ranks]
        return self.named(Ranking(ids[: self.k], scores[: self.k], ranks[: self.k].tolist()))

    def named(self, ranking: Ranking) -> Ranking:
        """Call a ranking as the request says."""
        return ranking if self.ranking_id is None else replace(ranking, ranking_id=self.ranking_id)


REQUEST_FIELDS: Final = {field.name: field.name for field in fields(Request)}


def as_request(
    asked: Request | Sequence[AnyEvent], candidates: Sequence[str], options: Mapping[str, Any]
) -> Request:
    """Make a request of a history, candidates and options.

    Raises
    ------
    RequestError
        If a request comes with candidates or options, which would be passed over; on options by unknown
        names.
    """
    if not isinstance(asked, Request):
        for name in options:
            if name not in REQUEST_FIELDS:
                raise RequestError(f"unknown option `{name}`: {instead_of(name, REQUEST_FIELDS)}")
        return Request(asked, candidates, **options)
    if options or candidates or not isinstance(candidates, tuple):
        raise RequestError("a Request holds all that is asked: give it the candidates and the options")
    return asked


def _is_whole(number: object) -> bool:
    try:
        operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _check_shown(shown: object) -> None:
    if not isinstance(shown, Mapping):
        raise RequestError(f'shown must be a mapping such as {{"t1": [1717200000]}}, not {shown!r}')
    try:
        times = list(chain.from_iterable(shown.values()))
        if (
            min(times, default=EARLIEST_TIMESTAMP) >= EARLIEST_TIMESTAMP
            and max(times, default=0) <= time.time()
        ):
            return
    except TypeError:
        pass  # which one it is, is said below
    for name, times in shown.items():
        try:
            for at in times:
                check_time(at)
        except TypeError:
            raise RequestError(f"shown: of {name!r}, give a list of times, not {times!r}") from None
        except ValueError as why:
            raise RequestError(f"shown: {name!r}: {why}") from None


def _are_steps(policy: object) -> bool:
    return isinstance(policy, list | tuple) and all(
        hasattr(step, "apply") and not isinstance(step, type) for step in policy
    )


def distinct(ids: Sequence[str]) -> tuple[list[str], Offsets]:
    """List each candidate once, with its first rank, from 1, shape (candidates,).

    Raises
    ------
    RequestError
        If an id is a list or a dict.

    Examples
    --------
    >>> distinct(["tea", "jam", "tea", "egg"])
    (['tea', 'jam', 'egg'], array([1, 2, 4]))
    """
    try:
        n_distinct = len(set(ids))
    except TypeError:  # a list or dict can't be looked up
        check_strings(ids, "candidate")
        raise
    if n_distinct == len(ids):
        return list(ids), np.arange(1, len(ids) + 1)
    first = dict(zip(reversed(ids), range(len(ids), 0, -1), strict=True))
    ranks = sorted(first.values())
    return [ids[rank - 1] for rank in ranks], np.array(ranks)

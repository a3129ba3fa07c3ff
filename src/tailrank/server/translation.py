"""Between the shapes of the wire and those of the ranker."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, repeat, zip_longest
from typing import Any, Final, cast

from msgspec import UNSET, UnsetType

from tailrank import api
from tailrank.bounds import EARLIEST_TIMESTAMP, check_time
from tailrank.data.dataset import Clock
from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.policy.base import Policy
from tailrank.policy.registry import from_description
from tailrank.policy.rules import Rules
from tailrank.policy.tail import TailBoost
from tailrank.ranking.contrast import Contrast
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.phrasebook import Phrasebook, said
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.reasons import because, why_above
from tailrank.ranking.request import Request
from tailrank.ranking.text_events import TextEvent

CONDITION: Final = "unless"
"""The setting of steps that is a condition on items: it is worked out for all of them."""

FROM_A_FILE: Final = "conditions on items come from a file: start the server with --policies FILE"

NO_EVENTS: Final = History([], [], [])
NOTHING_SHOWN: Final[Mapping[str, Sequence[float]]] = {}


def to_request(
    body: api.RankRequest,
    stored: History,
    keep_signals: bool = False,
    shown: Mapping[str, Sequence[float]] = NOTHING_SHOWN,
    texts: Sequence[TextEvent] = (),
) -> Request:
    """Put a request together from its body, what is stored of the user, and the texts in its history."""
    ids, scores = _columns(body.candidates)
    history, policy = _joined(stored, body.history), _steps(body.policy)
    return Request(
        history,
        ids,
        scores,
        policy,
        body.k,
        bool(body.explain),
        keep_signals,
        context=body.context,
        ranking_id=body.ranking_id,
        shown=shown if body.shown is None else body.shown,
        without=tuple(body.without),
        texts=texts,
    )


def _steps(policy: api.Policy | list[api.Step] | None) -> tuple[Policy, ...] | None:
    """Make the steps that a request names; None if it names none."""
    if policy is None or isinstance(policy, api.Policy):
        return None if policy is None or policy.tail is None else (TailBoost(policy.tail),)
    steps = list[Policy]()
    for at, described in enumerate(policy):
        try:
            if described.get("name") == Rules.name or CONDITION in described:
                raise RequestError(FROM_A_FILE)
            steps += from_description([described])
        except RequestError as why:
            raise RequestError(f"{why} - at `$.policy[{at}]`") from None
    return tuple(steps)


def _columns(candidates: list[str | api.Candidate]) -> tuple[list[str], list[float] | None]:
    """Split candidates into ids and scores; no scores if none has one."""
    if api.Candidate not in set(map(type, candidates)):
        return cast("list[str]", candidates), None
    ids = [each if isinstance(each, str) else each.id for each in candidates]
    scores = [math.nan if isinstance(c, str) or c.score is None else c.score for c in candidates]
    return ids, None if all(map(math.isnan, scores)) else scores


def check_times(history: Sequence[str | api.HistoryEvent], clock: Clock) -> None:
    """Check the times of a request's history; a model of positions or elapsed seconds takes any order.

    Raises
    ------
    RequestError
        Naming the first field whose time makes no sense.
    """
    earliest = EARLIEST_TIMESTAMP if clock == "timestamp" else 0
    for at, event in enumerate(history):
        if not isinstance(event, str) and event.timestamp is not None:
            try:
                check_time(event.timestamp, earliest)
            except ValueError as why:
                raise RequestError(f"{why} - at `$.history[{at}].timestamp`") from None


def _joined(stored: History, given: Sequence[str | api.HistoryEvent]) -> History:
    """Let the events of a request follow those that are stored."""
    if not given:
        return stored
    events = [api.HistoryEvent(each) if isinstance(each, str) else each for each in given]
    events = [event for event in events if not event.text]
    return History(
        stored.items + [event.item_id for event in events],
        stored.events + [event.event or "" for event in events],
        stored.times + [-math.inf if event.timestamp is None else event.timestamp for event in events],
    )


def to_explanations(
    found: Sequence[Explanation],
    titles: Mapping[str, str],
    language: api.Language,
    book: Phrasebook | None = None,
) -> list[api.Explanation]:
    """Write explanations of items that follow each other, each compared with the next."""
    written = []
    for one, following in zip_longest(found, found[1:]):
        above: str | UnsetType = UNSET
        if following is not None and one.score >= following.score:
            above = said(book, partial(why_above, Contrast(one, following), language=language), titles)
        moves = [api.Move(*move) for move in one.moves]
        reasons = said(book, partial(because, one, language=language), titles)
        written.append(api.Explanation(reasons, one.by_event, moves, above))
    return written


def to_items(ranking: Ranking, explanations: Sequence[api.Explanation] = ()) -> list[api.RankedItem]:
    """Write a ranking as the wire has it, the first items explained; what isn't needed is left out."""
    ranks = range(1, len(ranking) + 1)
    columns: list[Iterable[Any]] = [ranking.item_ids, ranking.scores, ranks, ranking.previous_ranks]
    if ranking.known is not None:
        columns.append([UNSET if known else True for known in ranking.known])
    elif ranking.contributions is not None:
        columns.append([UNSET] * len(ranking))
    if ranking.contributions is not None:
        columns.append(ranking.contributions.by_item())
    if explanations:
        columns.append(chain(explanations, repeat(UNSET)))
    return list(map(api.RankedItem, *columns))

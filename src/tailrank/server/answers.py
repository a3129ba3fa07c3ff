"""What a ranking is answered as, reasons in words included."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from tailrank import api
from tailrank.ranking.reasons import titles_of
from tailrank.ranking.request import Request
from tailrank.server.experiment import Served
from tailrank.server.translation import to_explanations, to_items
from tailrank.stages import stage

Told: TypeAlias = tuple[Sequence[api.Explanation], list[str] | msgspec.UnsetType]
"""Explanations of the first items, and the items of the events that they speak of."""

NOTHING_TOLD: Final[Told] = ((), msgspec.UNSET)


def explained(asked: Request, served: Served, explain: bool | api.Language) -> Told:
    """Put the first items' reasons into words, if a language was named."""
    ranking, model, _ = served
    if isinstance(explain, bool) or not ranking:
        return NOTHING_TOLD
    with stage("explain"):
        found = model.reranker.explained(asked, ranking, api.MAX_EXPLAINED)
        events = list(found[0].events)
        titles = titles_of(model.reranker.catalogue, [*ranking.item_ids[: api.MAX_EXPLAINED], *events])
        return to_explanations(found, titles, explain), events


def to_answer(
    served: Served,
    arrived: float,
    policies: str,
    reason: api.DegradedReason | None = None,
    is_unknown: bool = False,
    told: Told = NOTHING_TOLD,
) -> api.Ranking:
    """Turn a ranking into an answer.

    Parameters
    ----------
    served
        The ranking, and by which model.
    arrived
        When the request did, on the clock of `time.perf_counter`.
    policies
        Version of the file of policies; empty if there is none.
    reason
        Why it is degraded; None if it isn't.
    is_unknown
        Whether nothing is stored of the user.
    told
        What is said of it in words.
    """
    ranking, model, compared = served
    return api.Ranking(
        ranking.ranking_id,
        model.name,
        1e3 * (time.perf_counter() - arrived),
        reason is not None,
        to_items(ranking, told[0]),
        reason or msgspec.UNSET,
        ranking.unknown_history or msgspec.UNSET,
        ranking.history_length,
        is_unknown or msgspec.UNSET,
        compared.compared[1] if compared.teams else msgspec.UNSET,
        ranking.removed or msgspec.UNSET,
        policies or msgspec.UNSET,
        told[1] or msgspec.UNSET,
    )

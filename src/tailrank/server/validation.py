"""What a request to rank would do and why, for `POST /v1/rank/validate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tailrank import api_reports
from tailrank.errors import instead_of
from tailrank.feedback.exposure_control import HeldExposure
from tailrank.policy.base import Policy
from tailrank.policy.exposure import Exposure
from tailrank.policy.registry import described
from tailrank.policy.reviewed import Reviewed
from tailrank.policy.rules import Rules
from tailrank.policy.watching import Watched
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker


def watched_ranking(reranker: Reranker, asked: Request) -> tuple[Ranking, list[api_reports.StepEffect]]:
    """Rank, and say what each step does.

    Raises
    ------
    RequestError
        As `Reranker.rank` does.
    """
    own = reranker.policy if asked.policy is None else asked.policy
    source: api_reports.Source = "model" if asked.policy is None else "request"
    server: api_reports.Source = "server"
    sources = [server] * len(reranker.first) + [source] * len(own) + [server] * len(reranker.standing)
    watched = [Watched(step) for step in reranker.steps(asked.policy)]
    steps: Sequence[Any] = watched
    ranking = replace(reranker, first=(), standing=()).rank(replace(asked, policy=steps))
    return ranking, [_effect(each, origin) for each, origin in zip(watched, sources, strict=True)]


def warnings(reranker: Reranker, asked: Request) -> Iterator[str]:
    """Say what may not be meant: rules that never act, and what no rule reads."""
    tables = [step.table for step in reranker.steps(asked.policy) if isinstance(step, Rules)]
    for table in tables:
        for name in table.unmet(reranker.all_items):
            yield f"rule {name!r}: no item meets it"
        for rule in table.rules:
            if rule.until is not None and rule.until <= reranker.listing(asked).now:
                yield f"rule {rule.id!r}: it is over"
    read = {name: name for table in tables for rule in table.rules for name in rule.context}
    for name in asked.context:
        if name not in read:
            yield f"context.{name}: no rule reads it: {instead_of(name, read)}"
    unknown = reranker.catalogue.unknown(asked.candidates, "candidate")
    if unknown:
        yield f"candidate {unknown[0]!r}: the model doesn't know it, so nothing but its id can be read"


def _effect(watched: Watched, source: api_reports.Source) -> api_reports.StepEffect:
    [effect] = watched.effects
    return api_reports.StepEffect(
        watched.name,
        source,
        _settings(watched.step),
        effect.removed,
        [api_reports.Moved(*each) for each in effect.moved],
        [api_reports.ActingRule(each.rule.id, each.rule.then, list(each.items)) for each in effect.acting],
    )


def _settings(step: Policy) -> dict[str, Any]:
    """Give the settings of a step; of rules and reviews, those that act are told anyway."""
    if isinstance(step, Rules | Reviewed):
        return {}
    if isinstance(step, HeldExposure):
        price = step.price
        step = Exposure(0.0, price.places, price.target, price.max_loss)
    [settings] = described([step])
    del settings["name"]
    return settings

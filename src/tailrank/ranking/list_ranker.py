"""`ListRanker`: signals, fusion and policies make rankings, in one way."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final, Self

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.columns import Columns
from tailrank.data.histories import Histories, History, parts
from tailrank.errors import RequestError
from tailrank.policy.base import ChecksItems, Policy, Scored, apply_all
from tailrank.ranking.catalogue import check_strings
from tailrank.ranking.fitted import Fitted
from tailrank.ranking.fused_scores import FusedScores
from tailrank.ranking.listing import CandidateListing
from tailrank.ranking.ordering import Listed, order_candidates, reasons
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request, as_request, distinct
from tailrank.ranking.scoring import Scoring, fuse_all
from tailrank.ranking.signal_values import SignalValues
from tailrank.ranking.text_events import AnyEvent
from tailrank.ranking.upstream import shares

PLAIN: Final = Request()
"""One that says nothing of time and context."""

SCORES_AT_ONCE: Final = 12_800
"""Of one signal, which the steps of `_rank_groups` hold for all groups."""

NO_EVENTS: Final = History([], [], [])


class ListRanker(Fitted):
    """Ranks candidates by what was learned; what is evaluated and what serves goes through here."""

    def with_standing(self, steps: Sequence[Policy]) -> Self:
        """Let steps come after those of the model or of a request, in every ranking.

        Raises
        ------
        RequestError
            If a step doesn't fit the items, such as rules that contradict each other on one of them.
        """
        for step in steps:
            if isinstance(step, ChecksItems):
                step.check(self.all_items)
        return replace(self, standing=tuple(steps))

    @property
    def item_ids(self) -> list[str]:
        """Ids of the items that there are now, those that came since included."""
        return self.catalogue.ids_of(self.catalogue.known_codes)

    @property
    def all_items(self) -> CandidateListing:
        """All items learned from, as policies see a list."""
        ids = self.catalogue.items[Columns.ITEM].to_list()
        return self._listing(ids, np.arange(len(ids), dtype=np.int32), NO_EVENTS)

    def listing(self, request: Request) -> CandidateListing:
        """Give what policies may ask of a request's list."""
        ids, _ = distinct(request.candidates)
        return self._listing(ids, self.catalogue.codes_of(ids), request.columns, request)

    def with_items(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        vectors: Mapping[str, Floats] | None = None,
        columns: Sequence[Mapping[str, Any]] | None = None,
    ) -> Self:
        """Take in items as `Fitted.with_items` does; no ranking has to wait for what steps make of them."""
        found = super().with_items(ids, texts, vectors, columns)
        found.upstream_ranking(Request(candidates=ids))
        return found

    def rank(
        self,
        request: Request | Sequence[AnyEvent],
        /,
        candidates: Sequence[str] = (),
        **options: Any,
    ) -> Ranking:
        """Rank candidates for one user.

        Parameters
        ----------
        request
            What is asked; or the history alone, followed by the candidates and, by name, the other fields of
            `Request`.

        Raises
        ------
        RequestError
            On timestamps or scores that make no sense, or a `k` below 1.
        """
        request = as_request(request, candidates, options)
        [[ranking]] = self._rank_groups([[request]])
        return ranking

    def upstream_ranking(self, request: Request) -> Ranking:
        """Keep the order of the candidates, but for what the first and the standing steps do to it.

        What to return when there is no time to rank, or no way to.

        Raises
        ------
        RequestError
            As `rank` does.
        """
        steps = self.steps(())
        if not steps:
            return request.upstream_ranking()
        whole = replace(request, k=None).upstream_ranking()
        listed = Listed.from_ids(request.candidates, self.catalogue)
        listing = self._listing(listed.ids, listed.codes, request.columns, request)
        falling = -np.arange(len(listed.ids), dtype=np.float32)
        scored = apply_all(steps, Scored(falling, listed.rarity, listing=listing))
        left = scored.order[: request.k].tolist()
        return replace(
            whole,
            item_ids=[whole.item_ids[at] for at in left],
            scores=[whole.scores[at] for at in left],
            previous_ranks=[whole.previous_ranks[at] for at in left],
            removed=reasons(listed.ids, scored.removed),
        )

    def rank_many(self, requests: Iterable[Request]) -> list[Ranking]:
        """Rank many requests; histories that share their candidates are scored together, others in turn.

        Raises
        ------
        RequestError
            As `rank` does; nothing is ranked then.
        """
        requests, groups = list(requests), dict[tuple[object, ...], list[int]]()
        if not all(isinstance(request, Request) for request in requests):
            raise RequestError("rank_many takes a list of Request(history, candidates)")
        for at, request in enumerate(requests):
            try:
                alone = at if request.texts else -1
                groups.setdefault((*request.candidates, tuple(request.without), alone), []).append(at)
            except TypeError:  # a list or dict can't be looked up
                check_strings(request.candidates, "candidate")
                raise
        rankings, rows = dict[int, Ranking](), list(groups.values())
        sizes = np.array([len(each) * len(requests[each[0]].candidates) for each in rows], np.int64)
        for some in parts(sizes, SCORES_AT_ONCE) if rows else ():
            ranked = self._rank_groups([[requests[at] for at in each] for each in rows[some]])
            rankings.update(zip(chain(*rows[some]), chain(*ranked), strict=True))
        return [rankings[at] for at in range(len(requests))]

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score every candidate for every history, the model's policy and standing steps included.

        Returns
        -------
        Floats
            Log-odds, shape (histories, candidates); minus infinity for what a policy takes from a list.
        """
        fused = Scoring.of(self, histories).fuse(candidates, self.catalogue.levels.take(candidates.codes))
        scored = Scored(fused.total, self.catalogue.rarity.take(candidates.codes))
        steps = self.steps()
        if not any(step.listwise for step in steps):
            return apply_all(steps, scored).scores
        ids = self.catalogue.ids_of(candidates.codes)
        rows = [
            apply_all(steps, replace(row, listing=self._listing(ids, candidates.codes, events)))
            for row, events in zip(scored.rows(), self.catalogue.events_of(histories), strict=True)
        ]
        return np.array([np.where(row.left, row.scores, -np.inf) for row in rows], np.float32)

    def _scoring(self, requests: Sequence[Request], histories: Sequence[Histories]) -> Scoring:
        """Say what scores requests that leave out the same signals; one with texts comes alone."""
        first = requests[0]
        if first.texts:
            return Scoring.of_texts(self, histories[0], first)
        return Scoring.of(self, Histories.concatenate(histories), first.without)

    def _listing(
        self, ids: Sequence[str], codes: Codes, events: History, request: Request = PLAIN
    ) -> CandidateListing:
        """Say what policies may ask of one list."""
        now = time.time() if request.time is None else request.time
        catalogue, signals = self.catalogue, self.signals
        return CandidateListing(ids, codes, events, now, catalogue, signals, request.context, request.shown)

    def _rank_groups(self, groups: Sequence[Sequence[Request]]) -> list[list[Ranking]]:
        """Rank groups of requests that have the same candidates and signals: the one way to a ranking.

        Step by step for all groups, so that what a step needs stays in the processor's cache.
        """
        catalogue = self.catalogue
        listed = [Listed.from_ids(requests[0].candidates, catalogue) for requests in groups]
        columns = [[request.columns for request in requests] for requests in groups]
        coded = [[catalogue.histories(events) for events in each] for each in columns]
        asked = zip(groups, coded, strict=True)
        scorings = [self._scoring(requests, [history for history, _ in each]) for requests, each in asked]
        fused = fuse_all(
            scorings,
            [each.candidates for each in listed],
            [catalogue.levels.take(each.candidates.codes) for each in listed],
        )
        return [
            [
                self._ordered(request, one, events, unknown, scoring, scores, row)
                for row, (request, events, (_, unknown)) in enumerate(zip(requests, past, found, strict=True))
            ]
            for requests, one, past, found, scoring, scores in zip(
                groups, listed, columns, coded, scorings, fused, strict=True
            )
        ]

    def _ordered(
        self,
        request: Request,
        listed: Listed,
        events: History,
        unknown: list[str],
        scoring: Scoring,
        fused: FusedScores,
        row: int,
    ) -> Ranking:
        """Order the candidates of one request, which is a row of the scores."""
        given = shares(listed.first(request.scores), self.upstream, self.settings.upstream_weight)
        policy = self.steps(request.policy)
        made_of = fused.parts(row) if request.explain else None
        signals = SignalValues.from_fused(fused, row) if request.keep_signals else None
        read, own = int(scoring.told.lengths[row]), fused.total[row]
        wish = scoring.fusion.wish(fused, row)
        listing = self._listing(listed.ids, listed.codes, events, request)
        ranking = order_candidates(
            listed, own, given, policy, request.k, made_of, unknown, read, signals, wish, listing
        )
        return request.named(ranking)

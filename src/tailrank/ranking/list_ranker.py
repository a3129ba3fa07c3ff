"""`ListRanker`: signals, fusion and policies make rankings, in one way."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Self

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.data.candidates import CandidateLists, Candidates
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
from tailrank.ranking.scoring import Scoring
from tailrank.ranking.signal_values import SignalValues
from tailrank.ranking.text_events import AnyEvent
from tailrank.ranking.upstream import shares

PLAIN: Final = Request()
"""One that says nothing of time and context."""

SCORES_AT_ONCE: Final = 12_800
"""Of one signal, which the steps of `_rank_lists` hold for all requests."""

NO_EVENTS: Final = History([], [], [])


class Told(NamedTuple):
    """The history of a request: its events, the items that are unknown, and how many events are read."""

    events: History
    unknown: list[str]
    read: int


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
        [ranking] = self._rank_alike([request])
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
        """Rank many requests: histories that share their candidates at once, others some at a time.

        Raises
        ------
        RequestError
            As `rank` does; nothing is ranked then.
        """
        requests, alike = list(requests), dict[tuple[object, ...], list[int]]()
        if not all(isinstance(request, Request) for request in requests):
            raise RequestError("rank_many takes a list of Request(history, candidates)")
        for at, request in enumerate(requests):
            own = at if request.texts else -1
            try:
                alike.setdefault((*request.candidates, tuple(request.without), own), []).append(at)
            except TypeError:  # a list or dict can't be looked up
                check_strings(request.candidates, "candidate")
                raise
        rankings, single = dict[int, Ranking](), dict[tuple[str, ...], list[int]]()
        for some in alike.values():
            if len(some) == 1 and not requests[some[0]].texts:
                single.setdefault(tuple(requests[some[0]].without), []).extend(some)
            else:
                rankings.update(zip(some, self._rank_alike([requests[at] for at in some]), strict=True))
        for rows in single.values():
            rows.sort(key=lambda at: requests[at].n_events)  # the sequence model reads equal lengths at once
            sizes = np.array([len(requests[at].candidates) for at in rows])
            for cut in parts(sizes, SCORES_AT_ONCE):
                some = rows[cut]
                rankings.update(zip(some, self._rank_lists([requests[at] for at in some]), strict=True))
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

    def _listing(
        self, ids: Sequence[str], codes: Codes, events: History, request: Request = PLAIN
    ) -> CandidateListing:
        """Say what policies may ask of one list."""
        now = time.time() if request.time is None else request.time
        catalogue, signals = self.catalogue, self.signals
        return CandidateListing(ids, codes, events, now, catalogue, signals, request.context, request.shown)

    def _rank_alike(self, requests: Sequence[Request]) -> list[Ranking]:
        """Rank requests that have the same candidates and signals; one with texts comes alone."""
        listed = Listed.from_ids(requests[0].candidates, self.catalogue)
        scoring, pasts = self._told(requests)
        fused = scoring.fuse(listed.candidates, self.catalogue.levels.take(listed.candidates.codes))
        asked = zip(requests, pasts, strict=True)
        return [self._ordered(request, past, listed, fused, row) for row, (request, past) in enumerate(asked)]

    def _rank_lists(self, requests: Sequence[Request]) -> list[Ranking]:
        """Rank requests without texts that have their own candidates and the same signals.

        Step by step for all of them, so that what a step needs stays in the processor's cache.
        """
        listed = [Listed.from_ids(request.candidates, self.catalogue) for request in requests]
        lists = CandidateLists.concatenate([each.candidates for each in listed])
        scoring, pasts = self._told(requests)
        fused = scoring.fuse_lists(lists, self.catalogue.levels.take(lists.codes))
        return [self._ordered(*each, 0) for each in zip(requests, pasts, listed, fused, strict=True)]

    def _told(self, requests: Sequence[Request]) -> tuple[Scoring, list[Told]]:
        """Code the histories of requests with the same signals, and say what scores them."""
        events, first = [request.columns for request in requests], requests[0]
        histories, unknown = self.catalogue.histories(events)
        if first.texts:
            scoring = Scoring.of_texts(self, histories, first)
        else:
            scoring = Scoring.of(self, histories, first.without)
        return scoring, list(map(Told, events, unknown, scoring.told.lengths.tolist()))

    def _ordered(
        self,
        request: Request,
        told: Told,
        listed: Listed,
        fused: FusedScores,
        row: int,
    ) -> Ranking:
        """Order the candidates of one request, which is a row of the scores."""
        given = shares(listed.first(request.scores), self.upstream, self.settings.upstream_weight)
        policy = self.steps(request.policy)
        made_of = fused.parts(row) if request.explain else None
        signals = SignalValues.from_fused(fused, row) if request.keep_signals else None
        own, wish = fused.total[row], fused.fusion.wish(fused, row)
        listing = self._listing(listed.ids, listed.codes, told.events, request)
        ranking = order_candidates(
            listed, own, given, policy, request.k, made_of, told.unknown, told.read, signals, wish, listing
        )
        return request.named(ranking)

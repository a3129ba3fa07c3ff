"""Requests to a tailrank server: what each method of a client sends, and the type of its response."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from tailrank import api, api_conversation, api_reports, api_stored
from tailrank.bounds import as_list
from tailrank.client.sending import Request, path_of, posted, sends
from tailrank.client.text_requests import TextRequests


class Requests(TextRequests):
    """The methods that both clients have, by the request that each sends."""

    @sends
    def rank(
        self,
        candidates: Sequence[str | api.Candidate],
        *,
        user: str | None = None,
        session: str | None = None,
        history: Sequence[str | api.HistoryEvent] = (),
        k: int | None = None,
        tail: float | None = None,
        explain: bool | api.Language = False,
        deadline_ms: float | None = None,
        policy: Sequence[Mapping[str, Any]] | None = None,
        context: Mapping[str, api.Scalar] | None = None,
        ranking_id: str | None = None,
        shown: Mapping[str, Sequence[float]] | None = None,
        counterfactual: str | None = None,
        without: Sequence[str] = (),
        model: str | None = None,
    ) -> Request[api.Ranking]:
        """Re-order candidates for one user.

        Parameters
        ----------
        candidates
            Ids in the order of the recommender that found them, or `api.Candidate` with its scores.
        user, session
            Whose stored history counts.
        history
            Events after the stored ones, oldest first.
        k
            Length of the list to return; all by default.
        tail
            Strength of the long-tail policy, 0 to 1; by default the model's own.
        explain
            Whether to return where each score comes from; a language also asks for sentences that say why.
        deadline_ms
            Milliseconds after which the candidates' own order is better than a late response.
        policy
            Steps after the score, each with its name and settings, in place of the model's own and of `tail`.
        context
            What is known of the request itself, such as the market, for rules that go by it.
        ranking_id
            What to call this list, if it has an id already.
        shown
            When the user was shown items lately, in seconds since 1970, by their ids; None leaves it to
            what the server remembers.
        counterfactual
            Candidate of which is asked which past events it owes to that it is among the first `k`.
        without
            Names of signals whose parts are left out of the scores.
        model
            What the server calls a model beside the one that serves, to see how that would rank.
        """
        asked = None if tail is None else api.Policy(tail)
        body = api.RankRequest(
            as_list("candidates", candidates),
            user,
            session,
            as_list("history", history),
            k,
            asked if policy is None else [dict(step) for step in policy],
            explain,
            deadline_ms,
            dict(context or {}),
            ranking_id,
            None if shown is None else {name: list(times) for name, times in shown.items()},
            counterfactual,
            as_list("without", without),
            model,
        )
        return posted("/v1/rank", body, api.Ranking)

    @sends
    def validate(self, request: api.RankRequest) -> Request[api_reports.RankCheck]:
        """Say what a request to rank would do and why, step by step; nothing is logged."""
        return posted("/v1/rank/validate", request, api_reports.RankCheck)

    @sends
    def converse(
        self,
        text: str | None,
        request: api.RankRequest,
        conversation: api_conversation.Conversation | None = None,
    ) -> Request[api_conversation.ConversationAnswer]:
        """Re-order candidates by what a user says of the list.

        Parameters
        ----------
        text
            What is said; None ranks by what was said until now.
        request
            What to rank.
        conversation
            That of the last answer; without its last turn, that is undone. None begins one.
        """
        body = api_conversation.ConversationRequest(
            request, text, conversation or api_conversation.Conversation()
        )
        return posted("/v1/conversation", body, api_conversation.ConversationAnswer)

    @sends
    def add_events(self, *events: api_stored.Event) -> Request[api_stored.EventsAccepted]:
        """Store events, at most 1,000: they are durable once this returns.

        Raises
        ------
        RefusedEntriesError
            If some are refused, by their indices; the others are durable.
        """
        return posted("/v1/events", events, api_stored.EventsAccepted)

    @sends
    def add_impressions(self, *impressions: api_stored.Impression) -> Request[api_stored.ImpressionsAccepted]:
        """Log lists that another system showed, at most 1,000: they are durable once this returns.

        Raises
        ------
        RefusedEntriesError
            If some are refused, by their indices; the others are durable.
        """
        return posted("/v1/impressions", impressions, api_stored.ImpressionsAccepted)

    @sends
    def experiments(self) -> Request[api_reports.Experiments]:
        """Decide what is, and was, compared live, the latest first."""
        return Request("GET", "/v1/experiments", api_reports.Experiments)

    @sends
    def put_items(self, *items: Mapping[str, Any]) -> Request[api_stored.ItemsAccepted]:
        """Put items, each with `item_id` and its other columns, at most 1,000: then they can be ranked.

        Raises
        ------
        RefusedEntriesError
            If some are refused, by their indices; the others can be ranked.
        """
        return posted("/v1/items", [dict(item) for item in items], api_stored.ItemsAccepted)

    @sends
    def delete_item(self, item_id: str) -> Request[api_stored.ItemsAccepted]:
        """Delete an item; `accepted` is 0 if it wasn't known."""
        return Request("DELETE", path_of("items", item_id), api_stored.ItemsAccepted)

    @sends
    def review_queue(self) -> Request[api_reports.ReviewQueue]:
        """List the items that a screen held, those first that wait longest."""
        return Request("GET", "/v1/review", api_reports.ReviewQueue)

    @sends
    def review(self, item_id: str) -> Request[api_reports.Review]:
        """Tell where an item stands, with its audit log."""
        return Request("GET", path_of("review", item_id), api_reports.Review)

    @sends
    def approve(
        self, item_id: str, *, by: str, why: str, fingerprint: str | None = None, market: str | None = None
    ) -> Request[api_reports.Review]:
        """Let an item be ranked.

        Parameters
        ----------
        item_id
            Which one.
        by, why
            Who decides, and the reason: both stay in the audit log.
        fingerprint
            Of the text that was read, as the review gives it: if the item has another one by now, this is
            refused. None decides on the text that it has now.
        market
            Where the verdict counts; None decides for all, but for those where it is rejected.
        """
        return _verdict(item_id, api_stored.Verdict("approve", by, why, fingerprint, market))

    @sends
    def reject(
        self, item_id: str, *, by: str, why: str, fingerprint: str | None = None, market: str | None = None
    ) -> Request[api_reports.Review]:
        """Keep an item out of every ranking until it is approved; takes what `approve` takes."""
        return _verdict(item_id, api_stored.Verdict("reject", by, why, fingerprint, market))

    @sends
    def history(self, user_id: str, *, log: bool = False) -> Request[api_stored.UserHistory]:
        """Export what is stored of a user and, if wanted, what the log of impressions holds."""
        return Request("GET", path_of("users", user_id) + "?log=true" * log, api_stored.UserHistory)

    @sends
    def alerts(self) -> Request[api_reports.Alerts]:
        """List what isn't as it should be, and what wasn't until lately."""
        return Request("GET", "/v1/alerts", api_reports.Alerts)

    @sends
    def erase_user(self, user_id: str) -> Request[api_stored.UserErased]:
        """Erase what is stored of a user."""
        return Request("DELETE", path_of("users", user_id), api_stored.UserErased)


def new_event(
    user_id: str,
    item_id: str,
    event_type: str = "click",
    value: float | None = None,
    ranking_id: str | None = None,
) -> api_stored.Event:
    """Make an event that happens now, with a random id."""
    return api_stored.Event(uuid.uuid4().hex, user_id, item_id, event_type, time.time(), value, ranking_id)


def _verdict(item_id: str, verdict: api_stored.Verdict) -> Request[api_reports.Review]:
    return posted(path_of("review", item_id), verdict, api_reports.Review)

"""The routes of the API, and the one that a request is for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tailrank import (
    api,
    api_conversation,
    api_live,
    api_monitor,
    api_page,
    api_reports,
    api_stored,
    api_tasks,
    api_texts,
)
from tailrank.server.route import Route

RANK_EXAMPLE: Final = {
    "user": "ada",
    "candidates": ["p1", {"id": "t3", "score": 0.7}],
    "k": 2,
    "explain": True,
}

EXAMPLES: Final[Mapping[str, object]] = {
    "/v1/rank": RANK_EXAMPLE,
    "/v1/rank/validate": RANK_EXAMPLE,
    "/v1/conversation": {"text": "not the first one", "request": {"candidates": ["p1", "t3"]}},
    "/v1/rerank": {"query": "camping stove", "documents": ["Espresso cups", "Camping gas stove"], "top_n": 1},
    "/v1/rerank/items": {"user": "ada", "items": ["p1", "t3", "n1"]},
    "/v1/events": {
        "event_id": "e-1",
        "user_id": "ada",
        "item_id": "t1",
        "event": "click",
        "timestamp": 1_764_072_000.0,
    },
    "/v1/impressions": {
        "ranking_id": "r-1",
        "user_id": "ada",
        "item_ids": ["t1", "p1"],
        "timestamp": 1_764_072_000.0,
    },
    "/v1/items": {"item_id": "n3", "title": "Titanium camping spoon"},
    "/v1/page/items": {"query": "spoon", "k": 5},
    "/v1/page/cards": {"ids": ["t1", "p1"]},
    "/v1/page/candidates": {"history": ["t1"], "k": 10},
    "/v1/page/own": {
        "items": [
            {"item_id": "1", "title": "Camping stove"},
            {"item_id": "2", "title": "Desk lamp"},
            {"item_id": "3", "title": "Gas cartridge for stoves"},
        ],
        "history": ["1"],
    },
    "/v1/monitor/texts": {
        "id": "17",
        "text": "My bag is still in Denver!",
        "timestamp": "2015-02-22T10:00:00Z",
        "entity": "United",
    },
    "/feedback": {
        "event": "interaction",
        "id": "i-1",
        "type": "click",
        "timestamp": "1764072000000",
        "user": "ada",
        "item": "t1",
    },
    "/rank/{model}": {
        "event": "ranking",
        "id": "r-1",
        "timestamp": "1764072000000",
        "user": "ada",
        "items": [{"id": "p1"}, {"id": "t3"}],
    },
}

RANK_SUMMARY: Final = "Re-order candidates for one user."
RERANK_SUMMARY: Final = "Order texts by a query or a user; the shape of Cohere and Jina."
RERANK_ITEMS_SUMMARY: Final = "Order items for a user by all signals, in the same shape: for search engines."
EVENTS_SUMMARY: Final = (
    "Store an event, or up to 1,000: durable once answered, and known to the next ranking."
)
IMPRESSIONS_SUMMARY: Final = "Log a list that another system showed, or up to 1,000; durable once answered."
EXPERIMENTS_SUMMARY: Final = "Two models that were compared live: ship the challenger, hold, or roll back."
ITEMS_SUMMARY: Final = "Put an item, or up to 1,000; once answered they can be ranked."
DELETE_SUMMARY: Final = "Delete an item: it is unknown from then on."
ALERTS_SUMMARY: Final = "List what isn't as it should be, and what wasn't until lately."
QUEUE_SUMMARY: Final = "List the items that a screen held, those first that wait longest."
REVIEW_SUMMARY: Final = "Where an item stands, with its audit log: who, when, why."
VERDICT_SUMMARY: Final = "Approve or reject an item; every ranking that follows goes by it."
PAGE_SUMMARY: Final = "What the page at / has to show: signals, a story, what policies cost."
FIND_SUMMARY: Final = "Find items by words of their titles, then by meaning; well-known ones first."
CARDS_SUMMARY: Final = "Titles, texts and training events of items."
CANDIDATES_SUMMARY: Final = "Candidates for a history, found as a plain recommender does."
MAP_SUMMARY: Final = "A map of the catalogue: items of like meaning lie close together."
OWN_SUMMARY: Final = "Rank up to 500 items that are sent, by what they mean; nothing is kept."
PAGE_ITEMS: Final = (api_page.Cards, api_page.ItemsRequest)
PAGE_CARDS: Final = (api_page.Cards, api_page.CardsRequest)
PAGE_CANDIDATES: Final = (api_page.FoundCandidates, api_page.CandidatesRequest)
PAGE_OWN: Final = (api_page.OwnItems, api_page.OwnRequest)
RERANK: Final = (api_texts.RerankResponse, api_texts.RerankRequest)
RERANK_ITEMS: Final = (api_texts.RerankResponse, api_texts.ItemRerankRequest)
CONVERSE: Final = (api_conversation.ConversationAnswer, api_conversation.ConversationRequest)
CONVERSE_SUMMARY: Final = "Re-order candidates by what a user says of the list; says what was understood."
LABEL: Final = (api_tasks.LabelResponse, api_tasks.LabelRequest)
ASK: Final = (api_tasks.SupportAnswer, api_tasks.SupportQuestion)
JUDGED: Final = (api_tasks.FeedbackStored, api_tasks.SupportFeedback)
ASK_SUMMARY: Final = "Answer a customer, ask what was meant, or hand the question over."
JUDGED_SUMMARY: Final = "Say whether an entry answered a question; durable once answered."
TASKS_SUMMARY: Final = "What the page at /tasks has to show: tasks, a support desk, a monitor."
FOUND_SUMMARY: Final = "The monitor's latest alerts, why each was raised, and the texts behind it."
THUMB: Final = (api_monitor.AlertThumbStored, api_monitor.AlertThumb)
THUMB_SUMMARY: Final = "Say whether an alert was worth it to a subscriber; durable once answered."
SERIES_SUMMARY: Final = "The monitor's series, those of most texts first."
COUNTS_SUMMARY: Final = "A series of the monitor, period by period, and what is usual."
COUNTS: Final = (api_monitor.SeriesCounts, api_monitor.SeriesRequest)
LIVE_SUMMARY: Final = "Tell how things are, every second, as server-sent events."
VERSIONS_SUMMARY: Final = "List the versions of the model, the latest first."
PROMOTE_SUMMARY: Final = "Let a version of the model serve, once it was read and has ranked."

ROUTES: Final = (
    Route("POST", "/v1/rank", "rank", "read", RANK_SUMMARY, api.Ranking, api.RankRequest),
    Route(
        "POST",
        "/v1/rank/validate",
        "validate",
        "read",
        "Say what a request to rank would do and why; nothing is logged.",
        api_reports.RankCheck,
        api.RankRequest,
    ),
    Route("POST", "/v1/conversation", "converse", "read", CONVERSE_SUMMARY, *CONVERSE),
    Route("POST", "/v1/rerank", "rerank", "read", RERANK_SUMMARY, *RERANK),
    Route("POST", "/v1/rerank/items", "rerank_items", "read", RERANK_ITEMS_SUMMARY, *RERANK_ITEMS),
    Route("POST", "/v2/rerank", "rerank", "read", "The same, where Cohere's second version has it.", *RERANK),
    Route("POST", "/rerank", "rerank", "read", "The same, where vLLM has it.", *RERANK),
    Route(
        "POST", "/v1/events", "events", "write", EVENTS_SUMMARY, api_stored.EventsAccepted, api_stored.Events
    ),
    Route(
        "POST",
        "/v1/impressions",
        "impressions",
        "write",
        IMPRESSIONS_SUMMARY,
        api_stored.ImpressionsAccepted,
        api_stored.Impressions,
    ),
    Route("GET", "/v1/experiments", "experiments", "read", EXPERIMENTS_SUMMARY, api_reports.Experiments),
    Route("POST", "/v1/items", "items", "write", ITEMS_SUMMARY, api_stored.ItemsAccepted, api_stored.Items),
    Route("DELETE", "/v1/items/{id}", "delete_item", "write", DELETE_SUMMARY, api_stored.ItemsAccepted),
    Route(
        "GET",
        "/v1/users/{id}",
        "user",
        "read",
        "Export what is stored of a user and, with `log`, what is logged.",
        api_stored.UserHistory,
        parameters=("log",),
    ),
    Route("GET", "/v1/users/{id}/history", "user", "read", "The same.", api_stored.UserHistory),
    Route(
        "DELETE", "/v1/users/{id}", "erase", "write", "Erase what is stored of a user.", api_stored.UserErased
    ),
    Route("GET", "/v1/alerts", "alerts", "read", ALERTS_SUMMARY, api_reports.Alerts),
    Route("GET", "/v1/review", "review", "write", QUEUE_SUMMARY, api_reports.ReviewQueue),
    Route("GET", "/v1/review/{id}", "review_of", "write", REVIEW_SUMMARY, api_reports.Review),
    Route(
        "POST",
        "/v1/review/{id}",
        "judge",
        "write",
        VERDICT_SUMMARY,
        api_reports.Review,
        api_stored.Verdict,
    ),
    Route(
        "GET",
        "/v1/page/live",
        "live",
        "read",
        LIVE_SUMMARY,
        api_live.Live,
        media_type="text/event-stream",
    ),
    Route(
        "GET",
        "/v1/page/weights",
        "weights",
        "read",
        "The weights of signals as they were learned.",
        api_live.WeightsHistory,
    ),
    Route(
        "GET",
        "/v1/page/policies",
        "policies",
        "read",
        "The steps that rank for everybody.",
        api_live.StandingPolicies,
    ),
    Route("GET", "/v1/models", "versions", "read", VERSIONS_SUMMARY, api_live.ModelVersions),
    Route(
        "POST",
        "/v1/models/promote",
        "promote",
        "write",
        PROMOTE_SUMMARY,
        api_live.ModelVersions,
        api_live.Promote,
    ),
    Route(
        "POST",
        "/v1/models/rollback",
        "roll_back",
        "write",
        "Let the version of the model serve that served before.",
        api_live.ModelVersions,
    ),
    Route("GET", "/v1/tasks", "tasks", "read", "List the tasks that label texts.", api_tasks.Tasks),
    Route("POST", "/v1/tasks/{name}", "label", "read", "Label up to 64 texts by a task.", *LABEL),
    Route("POST", "/v1/support/ask", "support_ask", "read", ASK_SUMMARY, *ASK),
    Route("POST", "/v1/support/feedback", "support_feedback", "write", JUDGED_SUMMARY, *JUDGED),
    Route("GET", "/v1/monitor/alerts", "monitor_alerts", "read", FOUND_SUMMARY, api_monitor.MonitorAlerts),
    Route("POST", "/v1/monitor/thumbs", "monitor_thumb", "write", THUMB_SUMMARY, *THUMB),
    Route("GET", "/v1/monitor/series", "monitor_series", "read", SERIES_SUMMARY, api_monitor.MonitorSeries),
    Route("POST", "/v1/monitor/series", "monitor_counts", "read", COUNTS_SUMMARY, *COUNTS),
    Route("GET", "/v1/page/tasks", "page_tasks", "read", TASKS_SUMMARY, api_tasks.TasksPage),
    Route(
        "POST",
        "/v1/monitor/texts",
        "monitor_texts",
        "write",
        "Keep a text for the opinion monitor, or up to 1,000: durable once answered.",
        api_stored.TextsAccepted,
        api_stored.MonitoredTexts,
    ),
    Route("POST", "/feedback", "feedback", "write", "Store Metarank's events: one, a list, or one a line."),
    Route(
        "POST",
        "/rank/{model}",
        "metarank",
        "read",
        "Rank as Metarank does.",
        parameters=("explain", "silent"),
    ),
    Route("GET", "/v1/page", "page", "read", PAGE_SUMMARY, api_page.Page),
    Route("POST", "/v1/page/items", "page_items", "read", FIND_SUMMARY, *PAGE_ITEMS),
    Route("POST", "/v1/page/cards", "page_cards", "read", CARDS_SUMMARY, *PAGE_CARDS),
    Route("POST", "/v1/page/candidates", "page_candidates", "read", CANDIDATES_SUMMARY, *PAGE_CANDIDATES),
    Route("GET", "/v1/page/map", "page_map", "read", MAP_SUMMARY, api_page.ItemMap),
    Route("POST", "/v1/page/own", "page_own", "read", OWN_SUMMARY, *PAGE_OWN),
    Route("GET", "/healthz", "alive", None, "Whether the process runs.", sheddable=False),
    Route("GET", "/readyz", "ready", None, "Whether a ranking works: two items are ranked.", sheddable=False),
    Route("GET", "/metrics", "scrape", "read", "For Prometheus.", sheddable=False, media_type="text/plain"),
    Route("GET", "/", "try_page", None, "A page to try rankings on.", media_type="text/html"),
    Route("GET", "/dashboard", "dashboard_page", None, "What goes on, to read.", media_type="text/html"),
    Route("GET", "/tasks", "tasks_page", None, "Tasks, a support desk, a monitor.", media_type="text/html"),
    Route("GET", "/web/{file}", "asset", None, "Scripts and styles of the pages.", media_type="*/*"),
    Route("GET", "/openapi.json", "openapi", None, "This description."),
    Route("GET", "/docs", "docs", None, "This description, to read.", media_type="text/html"),
)


class Router:
    """Finds the route of a request: fixed paths by one look-up, the others by patterns."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.fixed = {(r.method, r.path): r for r in routes if "{" not in r.path}
        self.named = [(r, re.compile(re.sub("{.*}", "([^/]*)", r.path))) for r in routes if "{" in r.path]
        self._methods = {r.method for r in routes} | {"HEAD"}

    def find(self, method: str, path: str) -> tuple[Route, str] | None:
        """Find a route, and the name that its braces stand for, still percent-encoded; HEAD is as GET."""
        method = "GET" if method == "HEAD" else method
        fixed = self.fixed.get((method, path))
        if fixed is not None:
            return fixed, ""
        for route, pattern in self.named:
            if method == route.method and (match := pattern.fullmatch(path)):
                return route, match[1]
        return None

    def methods(self, path: str) -> list[str]:
        """List the methods that a path allows."""
        return sorted(method for method in self._methods if self.find(method, path) is not None)

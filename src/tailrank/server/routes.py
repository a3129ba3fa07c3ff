"""Which request goes where, and the OpenAPI description of it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tailrank import api
from tailrank.server.auth import Scope


@dataclass(frozen=True)
class Route:
    """One endpoint.

    Attributes
    ----------
    method, path
        The path may end in one name in braces.
    endpoint
        Name of the method of `Endpoints`.
    scope
        What a key must allow; None asks for no key.
    about
        One sentence.
    asks, gives
        Types of the bodies.
    example
        A body that works with any model.
    sheds
        Whether it may be refused to keep others quick.
    kind
        Media type of the answer.
    """

    method: str
    path: str
    endpoint: str
    scope: Scope | None
    about: str
    asks: Any = None
    gives: Any = None
    example: object = None
    sheds: bool = True
    kind: str = "application/json"


EVENT: Final = {
    "event_id": "e-1",
    "user_id": "ada",
    "item_id": "t1",
    "event": "click",
    "timestamp": 1_764_072_000.0,
}
METARANK: Final = {
    "event": "ranking",
    "id": "r-1",
    "timestamp": "1764072000000",
    "user": "ada",
    "items": [{"id": "p1"}, {"id": "t3"}],
}

ROUTES: Final = (
    Route(
        "POST",
        "/v1/rank",
        "rank",
        "read",
        "Re-order candidates for one person.",
        api.RankRequest,
        api.Ranking,
        {"user": "ada", "candidates": ["p1", {"id": "t3", "score": 0.7}], "k": 2, "explain": True},
    ),
    Route(
        "POST",
        "/v1/rerank",
        "rerank",
        "read",
        "Order texts by a query or a person; the shape of Cohere and Jina.",
        api.RerankRequest,
        api.Reranked,
        {"query": "camping stove", "documents": ["Espresso cups", "Camping gas stove"], "top_n": 1},
    ),
    Route(
        "POST",
        "/v2/rerank",
        "rerank",
        "read",
        "The same, where Cohere's second version has it.",
        api.RerankRequest,
        api.Reranked,
    ),
    Route(
        "POST",
        "/rerank",
        "rerank",
        "read",
        "The same, where vLLM has it.",
        api.RerankRequest,
        api.Reranked,
    ),
    Route(
        "POST",
        "/v1/events",
        "events",
        "write",
        "Keep an event, or up to 1,000; once answered they are durable, and the next ranking knows them.",
        api.Events,
        api.EventsKept,
        EVENT,
    ),
    Route(
        "POST",
        "/v1/items",
        "items",
        "write",
        "Put an item, or up to 1,000; once answered they can be ranked.",
        api.Items,
        api.ItemsKept,
        {"item_id": "n3", "title": "Titanium camping spoon"},
    ),
    Route(
        "DELETE",
        "/v1/items/{id}",
        "delete_item",
        "write",
        "Forget an item: it is unknown from then on.",
        gives=api.ItemsKept,
    ),
    Route(
        "GET", "/v1/users/{id}", "user", "read", "Export what is stored of a person.", gives=api.UserHistory
    ),
    Route("GET", "/v1/users/{id}/history", "user", "read", "The same.", gives=api.UserHistory),
    Route("DELETE", "/v1/users/{id}", "erase", "write", "Forget a person.", gives=api.Erased),
    Route(
        "POST",
        "/feedback",
        "feedback",
        "write",
        "Take Metarank's events: one, a list, or one a line.",
        example={
            "event": "interaction",
            "id": "i-1",
            "type": "click",
            "timestamp": "1764072000000",
            "user": "ada",
            "item": "t1",
        },
    ),
    Route("POST", "/rank/{model}", "metarank", "read", "Rank as Metarank does.", example=METARANK),
    Route("GET", "/healthz", "alive", None, "Whether the process runs.", sheds=False),
    Route(
        "GET", "/readyz", "ready", None, "Whether a ranking would work: two items are ranked.", sheds=False
    ),
    Route("GET", "/metrics", "scrape", "read", "Metrics for Prometheus.", sheds=False, kind="text/plain"),
    Route("GET", "/openapi.json", "openapi", None, "This description."),
    Route("GET", "/docs", "docs", None, "This description, to read.", kind="text/html"),
)


class Router:
    """Finds the route of a request: whole paths at once, the others by what stands around the braces."""

    def __init__(self) -> None:
        self.whole = {(r.method, r.path): r for r in ROUTES if "{" not in r.path}
        self.named = [
            (r, r.path.partition("{")[0], r.path.partition("}")[2]) for r in ROUTES if "{" in r.path
        ]

    def find(self, method: str, path: str) -> tuple[Route, str] | None:
        """Find a route, and what stands for its braces, still percent-encoded."""
        found = self.whole.get((method, path))
        if found is not None:
            return found, ""
        for route, before, after in self.named:
            name = path[len(before) : len(path) - len(after)]
            if method == route.method and path == f"{before}{name}{after}" and "/" not in name:
                return route, name
        return None

    def methods(self, path: str) -> list[str]:
        """List the methods that a path knows."""
        return sorted({r.method for r in ROUTES if self.find(r.method, path) is not None})


def description(version: str) -> dict[str, Any]:
    """Describe all routes as OpenAPI 3.1 does."""
    types = [kind for r in ROUTES for kind in (r.asks, r.gives) if kind is not None]
    schemas, components = msgspec.json.schema_components(
        [*types, api.Problem], ref_template="#/components/schemas/{name}"
    )
    shapes = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for r in ROUTES:
        asks = next(shapes) if r.asks is not None else {} if r.method == "POST" else None
        gives = next(shapes) if r.gives is not None else {}
        paths.setdefault(r.path, {})[r.method.lower()] = _operation(r, asks, gives)
    return {
        "openapi": "3.1.0",
        "info": {"title": "tailrank", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, asks: Mapping[str, Any] | None, gives: Mapping[str, Any]) -> dict[str, Any]:
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals = {400: "Not JSON.", 401: "No valid key.", 403: "The key doesn't allow that."}
    refusals |= {
        413: "Too large.",
        422: "Out of bounds.",
        429: "Too many requests.",
        503: "Not at the moment.",
    }
    said: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{route.path.replace('/', '_').strip('{}')}",
        "summary": route.about,
        "responses": {
            "200": {"description": "Done.", "content": {route.kind: {"schema": gives}}},
            **{str(code): {"description": why, "content": problem} for code, why in refusals.items()},
        },
    }
    if route.scope is not None:
        said["security"] = [{}, {"key": [route.scope]}]
    if "{" in route.path:
        name = route.path.partition("{")[2].partition("}")[0]
        bounds = {"type": "string", "minLength": 1, "maxLength": 400}
        said["parameters"] = [{"name": name, "in": "path", "required": True, "schema": bounds}]
    if asks is not None:
        content: dict[str, Any] = {"schema": asks}
        if route.example is not None:
            content["example"] = route.example
        said["requestBody"] = {"required": True, "content": {"application/json": content}}
    return said

"""The API's description as OpenAPI has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Any, Final

import msgspec

from tailrank import api
from tailrank.server.route import Route
from tailrank.server.routes import EXAMPLES, ROUTES

EVENTS: Final = "text/event-stream"
"""Of streams, each element of which has its JSON in the field `data`."""


def description(version: str, routes: Sequence[Route] = ROUTES) -> dict[str, Any]:
    """Describe routes as OpenAPI 3.1 does."""
    types = [body for r in routes for body in (r.request, r.response) if body is not None]
    schemas, components = msgspec.json.schema_components(
        [*types, api.ErrorResponse], ref_template="#/components/schemas/{name}"
    )
    for schema in components.values():
        if "description" in schema:
            schema["description"] = cleandoc(schema["description"])  # indented before Python 3.13
    next_schema = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for r in routes:
        request = next(next_schema) if r.request is not None else {} if r.method == "POST" else None
        response = next(next_schema) if r.response is not None else {}
        if r.media_type == EVENTS:
            data = {"type": "string", "contentMediaType": "application/json", "contentSchema": response}
            response = {"type": "object", "properties": {"data": data}, "required": ["data"]}
        paths.setdefault(r.path, {})[r.method.lower()] = _operation(r, request, response)
    return {
        "openapi": "3.1.0",
        "info": {"title": "tailrank", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    route: Route, request: Mapping[str, Any] | None, response: Mapping[str, Any]
) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}
    refusals = {400: "Not JSON.", 401: "No valid key.", 403: "The key doesn't allow that."}
    refusals |= {
        404: "There is no such item.",
        413: "Too large.",
        415: "Packed, and not by gzip.",
        422: "Out of bounds.",
        429: "Too many requests.",
        503: "Not at the moment.",
    }
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{route.path.replace('/', '_').strip('{}')}",
        "summary": route.summary,
        "responses": {
            "200": {"description": "Done.", "content": {route.media_type: {"schema": response}}},
            **{str(code): {"description": why, "content": error} for code, why in refusals.items()},
        },
    }
    if route.scope is not None:
        operation["security"] = [{}, {"key": [route.scope]}]
    operation["parameters"] = [
        {"name": name, "in": "query", "schema": {"type": "boolean"}} for name in route.parameters
    ]
    if "{" in route.path:
        name = route.path.partition("{")[2].partition("}")[0]
        bounds = {"type": "string", "minLength": 1, "maxLength": 400}
        operation["parameters"].append({"name": name, "in": "path", "required": True, "schema": bounds})
    if request is not None:
        content: dict[str, Any] = {"schema": request}
        if route.path in EXAMPLES:
            content["example"] = EXAMPLES[route.path]
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation

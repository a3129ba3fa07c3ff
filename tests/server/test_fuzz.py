"""Requests drawn from what the server says of itself: no fault, and no answer but those described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tailrank.benchmarks.launcher import Server
from tailrank.server.openapi import description

TIMEOUT = 300.0
"""Seconds, for a machine that does other things too."""

DESCRIBED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

api = schemathesis.openapi.from_dict(
    description("1"),
    config=schemathesis.Config.from_dict({"max-stream-events": 2}),  # there is one a second
)


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server whose encoder is loaded: the first text would wait for it."""
    with Server(model, tmp_path_factory.mktemp("state"), "--queue-ms", "10000") as found:
        body = {"query": "tea", "documents": ["green tea"]}
        httpx.post(f"{found.url}/v1/rerank", json=body, timeout=TIMEOUT).raise_for_status()
        yield found.url


@api.parametrize()
@settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_endpoint_answers_as_described(case: schemathesis.Case[Any], url: str) -> None:
    case.validate_response(case.call(base_url=url, timeout=TIMEOUT), checks=DESCRIBED)

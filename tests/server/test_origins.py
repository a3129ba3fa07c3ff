"""A server without keys answers this machine's programs and its own pages, and no other site's page."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from server_helpers import store

from tailrank.benchmarks.launcher import Server
from tailrank.server.origins import parse_authority
from tailrank.server.routes import ROUTES

KEY = "for-everything-0123"
OWN = [
    "localhost",
    "LOCALHOST:{port}",
    "localhost.:1",
    "127.0.0.1",
    "127.0.0.1:{port}",
    "127.8.9.1:80",
    "[::1]:9",
]
OTHERS = [
    "example.org",
    "evil.example:{port}",
    "localhost.example.org",
    "127.0.0.1.example.org",
    "0.0.0.0:{port}",
]
OTHERS += [
    "10.0.0.1",
    "[::]",
    "[fe80::1]",
    "localhost@example.org",
    "example.org@localhost",
    "localhost/x",
    "",
    "::1",
]


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(model, tmp_path_factory.mktemp("state")) as found:
        store(found.url, "vic", "50")
        yield found


def ask(server: Server, method: str, path: str, fields: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Send a request with these fields, and with a Host of its own unless they hold one."""
    own_host = any(name == "host" for name, _ in fields)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, path, skip_host=own_host, skip_accept_encoding=True)
    for name, value in fields:
        connection.putheader(name, value.format(port=server.port))
    connection.putheader("content-length", "0")
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("host", OWN)
def test_it_goes_by_names_of_this_machine(server: Server, host: str) -> None:
    assert ask(server, "GET", "/v1/users/vic", [("host", host)])[0] == 200


@pytest.mark.parametrize("host", OTHERS)
def test_it_goes_by_no_other_name(server: Server, host: str) -> None:
    status, why = ask(server, "GET", "/v1/users/vic", [("host", host)])
    assert status == 403
    assert "--keys" in why


def test_no_route_is_open_to_a_name_that_was_made_to_lead_here(server: Server) -> None:
    for route in ROUTES:
        path = route.path.replace("{id}", "vic").replace("{model}", "any")
        assert ask(server, route.method, path, [("host", "evil.example")])[0] == 403, route
    twice = [("host", "localhost"), ("host", "evil.example")]
    assert ask(server, "GET", "/v1/users/vic", twice)[0] == 403
    assert ask(server, "GET", "/v1/users/vic", twice[::-1])[0] == 403


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://example.org",
        "http://evil.example:{port}",
        "https://localhost:{port}",
        "http://localhost",
        "http://localhost:1",
        "http://127.0.0.1:{port}",
        "http://localhost:{port}@example.org",
        "http://example.org@localhost:{port}",
        "http://localhost:{port}/",
        "http://localhost:{port}, http://localhost:{port}",
        "file://",
        "localhost:{port}",
        "chrome-extension://localhost:{port}",
    ],
)
def test_pages_of_other_sites_may_do_nothing(server: Server, origin: str) -> None:
    fields = [("host", "localhost:{port}"), ("origin", origin)]
    for method, path in (("POST", "/v1/events"), ("DELETE", "/v1/users/vic"), ("GET", "/v1/users/vic")):
        status, why = ask(server, method, path, fields)
        assert status == 403, (method, path)
        assert "keys" in why


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:{port}", "http://localhost:{port}"),
        ("LocalHost:{port}", "HTTP://LOCALHOST:{port}"),
        ("localhost", "http://localhost:80"),
        ("localhost:80", "http://localhost"),
        ("[::1]:{port}", "http://[0:0:0:0:0:0:0:1]:{port}"),
    ],
)
def test_its_own_pages_may(server: Server, host: str, origin: str) -> None:
    fields = [("host", host), ("origin", origin), ("sec-fetch-site", "same-origin")]
    assert ask(server, "GET", "/v1/users/vic", fields)[0] == 200


def test_browsers_say_whose_page_it_is_without_an_origin_too(server: Server) -> None:
    for site, status in {"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200}.items():
        assert ask(server, "GET", "/v1/users/vic", [("sec-fetch-site", site)])[0] == status, site
    link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]
    assert ask(server, "GET", "/docs", link)[0] == 200
    assert ask(server, "POST", "/v1/rank", link)[0] == 403


def test_programs_that_name_no_host_are_no_pages(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.connect()
    connection.sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 200")
    connection.close()


def test_with_keys_any_name_will_do(model: Path, tmp_path: Path) -> None:
    with Server(model, tmp_path / "state", TAILRANK_API_KEYS=f"read:{KEY}") as server:
        fields = [("host", "ranker.example.org"), ("origin", "https://shop.example.org")]
        assert ask(server, "GET", "/healthz", fields)[0] == 200
        assert ask(server, "GET", "/v1/users/vic", fields)[0] == 401
        assert ask(server, "GET", "/v1/users/vic", [*fields, ("authorization", f"Bearer {KEY}")])[0] == 200


def test_ports_are_numbers() -> None:
    assert parse_authority("localhost:port") is None
    assert parse_authority("localhost:") == ("localhost", 80)

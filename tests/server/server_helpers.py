"""What the tests of the server share: storing events, ranking, and waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import uvicorn

from tailrank.ranking.reranker import Reranker
from tailrank.server.protocol import BoundedProtocol

CANDIDATES = ["1", "50", "172", "174", "181", "210", "257", "300", "405", "1000"]
START = 1_700_000_000


def spoiled(reranker: Reranker) -> Reranker:
    """Turn a model's order round, all but how often items were chosen."""
    return replace(reranker, fusion=replace(reranker.fusion, weights=-reranker.fusion.weights))


def store(url: str, user: str, *items: str) -> dict[str, int]:
    """Store events of a user, a second apart; returns the response."""
    events = [
        {
            "event_id": f"{user} {item} {at}",
            "user_id": user,
            "item_id": item,
            "event": "rating",
            "timestamp": START + at,
        }
        for at, item in enumerate(items)
    ]
    response = httpx.post(f"{url}/v1/events", json=events)
    assert response.status_code == 200, response.text
    accepted: dict[str, int] = response.json()
    return accepted


def rank(url: str, **request: object) -> dict[str, Any]:
    """Rank `CANDIDATES`; returns the response."""
    response = httpx.post(f"{url}/v1/rank", json={"candidates": CANDIDATES, **request})
    assert response.status_code == 200, response.text
    ranking: dict[str, Any] = response.json()
    assert not ranking["degraded"], ranking
    return ranking


def wait_until(done: Callable[[], bool], seconds: float = 180) -> None:
    """Ask until it is so, at most a quarter of the time: what is waited for needs the core."""
    began = asked = time.monotonic()
    while not done():
        now = time.monotonic()
        assert now < began + seconds
        time.sleep(max(0.05, 3 * (now - asked)))
        asked = time.monotonic()


class Running:
    """A server on a thread of this process, so that a test may set its limits."""

    def __init__(self, app: Any, **how: Any) -> None:
        self.app = app
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            interface="asgi3",
            proxy_headers=False,
            log_config=None,
            ws="none",
            **how,
        )
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, args=([self._listener],))
        self._thread.start()
        wait_until(lambda: self.server.started)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def send(self, *pieces: bytes) -> socket.socket:
        line = self.connect()
        for piece in pieces:
            line.sendall(piece)
        return line

    def stop(self, patience: bool = False) -> None:
        self.server.should_exit, self.server.force_exit = True, not patience
        self._thread.join(20)
        assert not self._thread.is_alive()

"""What the tests of the server share: storing events, ranking, and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

CANDIDATES = ["1", "50", "172", "174", "181", "210", "257", "300", "405", "1000"]
START = 1_700_000_000


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


def wait_until(done: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)

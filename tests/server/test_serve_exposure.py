"""A server holds a share of the first places for the tail, with all its workers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from server_helpers import wait_until

from tailrank.benchmarks.connection import Connection
from tailrank.benchmarks.launcher import Server
from tailrank.errors import RequestError
from tailrank.feedback.exposure_control import HeldExposure
from tailrank.metrics.popularity import tail_items
from tailrank.policy.exposure import Exposure
from tailrank.policy.exposure_price import ExposurePrice
from tailrank.policy.file import PolicyFile
from tailrank.policy.tail import TailBoost
from tailrank.ranking.reranker import Reranker
from tailrank.server.exposure import KIND, SharedExposure, held_steps
from tailrank.server.metrics import Metrics
from tailrank.state.base import State
from tailrank.state.open import open_state

TARGET = 0.95
POLICIES = f'[[policy]]\nname = "exposure"\ntarget = {TARGET}\nmax_loss = 1.0\n'


class Shop:
    """Requests that are drawn, and how much of the answers is tail."""

    def __init__(self, reranker: Reranker) -> None:
        items = reranker.catalogue.items["item_id"]
        tail = tail_items(reranker.catalogue.counts)
        self.ids, self.tail = items.to_list(), set(items.filter(tail).to_list())
        self._rng = np.random.default_rng(0)

    def asked(self) -> dict[str, Any]:
        history = self._rng.choice(self.ids, 20).tolist()
        return {"history": history, "candidates": self._rng.choice(self.ids, 100, replace=False).tolist()}

    def share(self, line: Connection, n: int, **more: Any) -> float:
        """Rank n times; returns the share of tail items in the first ten."""
        answers = [line.ask("/v1/rank", {**self.asked(), **more}) for _ in range(n)]
        return float(np.mean([item["id"] in self.tail for each in answers for item in each["items"][:10]]))


def gauge(url: str, name: str) -> float:
    found = re.search(rf"^tailrank_exposure_{name}(?:{{.*}})? (\S+)$", httpx.get(f"{url}/metrics").text, re.M)
    assert found is not None
    return float(found[1])


@pytest.fixture(scope="module")
def shop(reranker: Reranker) -> Shop:
    return Shop(reranker)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    file: Path = tmp_path_factory.mktemp("policies") / "policies.toml"
    file.write_text(POLICIES)
    return "--workers", "2", "--policies", str(file)


def test_a_server_reaches_its_target_and_keeps_its_price(
    model: Path, options: tuple[str, ...], shop: Shop, tmp_path: Path
) -> None:
    with Server(model, tmp_path / "plain") as plain, closing(Connection(plain.port)) as line:
        without = shop.share(line, 150)
    with Server(model, tmp_path / "state", *options) as server:
        lines = dict[int, Connection]()
        while len(lines) < 2:
            line = Connection(server.port)
            lines.setdefault(server.worker_of(line), line)
        one, other = lines.values()
        for _ in range(8):  # one worker has three times the traffic of the other
            shop.share(one, 60)
            shop.share(other, 20)
        reached = [shop.share(each, 150) for each in (one, other)]
        assert without < TARGET - 0.06
        assert reached == pytest.approx([TARGET] * 2, abs=0.02)
        wait_until(lambda: abs(gauge(server.url, "share") - float(np.mean(reached))) < 0.05)
        price = gauge(server.url, "price")
        assert price > 0.002
        assert 0 < gauge(server.url, "loss") < 1
        checked = httpx.post(f"{server.url}/v1/rank/validate", json=shop.asked()).json()
        [settings] = [step["settings"] for step in checked["steps"] if step["name"] == "exposure"]
        assert (settings["target"], settings["max_loss"]) == (TARGET, 1.0)
        for each in lines.values():
            each.close()
    with Server(model, tmp_path / "state", *options) as again, closing(Connection(again.port)) as line:
        assert shop.share(line, 60) > TARGET - 0.03


def test_a_target_of_a_request_is_refused(model: Path, options: tuple[str, ...], tmp_path: Path) -> None:
    with Server(model, tmp_path / "state", *options[2:]) as server:
        asked = {"candidates": ["1", "50"], "policy": [{"name": "exposure", "target": 0.3}]}
        response = httpx.post(f"{server.url}/v1/rank", json=asked)
        assert (response.status_code, "here, give a `price`" in response.json()["error"]) == (422, True)
        assert httpx.post(f"{server.url}/v1/rank", json={**asked, "policy": []}).status_code == 200


def run(body: Callable[[State], Awaitable[None]], folder: Path) -> None:
    async def with_state() -> None:
        state = open_state(str(folder))
        await body(state)
        await state.close()

    asyncio.run(with_state())


def held(asked: float) -> HeldExposure:
    return HeldExposure(ExposurePrice(target=0.3, asked=asked, allowed=asked))


def test_prices_meet_and_their_sum_stays(tmp_path: Path) -> None:
    async def body(state: State) -> None:
        prices = [held(asked) for asked in (-9.0, -5.0, -1.0)]
        workers = [SharedExposure(each, state, Metrics()) for each in prices]
        await workers[0].meet()
        for each, start in zip(prices, (-9.0, -5.0, -1.0), strict=True):
            await workers[prices.index(each)].meet()
            assert each.price.asked == -9.0  # a worker begins at what is noted
            each.price = held(start).price
        for _ in range(12):
            for worker in workers:
                await worker.meet()
        [note] = (await state.notes(KIND)).values()
        found = [*(each.price.asked for each in prices), msgspec.msgpack.decode(note)[0]]
        assert sum(found) == pytest.approx(-9.0 - 9 - 5 - 1)
        assert max(found) - min(found) < 0.05

    run(body, tmp_path / "state")


def test_what_is_no_price_is_written_anew(tmp_path: Path) -> None:
    async def body(state: State) -> None:
        worker = SharedExposure(one := held(-5.0), state, Metrics())
        name = "target 0.3, max_loss 0.02, places 10"
        for wrong in (b"\xff", msgspec.msgpack.encode((3.0, 4.0)), msgspec.msgpack.encode("x")):
            await state.put_note(KIND, name, wrong)
            await worker.meet()
            assert msgspec.msgpack.decode((await state.notes(KIND))[name]) == [-5.0, -5.0]
            assert one.price.asked == -5.0

    run(body, tmp_path / "state")


def test_one_target_at_most() -> None:
    steps, found = held_steps([TailBoost(0.5), Exposure(target=0.3, places=5), Exposure(0.1)])
    assert found is not None
    assert (steps[0], steps[1], steps[2]) == (TailBoost(0.5), found, Exposure(0.1))
    assert (found.price.target, found.price.places) == (0.3, 5)
    assert held_steps(PolicyFile().steps) == ((), None)
    with pytest.raises(RequestError, match="only one can be held"):
        held_steps([Exposure(target=0.3), Exposure(target=0.2)])
    with pytest.raises(RequestError, match="leave out `price`, or `target`"):
        Exposure(0.1, target=0.3)

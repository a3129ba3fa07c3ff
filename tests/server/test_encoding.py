"""Texts of many callers, and one encoder: in turns, not too many, and not for who has gone."""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from server_helpers import Running, wait_until

from tailrank.arrays import Floats
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.language.vectors import EncoderIdentity
from tailrank.server import encoding
from tailrank.server.encoding import EncoderBusyError, Encoders
from tailrank.server.ranking_app import RankingApp
from tailrank.server.settings import ServerSettings

TEXTS = [f"{'a tent for rainy days ' * (1 + n % 9)}, number {n}" for n in range(120)]
LONG = [f"number {n}: " + "a tent for rainy days, with pegs and poles. " * 40 for n in range(150)]
"""So many that they take a while."""


class Counting:
    """The encoder, and how often it was called."""

    def __init__(self, encoder: OnnxEncoder) -> None:
        self._encoder, self.dimension, self.calls = encoder, encoder.dimension, 0

    def encode(self, texts: Sequence[str]) -> Floats:
        self.calls += 1
        return self._encoder.encode(texts)


@pytest.fixture(scope="module")
def onnx() -> OnnxEncoder:
    return OnnxEncoder.load()


def test_in_turns_vectors_are_the_same(onnx: OnnxEncoder) -> None:
    texts = [*TEXTS, "", "x" * 100_000, TEXTS[0]]
    found = asyncio.run(Encoders().encode(onnx, texts))
    np.testing.assert_allclose(found, onnx.encode(texts), atol=1e-5)
    assert asyncio.run(Encoders().encode(onnx, [])).shape == (0, onnx.dimension)


def test_an_encoder_is_loaded_once_for_tasks_and_models(onnx: OnnxEncoder) -> None:
    encoders = Encoders()
    loaded = encoders.load_named(onnx.name)
    assert encoders.load_named(onnx.name) is loaded
    identity = EncoderIdentity(onnx.name, onnx.sha256, "a model's")
    assert asyncio.run(encoders.load(identity)) is loaded


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_rankings_go_first(onnx: OnnxEncoder) -> None:
    niceness = list[int]()

    class Watched(Counting):
        def encode(self, texts: Sequence[str]) -> Floats:
            niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super().encode(texts)

    asyncio.run(Encoders().encode(Watched(onnx), ["tea"]))  # type: ignore[arg-type]
    assert niceness == [min(19, os.getpriority(os.PRIO_PROCESS, 0) + encoding.NICENESS)]


def test_items_and_short_lists_wait_for_no_long_ones(onnx: OnnxEncoder) -> None:
    async def run() -> list[str]:
        encoders, done = Encoders(), list[str]()

        async def encode(name: str, texts: Sequence[str], lane: encoding.Lane) -> None:
            await encoders.encode(onnx, texts, lane)
            done.append(name)

        long = [asyncio.create_task(encode("long", LONG[:8], "documents")) for _ in range(3)]
        await asyncio.sleep(0)
        short = [encode("short", TEXTS[:2], "documents"), encode("item", TEXTS[:1], "items")]
        await asyncio.gather(*long, *short)
        return done

    done = asyncio.run(run())
    assert done[0] == "item"
    assert done[1:] == ["short", "long", "long", "long"]


def test_a_full_lane_refuses_and_the_others_go_on(onnx: OnnxEncoder) -> None:
    async def run() -> None:
        encoders = Encoders()
        waiting = [
            asyncio.create_task(encoders.encode(onnx, LONG, "documents")) for _ in range(encoding.MAX_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(EncoderBusyError):
            await encoders.encode(onnx, TEXTS[:1], "documents")
        assert len(await encoders.encode(onnx, TEXTS[:1], "items")) == 1
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert len(await encoders.encode(onnx, TEXTS[:1], "documents")) == 1

    asyncio.run(run())


def test_who_has_gone_is_encoded_for_no_more(onnx: OnnxEncoder) -> None:
    counting = Counting(onnx)

    async def run() -> None:
        encoders = Encoders()
        long = asyncio.create_task(encoders.encode(counting, LONG, "documents"))  # type: ignore[arg-type]
        while not counting.calls:
            await asyncio.sleep(0.01)
        long.cancel()
        begun = counting.calls
        await encoders.encode(onnx, TEXTS[:1], "documents")
        assert counting.calls <= begun + 1

    asyncio.run(run())


def test_abandoned_requests_hold_nothing_up(model: Path, tmp_path: Path) -> None:
    body = msgspec.json.encode({"query": "rain", "documents": LONG * 5})
    with Server(model, tmp_path / "state", "--queue-ms", "10000") as server:
        httpx.post(f"{server.url}/v1/rerank", json={"query": "a", "documents": ["b"]}, timeout=120)
        abandoned = [Connection(server.port, 60) for _ in range(3)]
        for each in abandoned:
            each.socket.sendall(request("/v1/rerank", body))
        item = {"item_id": "new", "title": "The camping story"}
        assert httpx.post(f"{server.url}/v1/items", json=item, timeout=20).status_code == 200
        more = [Connection(server.port, 60) for _ in range(encoding.MAX_WAITING)]
        for each in more:
            each.socket.sendall(request("/v1/rerank", body))
        wait_until(lambda: bool(select.select([each.socket for each in more], [], [], 0)[0]))
        refused = [each for each in more if select.select([each.socket], [], [], 0)[0]]
        assert b" 429 " in refused[0].socket.recv(100)
        for each in (*abandoned, *more):
            each.close()
        short = {"query": "a", "documents": ["b"]}
        address = f"{server.url}/v1/rerank"  # which may still be learning that they have gone
        wait_until(lambda: httpx.post(address, json=short, timeout=60).status_code == 200)
        server.process.terminate()
        assert server.process.wait(20) == 0


def test_a_stop_answers_what_takes_too_long(model: Path, tmp_path: Path) -> None:
    app = RankingApp(ServerSettings(model, str(tmp_path / "state")))
    running = Running(app, lifespan="on", timeout_graceful_shutdown=1)
    line = Connection(running.port, 60)
    line.socket.sendall(request("/v1/rerank", msgspec.json.encode({"query": "rain", "documents": LONG})))
    endpoints = app.endpoints
    assert endpoints is not None
    wait_until(lambda: endpoints.models.encoders._calls["documents"] > 0)
    running.stop(patience=True)
    answer = line.receive()
    assert answer is not None
    assert answer[0] == 503
    assert b"stopping" in answer[1]
    line.close()

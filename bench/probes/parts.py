"""Where the time of a request goes, in process: parts of what the server does for each body."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.probes import answer
from tailrank.api import Ranking, RankRequest
from tailrank.ranking.reranker import Reranker
from tailrank.server.translation import to_items, to_request
from tailrank.state.open import open_state

POINTS = {
    "ids to codes": ("ranking.ordering:Listed.from_ids", "ranking.catalogue:Catalogue.histories"),
    "fusion": ("ranking.fusion:Fusion.fuse",),
    "policy and order": ("ranking.list_ranker:order_candidates", "ranking.reranker:order_candidates"),
}
"""Functions by the part they belong to, beside each signal's `score`; what a build lacks is passed over."""

REST = "rest of the ranking"


class Clock:
    """Sums up time by part; a part inside another one counts for itself alone."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def part(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Time a function."""

        def timed(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            self._inner.append(0.0)
            try:
                return call(*given, **named)
            finally:
                took = time.perf_counter() - start
                self.spent[name] += took - self._inner.pop()
                self._inner[-1] += took

        return timed

    def put_into(self, owner: Any, name: str, part: str) -> None:
        """Replace a function, method or class method by itself, timed."""
        call = vars(owner)[name]
        if isinstance(call, classmethod):
            setattr(owner, name, classmethod(self.part(part, call.__func__)))
        else:
            setattr(owner, name, self.part(part, call))


def instrumented(ranker: Reranker) -> Clock:
    """Time the parts of a ranking."""
    clock = Clock()
    kinds: dict[Any, Any] = {type(signal): type(signal).score for signal in ranker.signals}
    for kind, score in kinds.items():  # some inherit it from one another
        kind.score = clock.part(f"signal: {kind.__name__}", score)
    for part, points in POINTS.items():
        for point in points:
            module, _, path = point.partition(":")
            *owners, name = path.split(".")
            try:
                owner = reduce(getattr, owners, import_module(f"tailrank.{module}"))
                clock.put_into(owner, name, part)
            except (ImportError, AttributeError, KeyError):
                continue
    return clock


async def ranked(model: str, state: str, bodies: list[bytes]) -> list[dict[str, float]]:
    """Answer each body; give the seconds of its parts."""
    ranker, kept, found = Reranker.load(Path(model)), open_state(state), []
    clock = instrumented(ranker)
    decode = clock.part("decode", msgspec.json.Decoder(RankRequest).decode)
    translate = clock.part("translate", to_request)
    rank = clock.part(REST, ranker.rank)
    write = clock.part("translate", to_items)
    encode = clock.part("encode", msgspec.json.Encoder().encode)
    for body in bodies:
        clock.spent.clear()
        asked = decode(body)
        start = time.perf_counter()
        history = (await kept.read(asked.user or "")).history
        clock.spent["state"] = time.perf_counter() - start
        encode(Ranking("0" * 24, "model", 0.0, False, write(rank(translate(asked, history)))))
        found.append(dict(clock.spent))
    await kept.close()
    return found


def measure(model: str, state: str, bodies: str, last: int) -> dict[str, Any]:
    """Give the median of each part of the last requests, in milliseconds."""
    found = asyncio.run(ranked(model, state, Path(bodies).read_bytes().splitlines()))[-last:]
    return {name: 1e3 * float(np.median([each[name] for each in found])) for name in found[-1]}


if __name__ == "__main__":
    answer(measure)

"""A server compares two models while simulated users click: what is decided, and what a ranking costs.

The better model is the one given. The worse one, `by popularity`, has lost its weights: it ranks by how
often items were chosen. `decisions`: what is decided if the better model is the challenger, if the worse one
is, and if both are the same. Users are those of `tailrank simulate`, who know what the better model knows.
`cost`: the median request of 100 candidates with a log, against a server that interleaves; `ratio` is the
median over pairs of blocks, with a 95% bootstrap interval over the pairs.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final, Self

import numpy as np
import typer

from bench.study import Json, Keep, Model, report
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server, cores, pinned
from tailrank.benchmarks.subject import subject
from tailrank.cli.options import load
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.evaluation.simulation.attraction import Attraction
from tailrank.evaluation.simulation.clicks import ClickModel, PositionBased
from tailrank.evaluation.simulation.visits import Visits, held_out
from tailrank.feedback.experiment_report import reported
from tailrank.feedback.experiments import decide, in_words
from tailrank.feedback.live_outcomes import CLICKS, Compare, read_comparison
from tailrank.feedback.log_tables import read_log
from tailrank.ranking.reranker import Reranker

SHOWN: Final = 10
HISTORY: Final = 50
BLOCK: Final = 200
"""Requests to one server before those to the other."""

RESAMPLES: Final = 2_000
SEED: Final = 0
EXAMINE_LESS: Final = PositionBased()
"""Rank k is looked at with chance 1/k."""


@dataclass(frozen=True)
class Users:
    """Simulated users, each of whom comes with one real history.

    Attributes
    ----------
    bodies
        What each user's system requests.
    attraction
        By user, the chance that an item is clicked if it is examined.
    """

    bodies: Sequence[Json]
    attraction: Sequence[dict[str, float]]

    @classmethod
    def draw(cls, reranker: Reranker, dataset: Dataset, users: int, seed: int = SEED) -> Self:
        """Let users come at real moments, and like what the model and they themselves have chosen."""
        known, queries, _ = held_out(reranker, dataset)
        queries = queries.sample(users, seed)
        visits = Visits.from_queries(reranker, known, queries, seed=seed)
        chances = Attraction.draw(visits, np.random.default_rng(seed)).before
        names = [[known.item_ids[code] for code in row] for row in visits.items]
        bodies = [
            {"user": f"u{at}", "candidates": row, "history": history, "k": SHOWN}
            for at, (row, history) in enumerate(zip(names, _histories(known, queries), strict=True))
        ]
        return cls(
            bodies,
            [dict(zip(row, each, strict=True)) for row, each in zip(names, chances.tolist(), strict=True)],
        )

    def come(self, port: int, rankings: int, model: ClickModel, seed: int = SEED) -> None:
        """Ask a server for rankings, and send it the clicks."""
        rng, line = np.random.default_rng(seed), Connection(port)
        numbers = count()
        for at in range(rankings):
            body, likes = self.bodies[at % len(self.bodies)], self.attraction[at % len(self.bodies)]
            found = line.ask("/v1/rank", body)
            shown = [item["id"] for item in found["items"]]
            [clicked] = model.clicks(np.array([[likes[name] for name in shown]]), rng.random((1, len(shown))))
            events = [
                {
                    "event_id": f"e{next(numbers)}",
                    "user_id": body["user"],
                    "item_id": shown[place],
                    "event": "click",
                    "timestamp": time.time(),
                    "ranking_id": found["ranking_id"],
                }
                for place in np.flatnonzero(clicked)
            ]
            if events:
                line.ask("/v1/events", events)
        line.close()


def _histories(known: Dataset, queries: Queries) -> Iterator[list[str]]:
    starts = np.maximum(queries.starts, queries.ends - HISTORY)
    for start, end in zip(starts.tolist(), queries.ends.tolist(), strict=True):
        yield [known.item_ids[code] for code in queries.source.items[start:end]]


def by_popularity(reranker: Reranker) -> Reranker:
    """Take a model its weights: what is left ranks by how often items were chosen."""
    fusion = reranker.fusion
    return replace(reranker, fusion=replace(fusion, weights=np.zeros_like(fusion.weights)))


def compared(
    control: Path,
    challenger: Path,
    folder: Path,
    compare: Compare,
    users: Users,
    rankings: int,
    model: ClickModel = EXAMINE_LESS,
) -> Path:
    """Serve two models to users; gives the folder of the log, which has all that was shown."""
    log = folder / "log"
    options = ("--log-impressions", str(log), "--challenger", str(challenger), "--compare", compare)
    with Server(control, folder / "state", "--queue-ms", "10000", *options) as server:
        users.come(server.port, rankings, model)
    return log  # which was written to its end before the server had ended


def decisions(folder: Path, users: Users, rankings: int) -> Iterator[Json]:
    """Decide whether to ship the better model, the worse one, and the same one."""
    pairs = {"better": ("worse", "better"), "worse": ("better", "worse"), "same": ("better", "same")}
    for challenger, (a, b) in pairs.items():
        for compare in ("interleave", "split"):
            there = folder / f"{challenger} {compare}"
            log = compared(folder / a, folder / b, there, compare, users, rankings)
            _, outcomes = read_comparison(log, CLICKS)
            found = decide(outcomes, CLICKS)
            clicks = len(read_log(log).events.select("event_id").collect())
            yield {
                "challenger": challenger,
                "compare": compare,
                "rankings": len(outcomes.times),
                "clicks": clicks,
                **{name: reported(found, ())[name] for name in ("verdict", "effect")},
            }
            print(challenger, compare, found.verdict, in_words(found.effect.difference), flush=True)
            shutil.rmtree(there)


def cost(model: Path, challenger: Path, data: str, pairs: int) -> Json:
    """Time requests to two servers on one core, in turns: one has a challenger to interleave with."""
    core, clients = cores()
    medians: dict[str, list[float]] = {"alone": [], "interleaved": []}
    with subject(load(data), model, 0, SEED) as it, ExitStack() as running, pinned(clients):
        rng, servers = np.random.default_rng(SEED), dict[str, Server]()
        for name in medians:
            given = ["--log-impressions", str(it.state.with_name(f"log {name}"))]
            given += ["--challenger", str(challenger)] if name == "interleaved" else []
            with pinned(core):
                server = Server(model, it.state.with_name(name), "--queue-ms", "10000", *given)
            servers[name] = running.enter_context(server)
            it.store_events(server.port)
        lines = {name: Connection(server.port) for name, server in servers.items()}
        sent = [request("/v1/rank", body) for body in it.rankings(5_000, 100, rng, new_event=True)]
        for pair in range(pairs + 2):
            block = [sent[(pair * BLOCK + at) % len(sent)] for at in range(BLOCK)]
            for name in sorted(lines, reverse=bool(pair % 2)):
                medians[name].append(_median_ms(lines[name], block))
    return _compared({name: np.array(each[2:]) for name, each in medians.items()})


def _median_ms(line: Connection, block: Sequence[bytes]) -> float:
    took = []
    for each in block:
        start = time.perf_counter()
        line.insist(each)
        took.append(1e3 * (time.perf_counter() - start))
    return float(np.median(took))


def _compared(found: dict[str, Any]) -> Json:
    ratios = found["interleaved"] / found["alone"]
    drawn = np.random.default_rng(SEED).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    ends = np.percentile(np.median(ratios[drawn], axis=1), [2.5, 97.5]).tolist()
    p50 = {f"{name}, p50_ms": float(np.median(each)) for name, each in found.items()}
    return {**p50, "ratio": float(np.median(ratios)), "ci95": ends, "pairs": len(ratios)}


def main(
    model: Model,
    data: Annotated[str, typer.Option(help="That the model learned from.")] = "movielens-100k",
    users: Annotated[int, typer.Option(help="That come.")] = 1_000,
    rankings: Annotated[int, typer.Option(help="Of each comparison.")] = 3_000,
    pairs: Annotated[int, typer.Option(help="Of blocks of requests.")] = 40,
    keep: Keep = False,
) -> None:
    """Measure, and print one JSON object."""
    reranker, dataset = Reranker.load(model), load(data)
    with tempfile.TemporaryDirectory(prefix="tailrank-live-") as name:
        folder = Path(name)
        for each in ("better", "same"):
            shutil.copytree(model, folder / each)
        by_popularity(reranker).save(folder / "worse")
        drawn = Users.draw(reranker, dataset, users)
        found: Json = {"users": len(drawn.bodies), "seed": SEED}
        found["decisions"] = list(decisions(folder, drawn, rankings))
        found["cost"] = cost(model, folder / "same", data, pairs)
    report("live.json", found, keep)

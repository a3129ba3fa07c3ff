"""What logging impressions costs a ranking, with `--learn` learning from them, too; and what exploring adds.

Two servers, of which one does it (with `--explore` both learn, and one explores), take turns at the same
requests, and get clicks on what they ranked. Each ranks 100 candidates. `one`: one connection to each
server, both of them on one core and the client on another; `ratio` is the median, over pairs of blocks, of
how much longer the median request takes with it, with a 95% bootstrap interval over the pairs; `cpu_us` is
what the whole server computed for a request, without the process that learns. `many`: wrk with 16
connections, the servers one after the other, in turns. `log`: a process that only logs, at a stated rate:
how long `add` takes, and how much of a core all of it does.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
import numpy as np
import typer

from bench.study import Json, Keep, Model, report
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server, cores, pinned
from tailrank.benchmarks.subject import Subject, subject
from tailrank.benchmarks.throughput import wrk
from tailrank.cli.options import load
from tailrank.feedback.impression_log import ImpressionLog
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.records import ShownRecord
from tailrank.feedback.roll_over_process import Retention
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

CANDIDATES: Final = 100
BLOCK: Final = 200
"""Requests to one server before those to the other."""

CLICKED: Final = 10
"""Between two blocks, one in so many rankings gets a click."""

PAIRS: Final = 60
TURNS: Final = 4
RESAMPLES: Final = 2_000
RATE: Final = 2_500
SEED: Final = 0
What: TypeAlias = Literal["log", "learning", "exploration"]


@contextmanager
def both(it: Subject, what: What) -> Iterator[Mapping[str, Server]]:
    """Run both servers on a core, and this process on another."""
    core, clients = cores()
    log, other = (("--log-impressions", str(it.state.with_name(name))) for name in ("log", "other log"))
    compared: dict[What, tuple[tuple[str, ...], tuple[str, ...]]] = {
        "log": ((), log),
        "learning": ((), (*log, "--learn")),
        "exploration": ((*other, "--learn"), (*log, "--learn", "--explore", "thompson")),
    }
    named = "exploration" if what == "exploration" else "the log"
    with ExitStack() as running, pinned(clients):
        servers = {}
        for name, options in zip((f"without {named}", f"with {named}"), compared[what], strict=True):
            with pinned(core):
                server = Server(it.model, it.state.with_name(name), "--queue-ms", "10000", *options)
            servers[name] = running.enter_context(server)
            it.store_events(server.port)
        yield servers


def one(servers: Mapping[str, Server], bodies: Sequence[bytes], pairs: int) -> Json:
    """Time requests one after the other, to the servers in turns; clicks come between the blocks."""
    sent = [request("/v1/rank", body) for body in bodies]
    lines = {name: Connection(server.port) for name, server in servers.items()}
    medians: dict[str, list[float]] = {name: [] for name in servers}
    used = {name: -cpu_seconds(server.process.pid) for name, server in servers.items()}
    for pair in range(pairs + 2):
        block = [sent[(pair * BLOCK + at) % len(sent)] for at in range(BLOCK)]
        for name in sorted(servers, reverse=bool(pair % 2)):
            took, answers = [], []
            for each in block:
                start = time.perf_counter()
                answers.append(lines[name].insist(each))
                took.append(1e3 * (time.perf_counter() - start))
            medians[name].append(float(np.median(took)))
            lines[name].insist(request("/v1/events", clicks(block[::CLICKED], answers[::CLICKED])))
    used = {name: used[name] + cpu_seconds(server.process.pid) for name, server in servers.items()}
    found = {name: np.array(each[2:]) for name, each in medians.items()}
    off, on = found.values()
    ratios = on / off
    drawn = np.random.default_rng(SEED).integers(pairs, size=(RESAMPLES, pairs))
    low, high = np.percentile(np.median(ratios[drawn], axis=1), [2.5, 97.5]).tolist()
    summary: Json = {f"{name}, p50_ms": float(np.median(each)) for name, each in found.items()}
    summary |= {f"{name}, cpu_us": 1e6 * each / (BLOCK * (pairs + 2)) for name, each in used.items()}
    return summary | {"ratio": float(np.median(ratios)), "ci95": [low, high], "pairs": pairs}


def clicks(asked: Sequence[bytes], answers: Sequence[bytes]) -> bytes:
    """Write a click on an item of each ranking, as `/v1/events` reads them."""
    found = []
    for at, (body, answer) in enumerate(zip(asked, answers, strict=True)):
        ranking = msgspec.json.decode(answer)
        name, item = ranking["ranking_id"], ranking["items"][at % 10]["id"]
        user = msgspec.json.decode(body.partition(b"\r\n\r\n")[2])["user"]
        event = {"event_id": name, "user_id": user, "item_id": item, "event": "click"}
        found.append(event | {"timestamp": time.time(), "ranking_id": name})
    return msgspec.json.encode(found)


def cpu_seconds(process: int) -> float:
    """Read how long all threads of a process have computed, on Linux."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many(servers: Mapping[str, Server], bodies: Sequence[bytes], file: Path, seconds: float) -> Json:
    """Ask for as many rankings as each server gives."""
    file.write_bytes(b"\n".join(bodies))
    found: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(TURNS):
        for name in sorted(servers, reverse=bool(turn % 2)):
            found[name].append(wrk(servers[name].port, file, seconds)["requests_per_s"])
    rates: Json = {f"{name}, rankings_per_s": float(np.median(each)) for name, each in found.items()}
    off, on = map(np.array, found.values())
    return rates | {"ratio": float(np.median(on / off))}


def log_alone(it: Subject, seconds: float, rate: int) -> Json:
    """Log impressions at a rate, and read them back."""
    reranker, folder = Reranker.load(it.model), it.state.with_name("alone")
    names = it.dataset.item_ids[:CANDIDATES]
    ranking = reranker.rank(Request(names[:20], names, keep_signals=True))
    lost: list[int] = []
    log, took, late = ImpressionLog(folder, Retention(), lost.append), [], 0.0
    n, begun, used = int(seconds * rate), time.perf_counter(), time.process_time()
    for at in range(n):
        time.sleep(max(0.0, begun + at / rate - time.perf_counter()))
        start = time.perf_counter()
        shown = ShownRecord.from_ranking(ranking, user_id=f"u{at}", time=time.time(), model="m")
        log.add(msgspec.structs.replace(shown, ranking_id=f"r{at}"))
        took.append(1e6 * (time.perf_counter() - start))
        late = time.perf_counter() - begun
    used = time.process_time() - used
    time.sleep(1)
    found = len(read_log(folder).shown.select("ranking_id").collect())
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    return {
        "per_s": n / late,
        "add_p50_us": p50,
        "add_p99_us": p99,
        "share_of_a_core": used / late,
        "lost": n - found,
        "bytes_a_ranking": size / found,
    }


def main(
    model: Model,
    data: Annotated[str, typer.Option(help="That the model learned from.")] = "movielens-100k",
    seconds: Annotated[float, typer.Option(help="Of each run of wrk, and of the log alone.")] = 8.0,
    pairs: Annotated[int, typer.Option(help="Of blocks of requests.")] = PAIRS,
    learn: Annotated[bool, typer.Option("--learn", help="Learn from what is logged, too.")] = False,
    explore: Annotated[
        bool,
        typer.Option("--explore", help="Compare learning and exploring with learning alone."),
    ] = False,
    keep: Keep = False,
) -> None:
    """Measure what logging costs, and print one JSON object."""
    what: What = "exploration" if explore else "learning" if learn else "log"
    with subject(load(data), model, 0, SEED) as it:
        rng = np.random.default_rng(SEED)
        with both(it, what) as servers:
            bodies = it.rankings(5_000, CANDIDATES, rng, new_event=True)
            found: Json = {"one": one(servers, bodies, pairs)}
            found["many"] = many(servers, bodies, it.state.with_name("bodies"), seconds)
        found["log"] = log_alone(it, seconds, RATE)
    report("impressions.json" if what == "log" else f"impressions-{what}.json", found, keep)

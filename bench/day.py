"""A day end to end: a server, users who come and click, a taste that shifts, and what is done about it.

A model is trained on the earlier four fifths of the events and promoted into a folder of versions, from which
a server ranks. Simulated users (docs/simulation.md) come over HTTP at a stated rate, with the histories of
those who really came later, see ten items, and click by a position-based model. In the second chapter of the
day three clicks in four get lost, with the fourth taste shifts, and with the fifth a model is retrained from
the server's log. If it passes, it serves for a chapter, and is rolled back for a last one. Stored are the
clicks to be expected of what was shown, and of what the first model would have shown, how long rankings took,
and what happened when.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import httpx
import numpy as np
import typer

from bench import charts
from bench.study import Json, Keep, report
from bench.town import CHAPTERS, LOST, SHIFT, Town, begun, said
from tailrank.benchmarks.launcher import Server
from tailrank.client.clients import Client
from tailrank.client.requests import new_event
from tailrank.errors import RequestError

SHOWN: Final = 10
RETRAIN: Final = 4
"""Chapter with which retraining begins."""

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at alerts."""

BINS: Final = 60
PLOT: Final = Path(__file__).parents[1] / "docs" / "day.svg"


@dataclass
class Operator:
    """Does what is to be done in the course of a day, and marks what happens after which ranking.

    Attributes
    ----------
    marks
        What happened.
    is_over
        Whether nothing more is to come.
    """

    town: Town
    url: str
    marks: list[Json] = field(default_factory=list)
    is_over: bool = False
    _running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _alerts: set[tuple[str, ...]] = field(default_factory=set)
    _models: list[str] = field(default_factory=list)
    _looked: float = 0.0
    _latest: int = 0

    def look(self, n: int, model: str) -> None:
        """Begin what is due, and mark what has changed; `model` is the one that ranks."""
        chapter, folder = self.town.chapter, self.town.folder
        for at, what in zip((*LOST, SHIFT), ("clicks get lost", "no more", "taste shifts"), strict=True):
            if n == at * chapter:
                self.mark(n, what)
        is_quiet = n >= self._latest + chapter and not self._running
        if n == RETRAIN * chapter:
            where = "--data", folder / "shop", "--model", folder / "models" / "current"
            self.begin(n, "retraining", "retrain", *where, "--from-log", folder / "log")
        elif n > RETRAIN * chapter and is_quiet and len(self._models) == len(("first", "new")):
            self.begin(n, "rolling back", "models", "rollback", folder / "models")
        elif n > RETRAIN * chapter and is_quiet:
            self.is_over = True
        if model not in self._models[-1:]:
            self._models.append(model)
            self.mark(n, "serves", model)
        if time.monotonic() > self._looked + LOOK_EVERY:
            self._looked = time.monotonic()
            self.mark_alerts(n)
            for what in [name for name, process in self._running.items() if process.poll() is not None]:
                self.mark(n, f"{what} ends", said(self._running.pop(what)))

    def begin(self, n: int, what: str, *words: object) -> None:
        """Run a command beside the server."""
        self.mark(n, what)
        self._running[what] = begun(*words)

    def mark_alerts(self, n: int) -> None:
        """Mark new alerts."""
        found = httpx.get(f"{self.url}/v1/alerts", timeout=10).json()
        for alert in (*found.get("opened", ()), *found.get("closed", ())):
            key = alert["kind"], alert["subject"], str(alert["since"])
            if key not in self._alerts:
                self._alerts.add(key)
                self.mark(n, f"alert: {alert['kind']}", alert["message"])

    def mark(self, n: int, what: str, words: str = "") -> None:
        """Note what happened after a ranking."""
        self.marks.append({"rankings": n, "what": what, "said": words})
        self._latest = self._latest if what.startswith("alert") else n
        print(f"{n:>7,} {what} {words}", file=sys.stderr, flush=True)


def live(town: Town, server: Server, rate: float) -> Json:
    """Let everybody come; gives what was shown and clicked, and how long that took, by the ranking."""
    values: dict[str, list[float]] = {name: [] for name in ("served", "clicks", "ms", "degraded")}
    operator, luck, begin = Operator(town, server.url), town.simulation.luck, time.monotonic()
    with Client(server.url) as client:
        for n in range(len(luck)):
            time.sleep(max(0.0, begin + n / rate - time.monotonic()))
            user, asked = town.user(n), time.perf_counter()
            # No user is named: visits come again, and what was clicked then would count as known.
            ranking = client.rank(town.candidates(n), history=town.history(n), k=SHOWN)
            took = 1e3 * (time.perf_counter() - asked)
            shown = [item.id for item in ranking.items]
            chances = town.chances(n, shown)
            liked = [shown[at] for at in np.flatnonzero(luck[n] < chances[0])]
            if liked:
                client.add_events(*(new_event(user, name, ranking_id=ranking.ranking_id) for name in liked))
            found = float(chances.sum()), float(len(liked)), took, float(ranking.degraded)
            for name, value in zip(values, found, strict=True):
                values[name].append(value)
            operator.look(n, ranking.model)
            if operator.is_over:
                took = time.monotonic() - begin
                return {"rankings_per_s": (n + 1) / took, "marks": operator.marks} | values
    raise RequestError(f"retraining takes longer than {CHAPTERS} chapters: give a larger --chapter")


def summary(town: Town, found: Json) -> Json:
    """Sum up parts of the day, each some rankings long."""
    n = len(found["ms"])
    bins = np.array_split(np.arange(n), BINS)
    columns = {name: np.array(found.pop(name)) for name in ("served", "clicks", "ms")}
    columns["first model"] = town.first[:n]
    means = {name: [float(column[part].mean()) for part in bins] for name, column in columns.items()}
    p50, p99 = zip(*(np.percentile(columns["ms"][part], [50, 99]).tolist() for part in bins), strict=True)
    return {
        "dataset": town.dataset.name,
        "visits": len(town.histories),
        **found,
        "degraded": sum(found["degraded"]),
        "rankings": [int(part[-1]) + 1 for part in bins],
        "clicks": {name: means[name] for name in ("first model", "served", "clicks")},
        "ms": {"p50": p50, "p99": p99},
    }


def main(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Data folder, with timestamps.")],
    chapter: Annotated[int, typer.Option(help="Rankings of each part of the day.")] = 1_500,
    rate: Annotated[float, typer.Option(help="Rankings a second.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of who comes, what they like, and their luck.")] = 0,
    keep: Keep = False,
) -> None:
    """Live through the day, and print one JSON object; with --keep, draw it for the docs, too."""
    folder = Path(tempfile.mkdtemp(prefix="tailrank-day-"))
    try:
        town = Town.settle(data, folder, chapter, seed)
        options = ["--log-impressions", str(folder / "log"), "--learn"]
        with Server(folder / "models" / "current", folder / "state", *options) as server:
            found = summary(town, live(town, server, rate))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report("day.json", found, keep)
    if keep:
        PLOT.write_text(charts.svg(charts.day, found), encoding="utf-8")

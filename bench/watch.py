"""Watch simulated days: what is alerted if nothing is wrong, and how soon a fall of the click rate is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Final, TypeAlias

import numpy as np
import typer

from bench.study import Data, Json, Seeds, encoded, kept_file, numbers, path_of, store
from tailrank.arrays import Bools, Doubles, Seconds
from tailrank.cli.options import load
from tailrank.cli.progress import progress_bars
from tailrank.data.splits import temporal
from tailrank.evaluation.simulation.learners import Fixed
from tailrank.evaluation.simulation.simulator import Run, Simulation
from tailrank.evaluation.simulation.visits import Visits
from tailrank.feedback.records import EventRecord, ShownRecord
from tailrank.feedback.watch import Watch
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.popularity import DAY

NAME: Final = "movielens-small-plots"
VISITS, PER_USER = 3_000, 30
START: Final = 1_764_028_800.0
"""Midnight."""

Logged: TypeAlias = tuple[ShownRecord, list[EventRecord]]
"""A ranking, and the clicks on it."""

LOOK_EVERY: Final = 1.0
BEFORE, AFTER = 0.2, 0.05
"""Shares of rankings with a click, before and after a fall."""


def visits_of(data: Data) -> Visits:
    """Fit a model before the latest events of each user, and score candidates for users who come then."""
    dataset = load(path_of(NAME, data))
    split = temporal(dataset, PER_USER)
    folder = kept_file("learning", dataset, 0, "model").with_suffix("")
    with progress_bars() as progress:
        if not folder.exists():
            Reranker.fit(split, encoded(NAME, data)[1], Settings(), progress).save(folder)
        asked = split.test.sample(VISITS, seed=0)
        return Visits.from_queries(Reranker.load(folder), split.full_train, asked, progress=progress)


def moments(rankings: int, rng: np.random.Generator) -> Seconds:
    """Draw when rankings of a day are shown: nine times as many in the evening as before dawn."""
    hours = np.arange(24 * 60) / 60
    rate = 1 + 0.8 * np.sin(2 * np.pi * (hours - 13) / 24)
    minutes = rng.choice(len(hours), rankings, p=rate / rate.sum())
    return START + np.sort(60.0 * minutes + 60 * rng.random(rankings))


def thinned(run: Run, rates: Doubles, rng: np.random.Generator) -> Bools:
    """Take clicks away from so many lists that a share, shape (rankings,), of them keep theirs."""
    kept = rng.random(len(rates)) < rates / run.clicked.any(axis=1).mean()
    clicked: Bools = run.clicked & kept[:, None]
    return clicked


def records(visits: Visits, simulation: Simulation, run: Run, times: Seconds) -> Iterator[Logged]:
    """Give each ranking with the clicks on it, half a minute after it on average, as a server logs them."""
    rng = np.random.default_rng(0)
    for n, (row, columns, at) in enumerate(zip(simulation.rows, run.columns, times.tolist(), strict=True)):
        items = [str(item) for item in visits.items[row, columns]]
        user = str(visits.users[row])
        shown = ShownRecord(
            f"r{n}",
            user,
            at,
            NAME,
            items,
            (columns + 1).tolist(),
            run.scores[n].tolist(),
            visits.signals[row, columns].astype("<f4").tobytes(),
            visits.fusion.signals,
            visits.levels[row, columns].astype("<i4").tobytes(),
            int(visits.buckets[row]),
            None,
        )
        clicks = [
            EventRecord(f"e{n}-{k}", user, items[k], "click", at + rng.exponential(30), f"r{n}")
            for k in np.flatnonzero(run.clicked[n])
        ]
        yield shown, clicks


def watched(lists: Iterator[Logged]) -> Watch:
    """Watch a day of rankings and clicks, each in the second in which it is logged."""
    watch, coming, looked = Watch(), list[EventRecord](), 0.0
    for shown, clicks in lists:
        if shown.time > looked + LOOK_EVERY:
            looked = shown.time
            for click in sorted(coming, key=lambda one: one.timestamp):
                if click.timestamp <= looked:
                    watch.take(click)
            coming = [click for click in coming if click.timestamp > looked]
            watch.look(looked)
        watch.take(shown)
        coming += clicks
    watch.look(START + DAY)
    return watch


def day(visits: Visits, rankings: int, fall: bool, seed: int) -> Json:
    """Watch one day, in whose middle the click rate falls, or doesn't."""
    simulation, rng = Simulation.draw(visits, rankings, seed=seed), np.random.default_rng(seed)
    run, times = simulation.run(Fixed(visits.scores)), moments(rankings, rng)
    half = rankings // 2
    if fall:
        rates = np.where(np.arange(rankings) < half, BEFORE, AFTER)
        run = Run(**vars(run) | {"clicked": thinned(run, rates, rng)})
    watch = watched(records(visits, simulation, run, times))
    alerts = [*watch.alerts.opened, *watch.alerts.closed]
    after = [alert for alert in alerts if alert.kind == "click rate" and alert.since >= times[half]]
    first = min((alert.since for alert in after if not alert.subject), default=None)
    early = [alert for alert in alerts if not fall or alert.since < times[half]]
    return {
        "clicks_a_ranking": float(run.clicked[:half].sum(axis=1).mean()),
        "false_alarms": Counter(alert.kind for alert in early),
        "told": [str(alert) for alert in early],
        "rankings_until_told": None if first is None else int(np.searchsorted(times, first) - half),
    }


def main(
    data: Data,
    seeds: Seeds = "0,1,2,3,4,5,6,7,8,9",
    rankings: Annotated[int, typer.Option(help="Of a day.")] = 50_000,
) -> None:
    """Store the study."""
    visits = visits_of(data)
    found = {
        name: [day(visits, rankings, fall, seed) for seed in numbers(seeds)]
        for name, fall in {"steady": False, "the click rate falls": True}.items()
    }
    store("watch.json", {"dataset": NAME, "rankings": rankings, "rates": [BEFORE, AFTER], "days": found})

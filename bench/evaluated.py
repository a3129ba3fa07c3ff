"""Sections about evaluations: tailrank beside models that ran here, and beside published figures."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Final

from bench.run import command
from bench.stored import COSTS, OURS, Evaluated, Json
from bench.tables import cost, difference, number, spread, table, verdict

COLUMNS: Final = {
    "ndcg@10": "NDCG@10",
    "recall@10": "Recall@10",
    "ndcg@10/tail80": "tail",
    "ndcg@10/count=1-5": "≤5",
    "coverage@10": "coverage",
    "fit_seconds": "fit, s",
    "rank_ms_per_user": "ms a query",
}
PUBLISHED: Final = ("ndcg@10", "recall@10")
PUBLISHED_PROTOCOL: Final = "leave-one-out"
"""The protocol of the published figures: the order in the files, ties included."""

REPEAT: Final = """\
All evaluations, from the checkout, where DATA holds the data folders; the first line sets up what peers need:

```sh
make peers
.venv-peers/bin/python -m bench.run DATA
```

[How these runs were made](../bench/results/README.md) says what their times are worth.

The command under each table repeats its first seed, from within DATA; public data sets are fetched by their
names."""


def conditions(found: list[Evaluated]) -> str:
    """Say where and when the evaluations ran, with which versions, and how to run all of them."""
    settings = [run["settings"] for one in found for run in one.runs.values()]

    def distinct(show: Callable[[Json], str]) -> str:
        return "; ".join(sorted({show(each) for each in settings}))

    dates = sorted(each["date"] for each in settings)
    rows = {
        "machine": distinct(lambda each: f"{each['processor']}, {each['cores']} cores, {each['system']}"),
        "dates": dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}",
        "versions": distinct(lambda each: ", ".join(f"{k} {v}" for k, v in sorted(each["versions"].items()))),
        "encoder": distinct(lambda each: f"{each['encoder']}, sha256 {each['encoder_sha256'][:12]}…"),
    }
    return f"{table(['', ''], rows.items(), left=2)}\n\n{REPEAT}"


def summary(found: list[Evaluated], rows: list[Json]) -> str:
    """Tell the main figures of all data sets in one table."""
    header = ["NDCG@10", OURS, "best other here", "best published", f"{OURS}, tail", "best other here, tail"]
    lines = [
        [
            one.title,
            number(one.mean(OURS, "ndcg@10")),
            _named(one, "ndcg@10"),
            _best_published(one, rows),
            number(one.mean(OURS, "ndcg@10/tail80")),
            _named(one, "ndcg@10/tail80"),
        ]
        for one in found
    ]
    return f"## In one table\n\n{table(header, lines)}"


def models(one: Evaluated) -> str:
    """List every model that ran here, the best figure of each column in bold."""
    best = {metric: one.best(metric) for metric in COLUMNS}
    lines = [[f"**{name}**" if name == OURS else name, *_figures(one, name, best)] for name in one.models]
    seed, run = next(iter(one.runs.items()))
    counts = f"{run['users']:,} people, {run['queries']:,} queries; {run['protocol']}"
    repeat = shlex.join(command(one.dataset, one.protocol, seed, list(run["models"]), one.dataset, "out"))
    seeds = ", ".join(map(str, one.runs))
    return f"{counts}. Seeds: {seeds}.\n\n{table(['', *COLUMNS.values()], lines)}\n\n```sh\n{repeat}\n```"


def published(one: Evaluated, rows: list[Json]) -> str:
    """List published figures for the data set, those of the same protocol first."""
    theirs = of(one, rows)
    if not theirs:
        return ""
    lines = [
        [method(row), str(row["year"]), row["remark"], f"[{_number_of(row, rows)}](#sources)"]
        + [number(row[metric]) for metric in PUBLISHED]
        for row in theirs
    ]
    ours = [f"**{OURS}**", "", "as above", "", *(number(one.mean(OURS, metric)) for metric in PUBLISHED)]
    header = ["published", "year", "", "source", *(COLUMNS[metric] for metric in PUBLISHED)]
    return table(header, [ours, *lines], left=4)


def differences(one: Evaluated) -> str:
    """List the paired differences between tailrank and each other model."""
    pairs = sorted(one.comparisons().items(), key=lambda item: (item[0][1], item[1]["difference"]))
    lines = [[b, COLUMNS[metric], verdict(pair), difference(pair)] for (b, metric), pair in pairs]
    header = [f"{OURS} minus", "figure", "", "difference, 95% interval"]
    return table(header, lines, left=3) if lines else ""


def of(one: Evaluated, rows: list[Json]) -> list[Json]:
    """Choose the published figures to compare an evaluation with, comparable ones and the highest first."""
    if one.protocol != PUBLISHED_PROTOCOL:
        return []
    theirs = [row for row in rows if row["dataset"] == one.dataset]
    return sorted(theirs, key=lambda row: (not row["same_protocol"], -(row["ndcg@10"] or 0), row["method"]))


def method(row: Json) -> str:
    """Name a published method, with a dagger where its data or its protocol are others."""
    return str(row["method"]) if row["same_protocol"] else f"{row['method']} †"


def sources(found: list[Evaluated], rows: list[Json]) -> str:
    """List the sources of the published figures on this page, and how each was verified."""
    used = {_number_of(row, rows): row for one in found for row in of(one, rows)}
    lines = [[str(nth), row["source"], row["verified"]] for nth, row in sorted(used.items())]
    return f"## Sources\n\n{table(['', 'source', 'how it was read'], lines, left=3)}" if lines else ""


def _number_of(row: Json, rows: list[Json]) -> int:
    return 1 + list(dict.fromkeys(each["source"] for each in rows)).index(row["source"])


def _figures(one: Evaluated, name: str, best: dict[str, float | None]) -> list[str]:
    cells = []
    for metric, leader in best.items():
        value = one.mean(name, metric)
        cell = cost(value) if metric in COSTS else spread(value, one.spread(name, metric))
        cells.append(f"**{cell}**" if value is not None and value == leader else cell)
    return cells


def _named(one: Evaluated, metric: str) -> str:
    name = one.runner_up(metric)
    return f"{number(one.mean(name, metric))} ({name})" if name else "-"


def _best_published(one: Evaluated, rows: list[Json]) -> str:
    comparable = [row for row in of(one, rows) if row["same_protocol"]]
    return f"{number(comparable[0]['ndcg@10'])} ({comparable[0]['method']})" if comparable else "-"

"""Two builds side by side: they take turns at the same work, and a table gives ratios with intervals."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.filters import aim, quantity
from bench.sidebyside.ground import Ground, Sizes
from bench.sidebyside.lines import NEW, OLD, Round
from bench.sidebyside.rows import ROWS, Row
from bench.sidebyside.side import Side
from bench.stored import Studies
from bench.study import RESULTS, Json, chosen, store
from tailrank.data.cache import cache_root
from tailrank.files import written_file
from tailrank.machine import machine

NAME: Final = "sidebyside"
CHEAP: Final = [name for name, row in ROWS.items() if row.cheap]
STANDARD: Final = Sizes()


def rounds_of(
    name: str, row: Row, ground: Ground, sides: Mapping[str, Side], n: int, kept: Path
) -> list[Round]:
    """Let two builds take turns; each round is kept in a file, and read if it is there already."""
    found = []
    for nth in range(1 if row.once else n):
        file = kept / f"{name}-{nth}.json"
        if not file.exists():
            turns = list(sides.values())[:: -1 if nth % 2 else 1]
            measured = {side.name: row.measure(ground, side, nth) for side in turns}
            with written_file(file) as new:
                new.write_text(json.dumps(measured), encoding="utf-8")
        found.append(json.loads(file.read_text("utf-8")))
        shown = "; ".join(
            f"{side} {', '.join(f'{key} {quantity(value)}' for key, value in found[-1][side].items())}"
            for side in sides
        )
        print(f"{name}, round {nth + 1}: {shown}", flush=True)
    return found


def table(rows: Json) -> Table:
    """Make a table of what is stored of rows."""
    drawn = Table(box=SIMPLE_HEAD)
    for heading in ("", OLD, NEW, f"{NEW}/{OLD}, or {NEW}", "95% interval", "aim"):
        drawn.add_column(heading, justify="left" if heading in {"", "aim"} else "right")
    for line in (line for row in rows.values() for line in row["lines"]):
        low, high = map(quantity, line["ci95"])
        values = (quantity(line[key]) for key in (OLD, NEW, "value"))
        drawn.add_row(line["label"], *values, f"{low} to {high}", aim(line))
    return drawn


def worse(rows: Json, most: float) -> list[str]:
    """List the ratios that have an aim and are worse than a limit with the whole of their interval.

    Parameters
    ----------
    rows
        What is stored of rows.
    most
        The limit, such as 1.2: a time may be longer by a fifth, and a rate smaller by the same factor.
    """
    ratios = (line for row in rows.values() for line in row["lines"] if line["judged"] == "ratio")
    return [
        line["label"]
        for line in ratios
        if line["bound"] is not None
        and (line["ci95"][1] < 1 / most if line["least"] else line["ci95"][0] > most)
    ]


def conditions(sides: Mapping[str, Side]) -> str:
    """Say on what machine, with which packages and kernels."""
    about = machine()
    lines = [f"{about['processor']}, {about['cores']} cores, load {os.getloadavg()[0]:.1f}"]
    for name, side in sides.items():
        versions = [f"{package} {number}" for package, number in side.about["versions"].items()]
        lines.append(f"{name}: {', '.join(versions + side.about['kernels'])}")
    return "\n".join(lines)


def keep(name: str, row: Row, found: list[Round], sides: Mapping[str, Side], how: Json) -> Json:
    """Store what rounds gave, beside the other rows of the same builds; returns all rows."""
    builds = {side: each.about for side, each in sides.items()}
    before = Studies(RESULTS).single(NAME)
    same = before is not None and all(before[side]["source"] == builds[side]["source"] for side in sides)
    rows: Json = dict(before["rows"]) if before is not None and same else {}
    load = os.getloadavg()[0]
    rows[name] = {
        **{"lines": [line.summary(found) for line in row.lines], "rounds": found},
        **{"date": date.today().isoformat(), "load": load, **how},
    }
    ordered = {each: rows[each] for each in ROWS if each in rows}
    store(f"{NAME}.json", {"command": "python -m bench sidebyside OLD NEW", **builds, "rows": ordered})
    return ordered


def main(
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="Checkout of the build before; it makes the models.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Checkout of the build to compare with it.")],
    row: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(ROWS)}; by default {', '.join(CHEAP)}.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each build has its turn.")] = 5,
    data: Annotated[str, typer.Option(help="Data with users of 50 events.")] = "movielens-100k",
    model: Annotated[
        Path | None, typer.Option(help="Model of these data; by default each build trains one.")
    ] = None,
    training: Annotated[str, typer.Option(help="Data that row `fit` trains on.")] = "movielens-100k",
    items: Annotated[int, typer.Option(help="Of the large catalogue.")] = STANDARD.items,
    users: Annotated[int, typer.Option(help="Of the state, with 50 events each.")] = STANDARD.users,
    requests: Annotated[int, typer.Option(help="Of each kind, in each round.")] = STANDARD.requests,
    seconds: Annotated[float, typer.Option(help="Of each load, in each round.")] = STANDARD.seconds,
    texts: Annotated[int, typer.Option(help="To encode in each round.")] = STANDARD.texts,
    most: Annotated[
        float | None,
        typer.Option(min=1, help="Exit status 3 if NEW is worse than OLD by more than this factor."),
    ] = None,
) -> None:
    """Measure, print the table, and store it beside rows that were measured before."""
    names, sides = chosen(row or CHEAP, ROWS), {OLD: Side(OLD, old), NEW: Side(NEW, new)}
    sizes, root = Sizes(items, users, requests, seconds, texts), cache_root() / NAME
    source = sides[OLD].about["source"][:12]
    ground = Ground(sides[OLD], root / f"{source}-{Path(data).name}", data, model, training, sizes)
    ground.folder.mkdir(parents=True, exist_ok=True)
    how = {"data": Path(data).name, "training": Path(training).name, "sizes": asdict(sizes)}
    about = json.dumps([how, str(model), *(side.about for side in sides.values())])
    kept = root / hashlib.sha256(about.encode()).hexdigest()[:12]
    print(f"rounds are kept in {kept}: remove it to measure anew", flush=True)
    rows: Json = {}
    for name in names:
        found = rounds_of(name, ROWS[name], ground, sides, rounds, kept)
        rows = keep(name, ROWS[name], found, sides, how)
    Console().print(table(rows))
    print(conditions(sides))
    if most is not None and (behind := worse({name: rows[name] for name in names}, most)):
        print(f"worse by more than a factor of {most:g}: {'; '.join(behind)}")
        raise typer.Exit(3)

"""`tailrank simulate`: what a model and its settings are worth before anyone sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.evaluation.simulation.clicks import ClickModelName
from tailrank.evaluation.simulation.hindsight import best_weights
from tailrank.evaluation.simulation.learners import Fixed, Learner, Online
from tailrank.evaluation.simulation.log import impressions
from tailrank.evaluation.simulation.meter import METRICS, bounded, values
from tailrank.evaluation.simulation.simulator import Run, Simulation
from tailrank.evaluation.simulation.visits import Visits, held_out
from tailrank.feedback.guard import Action, GuardSettings
from tailrank.files import is_writable, written_file
from tailrank.metrics.significance import Difference
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import Progress, step

VISITS: Final = 2_000
"""Moments at which users come, at most; each is drawn several times."""

FROZEN, ONLINE, BEST = "frozen", "online", "best fixed weights"


def simulate(
    model: Annotated[Path, typer.Option(help="Model folder.")],
    data: options.Data,
    rankings: Annotated[int, typer.Option(min=1, help="How many lists are shown.")] = 10_000,
    clicks: Annotated[
        ClickModelName,
        typer.Option(help="Whether users look at each rank by chance, or go down the list to one click."),
    ] = "position",
    shift: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of rankings after which taste shifts; else never.",
            show_default=False,
        ),
    ] = None,
    learn: Annotated[
        Literal["none", "online"], typer.Option(help="Whether the weights of signals learn from clicks.")
    ] = "none",
    explore: Annotated[
        Literal["none", "thompson", "ucb"],
        typer.Option(help="How online learning explores: by draws of the weights, or by upper bounds."),
    ] = "none",
    seed: options.Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="Parquet file for what was shown and clicked, as impressions.")
    ] = None,
    columns: options.Columns = None,
) -> None:
    """Show lists to simulated users, and count the clicks: to choose settings before launch."""
    _check(out)
    if explore != "none" and learn == "none":
        raise RequestError(f"--explore {explore} needs --learn online: nothing explores that doesn't learn")
    reranker, dataset = Reranker.load(model), options.load(data, options.reading(columns))
    if out is not None and dataset.clock != "timestamp":
        raise RequestError(f"{data}: --out needs events with a `timestamp`: leave it out")
    with progress_bars() as progress:
        known, queries, new = held_out(reranker, dataset)
        visits = Visits.from_queries(
            reranker, known, queries.sample(VISITS, seed), seed=seed, progress=progress
        )
        simulation = Simulation.draw(visits, rankings, clicks, shift, seed)
        ways: dict[str, Learner] = {FROZEN: Fixed(visits.scores)}
        if learn == "online":
            ways[ONLINE] = Online.start(visits, None if explore == "none" else explore, seed, guarded=True)
        logged = None if out is None else list(ways)[-1]
        runs = _runs(simulation, ways, logged, progress)
    console = Console()
    console.print(escape(_about(dataset, simulation, new)), soft_wrap=True)
    _show(console, simulation, runs)
    if isinstance(online := ways.get(ONLINE), Online):
        console.print(escape(_decided(online)), soft_wrap=True)
    if out is not None and logged is not None:
        with written_file(out) as file:
            impressions(simulation, runs[logged], dataset).write_parquet(file)
        console.print(escape(str(out)))


def _check(out: Path | None) -> None:
    if out is not None and (out.suffix != ".parquet" or out.is_dir() or not is_writable(out)):
        raise RequestError(f"--out {out}: name a file that can be written and ends in .parquet")


def _runs(
    simulation: Simulation, ways: Mapping[str, Learner], logged: str | None, progress: Progress
) -> dict[str, Run]:
    """Let each way of ranking meet the same users, and so the best fixed weights."""
    with step(progress, "finding the best fixed weights"):
        best = Fixed.with_weights(simulation.visits, best_weights(simulation))
    return {
        name: simulation.run(way, progress, f"simulating {name}", name == logged)
        for name, way in {**ways, BEST: best}.items()
    }


def _about(dataset: Dataset, simulation: Simulation, new: bool) -> str:
    """Say who comes, and what of it is real."""
    visits, shift = simulation.visits, simulation.shift
    known = "new to the model" if new else "known to the model, which does better on them than it will"
    shifts = f"taste shifts after {shift:,}" if shift < len(simulation.rows) else "taste never shifts"
    return (
        f"{dataset.name}: {len(simulation.rows):,} rankings for {len(visits):,} real moments of "
        f"{len(np.unique(visits.users)):,} users, {visits.size} candidates each; their events are {known}; "
        f"{shifts}. What is clicked is simulated (docs/simulation.md)."
    )


def _decided(online: Online) -> str:
    """Say what the guard decided, and why at last."""
    decisions = online.decisions
    if not decisions:
        waits = f"it waits for {GuardSettings().window} lists with clicks"
        return f"The guard decided nothing, so the model's own weights ranked: {waits}."
    actions = Counter(decision.action for decision in decisions)
    counts = ", ".join(f"{action} {actions[action]}" for action in get_args(Action))
    return f"The guard decided {len(decisions)} times ({counts}). At last, {decisions[-1]}."


def _show(console: Console, simulation: Simulation, runs: Mapping[str, Run]) -> None:
    """Print the metrics of each way, and what learning changes."""
    table = Table("", "", "mean", "95% interval", box=SIMPLE_HEAD)
    found = {name: values(simulation, run, runs[BEST]) for name, run in runs.items()}
    for metric in METRICS:
        rows = {name: _cells(bounded(simulation, metrics[metric])) for name, metrics in found.items()}
        if ONLINE in found:
            gain = bounded(simulation, found[ONLINE][metric] - found[FROZEN][metric])
            rows[f"{ONLINE} minus {FROZEN}"] = _cells(gain, "+")
        for at, (name, cells) in enumerate(rows.items()):
            table.add_row("" if at else metric, name, *cells)
        table.add_section()
    console.print(table)


def _cells(found: Difference, sign: str = "") -> tuple[str, str]:
    return f"{found.mean:{sign}.4f}", f"{found.low:{sign}.4f} to {found.high:{sign}.4f}"

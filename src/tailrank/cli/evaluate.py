"""`tailrank evaluate`: metrics of several models on the same queries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.arrays import Bools
from tailrank.cli import options, own_lists
from tailrank.cli.evaluation_tables import cell, choices_table, comparisons_table, metrics_table, table_of
from tailrank.cli.progress import progress_bars
from tailrank.cli.spaces import Spaces, check_tuned, column_spaces, encoders, vector_spaces
from tailrank.cli.teach import check_taught
from tailrank.data.cold_items import cold_items, natural_protocol
from tailrank.data.splits import Split, Ties, leave_one_out, temporal
from tailrank.errors import RequestError
from tailrank.evaluation import runner
from tailrank.evaluation.baselines import DEFAULT_MODELS, NEED_ENCODER, FittedModel, find_model, with_policies
from tailrank.evaluation.frontier import DIALS, MAX_LOSS, OBJECTIVE, Dial, find_dials
from tailrank.evaluation.grounds import SWEPT
from tailrank.evaluation.item_groups import item_groups
from tailrank.evaluation.results import Evaluation, Ground
from tailrank.files import is_writable
from tailrank.folders import check_room_for_report
from tailrank.language.vectors import ItemVectors
from tailrank.machine import machine
from tailrank.policy.base import Policy
from tailrank.ranking.settings import Settings
from tailrank.reporting import step
from tailrank.running import Run, run_here

SHOWN = {
    "ndcg@10": "ndcg@10",
    "ndcg@10/head20": "head",
    "ndcg@10/tail80": "tail",
    "ndcg@10/count=0": "new",
    "ndcg@10/cold": "cold",
    "ndcg@10/warm": "warm",
    "recall@10": "recall",
    "coverage@10": "coverage",
    "aplt@10": "tail share",
}
"""Metrics to print and their headings: from head to warm, ndcg@10 of targets there."""

WITH_POLICIES = ("tailrank", "without-lm")
"""Models that are a `Reranker`."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def evaluate(
    context: typer.Context,
    data: options.Data,
    out: Annotated[Path, typer.Option(help="Folder for metrics.json and report.html.")],
    protocol: Annotated[
        Literal["leave-one-out", "temporal", "cold-items"],
        typer.Option(help="How to split; see docs/evaluation.md."),
    ] = "leave-one-out",
    models: Annotated[
        str | None, typer.Option(help=f"Names, the one of interest first; else {', '.join(DEFAULT_MODELS)}.")
    ] = None,
    ties: Annotated[Ties, typer.Option(help="Order of a user's events at the same time.")] = "original",
    seed: options.Seed = 0,
    per_user: Annotated[int, typer.Option(min=1, help="By time: at most this many queries a user.")] = 30,
    staleness: Annotated[
        str, typer.Option(help="By time: how late events reach the ranker: 0s, 1m, 1h, 1d, …, frozen.")
    ] = "0s",
    repeats: Annotated[bool, typer.Option(help="Also ask for items of the history.")] = False,
    queries: Annotated[int | None, typer.Option(min=1, help="Test on a sample of this size.")] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            help="Judge the lists of your own system: a file of them, or `impressions` for those of the data "
            "folder; see docs/own-lists.md.",
            show_default=False,
        ),
    ] = None,
    frontier: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY,…",
            help=f"Turn the dials of policies, of {', '.join(DIALS)}, {OBJECTIVE}COLUMN: what each gives for "
            "what it takes.",
        ),
    ] = None,
    max_loss: Annotated[
        float, typer.Option(min=0, max=1, help="Share of ndcg@10 that the choice of a dial may lose.")
    ] = MAX_LOSS,
    groups: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Of items: how much exposure each of its largest groups gets."),
    ] = None,
    max_history: options.MaxHistory = 50,
    minutes: options.Minutes = 15.0,
    fast: options.Fast = False,
    sequence_epochs: options.SequenceEpochs = None,
    tail_cost: options.TailCost = 0.01,
    new_cost: options.NewCost = 0.01,
    debias: options.Debias = 0.0,
    encoder: options.Encoder = "default",
    template: options.Template = None,
    tuned: options.TunedEncoder = None,
    space: Spaces = None,
    policies: options.Policies = None,
    columns: options.Columns = None,
    device: options.Device = "auto",
    drop_bad: options.DropBad = None,
    on: options.On = None,
) -> None:
    """Measure models on held-out events: full ranking, head and tail, with intervals."""
    if candidates is not None:
        _refuse_protocol(context)
    delay = _seconds(staleness)
    if out.is_file() or not is_writable(out):
        raise RequestError(f"--out {out}: can't be a folder to write to: name another one")
    check_room_for_report(out)
    epochs = options.sequence_epochs(sequence_epochs, fast)
    names = _default_models(encoder) if models is None else [name.strip() for name in models.split(",")]
    for name in names:
        find_model(name)  # an unknown one is refused before anything is loaded
    standing = options.policies(policies).steps
    dials = find_dials([name.strip() for name in frontier.split(",")]) if frontier is not None else {}
    if dials and names[0] not in WITH_POLICIES:
        raise RequestError(f"--frontier: {names[0]} has no policies: name tailrank first in --models")
    how = options.reading(columns)
    dataset = options.load(data, how, drop_bad)
    grouped = item_groups(dataset.items, groups) if groups else None
    columned = column_spaces(dataset, space, data)
    for dial in dials.values():
        dial.check(dataset.items)
    settings = Settings(
        template=template,
        max_history=max_history,
        seed=seed,
        sequence_epochs=epochs,
        minutes=minutes,
        tail_cost=tail_cost,
        new_cost=new_cost,
        debias=debias,
    )
    if candidates is not None:
        lists = own_lists.read(candidates, data, how, drop_bad)
        if tuned is not None:
            check_tuned(tuned, dataset, None, own_lists.TUNED_REMEDY)
        spaces = vector_spaces(dataset, encoder, template, tuned) | columned
        own_lists.measure(lists, dataset, spaces, settings, out)
        return
    base = natural_protocol(dataset) if protocol == "cold-items" else protocol
    if base == "temporal":
        split = temporal(dataset, per_user, delay, repeats=repeats)
    else:
        split = leave_one_out(dataset, ties, seed, repeats)
    if protocol == "cold-items":
        split = cold_items(split, seed)
    if queries is not None:
        split = split.sampled(queries, seed)
    check_taught(split.full_train)
    spaces = vector_spaces(dataset, encoder, template, tuned, split.full_train) | columned
    measure(names, split, spaces, settings, out, standing, dials, max_loss, grouped, on)
    Console().print(f"{out / 'metrics.json'}, {out / 'report.html'}")


def _default_models(encoder: str) -> list[str]:
    """Name the usual models, but for those that need an encoder if there is none."""
    return [name for name in DEFAULT_MODELS if encoder != "none" or name not in NEED_ENCODER]


def measure(
    names: Sequence[str],
    split: Split,
    spaces: Mapping[str, ItemVectors],
    settings: Settings,
    out: Path,
    standing: Sequence[Policy] = (),
    dials: Mapping[str, Dial] | None = None,
    max_loss: float = MAX_LOSS,
    groups: Mapping[str, Bools] | None = None,
    on: str | None = None,
) -> tuple[list[FittedModel], Evaluation]:
    """Fit models, evaluate them, turn dials, write the report into a folder, and print the main metrics."""
    about = {"encoders": encoders(spaces), **machine()}
    with _ranking(on) as run, progress_bars() as progress:
        fitted = with_policies(runner.fit(names, split, spaces, settings, progress), standing)
        found = runner.evaluate(fitted, split, spaces, settings, about, progress, groups, run)
        if dials:
            swept = runner.sweep(dials, fitted, split, spaces, settings, max_loss, progress, run)
            found = replace(found, frontier=swept)
        with step(progress, f"writing {out}"):
            runner.write(found, out)
    _show(found)
    if "sequence" in found.settings:
        Console().print(escape(options.sequence_outcome(found.settings)))
    return fitted, found


@contextmanager
def _ranking(on: str | None) -> Iterator[Run]:
    """Give what ranks queries: Ray, until the block ends, or this process."""
    if on is None:
        yield run_here
        return
    from tailrank.scale.on_ray import ray_cluster, run_tasks

    with ray_cluster(on) as ray:
        yield partial(run_tasks, ray)


def _show(found: Evaluation) -> None:
    """Print for each ground the main metrics, how the first model compares, and what the tail costs."""
    console = Console()
    users, queries = found.full.users, found.full.queries
    console.print(f"[bold]{escape(found.dataset)}[/]: {users:,} users, {queries:,} queries")
    console.print(escape(found.protocol))
    shown = _shown(found.lead)
    for title, ground in found.grounds.items():
        console.print(metrics_table(title, ground, shown))
        if ground.comparisons:
            console.print(comparisons_table(ground.comparisons, SHOWN))
    if found.lead.tradeoff:
        console.print(_tradeoff_table(found.lead, min(SWEPT, queries), shown))
    if found.frontier:
        console.print(choices_table(found.frontier))


def _shown(ground: Ground) -> dict[str, str]:
    """Choose of `SHOWN` what has a query; if items were made cold, they stand for new ones and head."""
    hidden = {"ndcg@10/count=0", "ndcg@10/head20"} if "cold" in ground.targets else set()
    return {name: text for name, text in SHOWN.items() if ground.queries_behind(name) and name not in hidden}


def _tradeoff_table(ground: Ground, queries: int, shown: Mapping[str, str]) -> Table:
    table = table_of("strength", shown)
    table.title = f"tailrank as its tail policy gets stronger, on {queries:,} queries"
    for point in ground.tradeoff:
        table.add_row(f"{point.strength:g}", *(cell(point.metrics[name], np.inf) for name in shown))
    return table


def _refuse_protocol(context: typer.Context) -> None:
    """Refuse options that say what to rank for, as lists say that themselves, and what needs catalogues."""
    ranked = ("protocol", "models", "ties", "per_user", "staleness", "repeats", "queries", "policies")
    for name in (*ranked, "frontier", "groups", "on"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = name.replace("_", "-")
            why = "the lists say what is ranked" if name in ranked else "it ranks whole catalogues"
            raise RequestError(f"--{option} doesn't go with --candidates: {why}")


def _seconds(staleness: str) -> float | None:
    """Read a delay such as `1h`; None for `frozen`."""
    if staleness == "frozen":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", staleness)
    if not match:
        raise RequestError(f"--staleness {staleness!r} is not a delay: write 0s, 1m, 1h, 1d or frozen")
    return float(match[1]) * UNITS[match[2]]

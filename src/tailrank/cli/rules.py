"""`tailrank rules`: what rules say of real items, before they rank for anybody."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.cli import options
from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.policy.base import ChecksItems, Scored
from tailrank.policy.file import PolicyFile, read_policies
from tailrank.policy.rule import Rule
from tailrank.policy.rules import Rules
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.listing import CandidateListing
from tailrank.ranking.reranker import Reranker

N_CANDIDATES: Final = 200
"""Items that the time is measured with, if none are named."""

TIMES: Final = 100
"""How often."""

EXAMPLES: Final = 3
"""Items that are shown for a rule."""

app = typer.Typer(no_args_is_help=True, help="Rules of the business: try them on real items.")


@app.callback()
def _group() -> None:
    """Keep `test` a command of its own, though it is the only one."""


@app.command("test")
def try_rules(
    file: Annotated[Path, typer.Argument(help="File of policies, as --policies takes it.")],
    model: Annotated[Path | None, typer.Option(help="Model folder whose items to try them on.")] = None,
    data: Annotated[str | None, typer.Option(help="Or a data folder, or the name of a public set.")] = None,
    candidates: Annotated[
        str | None, typer.Option(help="Items of a request, a,b,c; else a sample of 200.", show_default=False)
    ] = None,
    context: options.Context = None,
) -> None:
    """Say which items meet each rule, and how long a request takes; exit code 1 on errors."""
    known, console = options.context(context or []), Console(emoji=False)
    items = replace(_items(model, data), context=known)
    try:
        found = read_policies(file)
        for step in found.steps:
            if isinstance(step, ChecksItems):
                step.check(items)
        _show(console, found, items, _candidates(items, candidates))
    except RequestError as why:
        console.print(f"[bold red]error:[/] {escape(str(why))}", soft_wrap=True)
        raise typer.Exit(1) from None


def _items(model: Path | None, data: str | None) -> CandidateListing:
    """Take the items of a model or of a data folder, as policies see a list."""
    if (model is None) == (data is None):
        raise RequestError("name the items to try rules on: either --model MODEL or --data DATA")
    if model is not None:
        return Reranker.load(model).all_items
    dataset = options.load(data or "")
    catalogue = Catalogue.from_items(dataset.items, dataset.counts, dataset.event_types, dataset.clock)
    ids, codes = list(dataset.item_ids), np.arange(len(catalogue), dtype=np.int32)
    return CandidateListing(ids, codes, History([], [], []), time.time(), catalogue, ())


def _candidates(items: CandidateListing, named: str | None) -> CandidateListing:
    """Choose the items of a request."""
    if named is None:
        chosen = np.random.default_rng(0).permutation(len(items.ids))[:N_CANDIDATES]
        return replace(items, ids=[items.ids[at] for at in chosen.tolist()], codes=items.codes[chosen])
    ids = options.comma_separated(named)
    return replace(items, ids=ids, codes=items.catalogue.codes_of(ids))


def _show(console: Console, found: PolicyFile, items: CandidateListing, candidates: CandidateListing) -> None:
    steps = [step for step in found.steps if isinstance(step, Rules)]
    if not steps:
        raise RequestError(f"{found.version}: holds no rule: write [[rule]] tables")
    scored = Scored(
        -np.arange(len(candidates.ids), dtype=np.float32),
        np.zeros(len(candidates.ids), np.float32),
        listing=candidates,
    )
    for step in steps:
        console.print(_table(step, items, candidates))
        for name in step.table.unmet(items):
            console.print(f"[yellow]warning:[/] rule {escape(repr(name))}: no item meets it")
    n_rules, time_taken = sum(len(step.rules) for step in steps), _milliseconds(steps, scored)
    about = f"{n_rules:,} rules, {len(items.ids):,} items"
    request = f"a request of {len(candidates.ids):,} candidates takes {time_taken:.3f} ms"
    console.print(f"{escape(found.version)}: {about}; {request}")


def _table(step: Rules, items: CandidateListing, candidates: CandidateListing) -> Table:
    """Lay out which items, and how many of the candidates, meet each rule."""
    acting = step.table.acting(candidates)
    counts = {rule.id: int(n) for rule, n in zip(acting.rules, acting.which.sum(axis=1), strict=True)}
    table = Table("rule", "does", "items", "candidates", "such as", box=SIMPLE_HEAD)
    for rule, which in zip(step.rules, step.table.met(items), strict=True):
        met = which.nonzero()[0].tolist()
        names = ", ".join(items.ids[at] for at in met[:EXAMPLES])
        cells = [rule.id, _deed(rule), f"{len(met):,}", str(counts.get(rule.id, "-")), names]
        table.add_row(*map(escape, cells), style=None if met else "yellow")
    return table


def _deed(rule: Rule) -> str:
    more = {"pin": f" to {rule.rank}", "boost": f" {rule.by or 0:+g}"}
    return rule.then + more.get(rule.then, "")


def _milliseconds(steps: Sequence[Rules], scored: Scored) -> float:
    """Measure how long rules take, the median of many times."""

    def once() -> float:
        start = time.perf_counter()
        for step in steps:
            step.apply(scored)
        return 1e3 * (time.perf_counter() - start)

    return median(once() for _ in range(TIMES))

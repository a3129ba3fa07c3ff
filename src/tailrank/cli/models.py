"""`tailrank train` and `tailrank rank`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.cli.options import Data, Encoder, Seed, Template, item_vectors, load, machine, steps
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.ranking.catalogue import Event
from tailrank.ranking.fitting import Settings
from tailrank.ranking.reranker import Reranker


def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Model folder to write; one that is there is replaced.")],
    encoder: Encoder = "default",
    template: Template = None,
    seed: Seed = 0,
) -> None:
    """Fit a model on all events of a data folder."""
    dataset = load(data)
    vectors, about = item_vectors(dataset, encoder, template)
    with steps() as progress:
        progress.add_task("fit", total=None)
        reranker = Reranker.fit(dataset, vectors, Settings(template=template, seed=seed))
    about |= {"data": dataset.name, "data_fingerprint": dataset.fingerprint, **machine()}
    reranker.save(out, about)
    typer.echo(
        f"{out}: {dataset.n_items:,} items, learned from {len(dataset.histories.items):,} events "
        f"of {dataset.n_users:,} people; signals: {', '.join(reranker.fusion.signals)}"
    )


def rank(
    model: Annotated[Path, typer.Option(help="Model folder.")],
    candidates: Annotated[str, typer.Option(help="Item ids in their present order: a,b,c.")],
    history: Annotated[str | None, typer.Option(help="Item ids, oldest first: a,b; may be empty.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose history to take from --state.")] = None,
    state: Annotated[Path | None, typer.Option(help="Data folder that holds the person's events.")] = None,
    scores: Annotated[str | None, typer.Option(help="The recommender's own scores: 0.9,0.7,0.1.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="Length of the list; else all.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show where each score comes from.")] = False,
) -> None:
    """Re-order candidates for one person."""
    if (history is None) == (user is None or state is None):
        raise RequestError("name the person's past: either --history a,b or --user U --state FOLDER")
    reranker = Reranker.load(model)
    past = [Event(name) for name in _split(history)] if history is not None else _events(user, state)
    ids, own = _split(candidates), _numbers(scores)
    ranked = reranker.rank(past, ids, k, own)
    reasons = {reason.item_id: reason for reason in reranker.explain(past, ids, own)} if explain else {}
    parts = list(next(iter(reasons.values())).contributions) if reasons else []
    items = reranker.catalogue.items
    named = dict(zip(items[Columns.ITEM], items["title"], strict=True)) if "title" in items.columns else {}
    table = Table("place", "was", "item", "title", "score", *parts, box=SIMPLE_HEAD)
    for item in ranked:
        shares = (f"{reasons[item.item_id].contributions[part]:+.2f}" for part in parts)
        title = escape((named.get(item.item_id) or "")[:60])
        table.add_row(str(item.place), str(item.previous), item.item_id, title, f"{item.score:.3f}", *shares)
    Console().print(table)


def _events(user: str | None, folder: Path | None) -> list[Event]:
    """Read one person's latest events from a data folder."""
    dataset = Dataset.load(folder or "")
    known = dataset.user_ids.index_of(user)
    if known is None:
        raise RequestError(f"{folder}: no events of user {user!r}")
    at = slice(*dataset.histories.offsets[known : known + 2].tolist())
    h = dataset.histories
    ids = dataset.items[Columns.ITEM].gather(h.items[at])
    types = (dataset.event_types[kind] for kind in h.types[at])
    return [Event(*event) for event in zip(ids, types, h.times[at].tolist(), strict=True)]


def _split(ids: str) -> list[str]:
    return [name.strip() for name in ids.split(",") if name.strip()]


def _numbers(scores: str | None) -> list[float] | None:
    try:
        return None if scores is None else [float(score) for score in _split(scores)]
    except ValueError as wrong:
        raise RequestError(f"--scores: {wrong}: give numbers, one a candidate") from None

"""`tailrank screen`: which items a person should see before users do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.readers import read_items
from tailrank.errors import EncoderError, RequestError, needs
from tailrank.files import written_file
from tailrank.language.store import VectorStore
from tailrank.language.text import default_template, item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.screening.deny_list import EVERYWHERE, DenyList
from tailrank.screening.fitting import fit_classifier, screen_from
from tailrank.screening.labels import read_labels
from tailrank.screening.pushed_texts import TextScreen
from tailrank.screening.screen import Judgement, Screen

app = typer.Typer(
    no_args_is_help=True, help="Hold items back whose texts a person should see first: docs/safety.md."
)
Recall = Annotated[float, typer.Option(min=0.01, max=1, help="Share of what is labelled 1 to be held.")]


@app.command()
def train(
    data: options.Data,
    out: Annotated[Path, typer.Option(help="File for the screen.")],
    labels: Annotated[
        Path | None, typer.Option(help="Table of item_id and label, 1 for what is to be held; else none.")
    ] = None,
    deny: Annotated[
        Path | None,
        typer.Option(help=r"Words and phrases, one a line; after a line \[de], for that market only."),
    ] = None,
    pushed: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Also hold texts copied from this share of items, the most popular, and words gathered from"
            " many texts; 0.01 is a start.",
        ),
    ] = 0.0,
    recall: Recall = 0.9,
    market: Annotated[
        list[str] | None, typer.Option(metavar="NAME=RECALL", help="For one market; may be repeated.")
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="That of the model, so that a text is encoded once.")
    ] = "default",
    template: options.Template = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
) -> None:
    """Make a screen of a deny-list, of labelled items and more; says how well it finds those."""
    if labels is None and deny is None and not pushed:
        raise RequestError(
            "nothing to screen by: give --labels FILE, --deny FILE, --pushed SHARE, or several"
        )
    if labels is None and market:
        raise RequestError("--market chooses a threshold of the classifier: give --labels FILE")
    recalls = {EVERYWHERE: recall, **dict(map(_recall, market or []))}
    items = read_items(options.data_folder(data))
    template = default_template(items) if template is None else template
    phrases = {} if deny is None else {name: [*each] for name, each in DenyList.read(deny).phrases.items()}
    if labels is None:
        screen = Screen(template, phrases, pushed=pushed)
    else:
        rows, wanted = read_labels(labels, items)
        vectors = _encoded(items[rows], encoder, template)
        fitted = fit_classifier(vectors.values, wanted, seed)
        screen = screen_from(template, phrases, vectors.encoder, fitted, wanted, recalls, pushed)
        for name, found in screen.measured.items():
            shares = ", ".join(f"{part} {found[part]:.3f}" for part in ("threshold", "precision", "recall"))
            typer.echo(f"{name or 'by default'}: {shares}, held-out texts of {len(wanted):,} labelled ones")
    screen.write(out)
    held = sum(map(bool, DenyList(phrases).found(item_texts(items, template))))
    typer.echo(
        f"{out}: {sum(map(len, phrases.values())):,} denied phrases, in {held:,} of {len(items):,} items"
    )


@app.command()
def run(
    screen: Annotated[Path, typer.Argument(help="What `tailrank screen train` wrote.")],
    data: options.Data,
    out: Annotated[
        Path | None, typer.Option(help="CSV file for the items that it holds; else they are printed.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            callback=options.location, help="Hold them in the rankings of servers that have this state, too."
        ),
    ] = None,
    device: options.Device = "auto",
) -> None:
    """List the items of a data folder that a screen holds, with the reason."""
    found = _judged(Screen.read(screen), screen, options.data_folder(data))
    held = {item: each for item, each in found.items() if each.is_held}
    _list(held, out)
    typer.echo(f"{len(held):,} of {len(found):,} items are held", err=True)
    if state is not None:
        with needs("screen run --state", "server"):
            from tailrank.screening.holding import hold
        typer.echo(
            f"{asyncio.run(hold(state, held)):,} of them weren't held, approved or rejected yet", err=True
        )


def _judged(screen: Screen, file: Path, folder: Path) -> dict[str, Judgement]:
    """Judge the items of a data folder, by id."""
    dataset = Dataset.load(folder) if screen.pushed else None
    items = read_items(folder) if dataset is None else dataset.items
    texts, vectors, pushed = item_texts(items, screen.template), None, None
    if (identity := screen.encoder) is not None:
        encoded = _encoded(items, identity.name, screen.template)
        if encoded.encoder != identity:
            raise EncoderError(
                f"{file}: encoder {identity.name!r} has other weights now: train the screen again"
            )
        vectors = encoded.values
    if dataset is not None:
        usual = TextScreen.from_texts(texts, dataset.counts, screen.pushed)
        pushed = usual.reasons(texts, np.arange(len(texts)), items[Columns.ITEM])
    return dict(zip(items[Columns.ITEM], screen.judge(texts, vectors, pushed), strict=True))


def _encoded(items: pl.DataFrame, encoder: str, template: str) -> ItemVectors:
    with progress_bars() as progress:
        model = options.load_encoder(encoder, progress)
        return ItemVectors.encode(items, model, template, store=VectorStore(), progress=progress)


def _recall(given: str) -> tuple[str, float]:
    """Read `--market`."""
    name, _, share = given.rpartition("=")
    try:
        recall = float(share)
    except ValueError:
        recall = 0.0
    if not name or not 0 < recall <= 1:
        raise RequestError(f"--market {given}: write a name and a share above 0, such as de=0.95")
    return name, recall


def _list(held: Mapping[str, Judgement], out: Path | None) -> None:
    """Write what is held as CSV."""
    columns = {
        Columns.ITEM: list(held),
        "score": [each.score for each in held.values()],
        "markets": [
            ", ".join(name or "others" for name, is_held in each.markets.items() if is_held)
            for each in held.values()
        ],
        "why": [each.why for each in held.values()],
    }
    kinds = {Columns.ITEM: pl.String, "score": pl.Float64, "markets": pl.String, "why": pl.String}
    table = pl.DataFrame(columns, kinds)
    if out is None:
        typer.echo(table.write_csv(float_precision=4), nl=False)
        return
    try:
        with written_file(out) as new:
            table.write_csv(new, float_precision=4)
    except OSError as why:
        raise RequestError(f"{out}: can't be written ({why.strerror or why}): name another file") from None

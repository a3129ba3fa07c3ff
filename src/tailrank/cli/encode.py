"""`tailrank encode`: encode the texts of a catalogue and store the vectors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tailrank.cli.progress import progress_bars
from tailrank.data.readers import read_items
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts


def encode(
    data: Annotated[Path, typer.Option(help="Data folder with the items.")],
    encoder: Annotated[
        str, typer.Option(help="`default`, a folder, `package:NAME` or a hub id `organisation/model`.")
    ] = "default",
    template: Annotated[
        str | None,
        typer.Option(help="Text of an item, such as '{title}. {genres}'; without it, the text columns."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; without it, the best there is.")] = None,
) -> None:
    """Encode the items' texts ahead of time; only new or changed texts cost anything."""
    texts = item_texts(read_items(data), template)
    model = TextEncoder.load(encoder, device)
    store = VectorStore()
    distinct = len({text for text in texts if text.strip()})
    new = len(store.missing(texts, model))
    start = time.perf_counter()
    with progress_bars() as progress:
        store.vectors(texts, model, progress)
    seconds = time.perf_counter() - start
    rate = f" ({new / seconds:,.0f} texts/s)" if new else ""
    blank = sum(not text.strip() for text in texts)
    typer.echo(
        f"{len(texts):,} items, {distinct:,} distinct texts: {new:,} encoded{rate}, {distinct - new:,} reused"
    )
    if blank:
        typer.echo(f"{blank:,} items have no text: their vectors are zero")
    typer.echo(f"vectors: {store.folder(model)}")

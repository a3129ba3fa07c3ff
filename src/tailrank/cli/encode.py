"""`tailrank encode` and `tailrank label`: the texts of a catalogue, and those that it lacks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.cli.texts import about_texts
from tailrank.data.columns import Columns
from tailrank.data.readers import read_items
from tailrank.errors import RequestError
from tailrank.files import written_file
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import EncodeChunks, VectorStore
from tailrank.language.text import item_texts
from tailrank.reporting import Progress, step
from tailrank.tuning.annotation import items_to_annotate


def encode(
    data: options.Data,
    encoder: Annotated[
        str, typer.Option(help="`default`, a folder, `package:NAME` or a hub id `organisation/model`.")
    ] = "default",
    template: options.Template = None,
    device: options.Device = "auto",
    on: options.On = None,
) -> None:
    """Encode the items' texts ahead of time; only new or changed texts cost anything."""
    if on is not None and device not in {"auto", "cpu"}:
        raise RequestError(f"--device {device}: with --on, each processor has an encoder: leave --device out")
    folder = options.data_folder(data)
    with progress_bars() as progress:
        with step(progress, f"reading {data}"), options.named(data, folder):
            items = read_items(folder)
            texts = item_texts(items, template)
        typer.echo(about_texts(items, template, encoder), err=True)
        model = options.load_encoder(encoder, progress)
        store = VectorStore()
        distinct = len({text for text in texts if text.strip()})
        new = len(store.missing(texts, model))
        start = time.perf_counter()
        with _elsewhere(on, model, progress) if new else nullcontext() as elsewhere:
            store.vectors(texts, model, progress, elsewhere)
        seconds = time.perf_counter() - start
    rate = f" ({new / seconds:,.0f} texts/s)" if new else ""
    blank = sum(not text.strip() for text in texts)
    typer.echo(
        f"{len(texts):,} items, {distinct:,} distinct texts: {new:,} encoded{rate}, {distinct - new:,} reused"
    )
    if blank:
        typer.echo(f"{blank:,} items have no text: their vectors are zero")
    typer.echo(f"vectors: {store.folder(model)}")


@contextmanager
def _elsewhere(on: str | None, encoder: TextEncoder, progress: Progress) -> Iterator[EncodeChunks | None]:
    """Give what encodes on Ray; None without it."""
    if on is None:
        yield None
        return
    from tailrank.scale.encoding import encode_chunks
    from tailrank.scale.on_ray import ray_cluster

    with ray_cluster(on) as ray:
        yield partial(encode_chunks, ray, encoder, progress=progress)


def label(
    data: options.Data,
    out: Annotated[Path, typer.Option(help="CSV file for the items, the most useful first.")],
    budget: Annotated[int, typer.Option(help="Items to list, at most.")] = 100,
    words: Annotated[int, typer.Option(help="Only items whose text has fewer words.")] = 2,
    template: options.Template = None,
) -> None:
    """List the items whose description would be used most, among those with a short text or none."""
    dataset = options.load(data)
    texts = item_texts(dataset.items, template)
    short = np.array([len(text.split()) < words for text in texts])
    items, uses = items_to_annotate(dataset, short, budget)
    counts = dataset.counts[items]
    rows = dataset.items[items].select(
        Columns.ITEM, text=np.array(texts)[items], interactions=counts, use=uses.round(2)
    )
    try:
        with written_file(out) as new:
            rows.write_csv(new)
    except OSError as why:
        raise RequestError(f"{out}: can't be written ({why.strerror or why}): name another file") from None
    typer.echo(
        f"{out}: {len(rows):,} of {short.sum():,} items with fewer than {words} words, "
        f"which {counts.sum() / max(len(dataset.histories.items), 1):.1%} of all events are about"
    )

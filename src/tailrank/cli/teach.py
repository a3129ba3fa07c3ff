"""`tailrank teach`: a larger model says offline which items go together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from tailrank.cli import options
from tailrank.cli.finetune import Protocols, split_of
from tailrank.cli.progress import progress_bars
from tailrank.data.cache import cache_root
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.files import is_writable, written_file
from tailrank.language.generative import load_generative_model
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.settings import Settings

CROSS_ENCODER = "cross-encoder"


def teach(
    data: options.Data,
    out: Annotated[
        Path, typer.Option(help="Parquet file for the table, such as taught.parquet of the data.")
    ],
    teacher: Annotated[
        str, typer.Option(help="`cross-encoder`, or a generative model: a folder, or an endpoint's URL.")
    ] = CROSS_ENCODER,
    minutes: Annotated[float, typer.Option(min=0, help="Budget; the same command goes on later.")] = 30.0,
    neighbours: Annotated[int, typer.Option(min=1, help="Of each item, by each of three lists.")] = 8,
    protocol: Protocols = "all",
    encoder: options.Encoder = "default",
    template: options.Template = None,
    seed: Annotated[int, typer.Option(help="Of batches, and of what is held out.")] = 0,
    device: options.Device = "auto",
) -> None:
    """Let a larger model say offline which items go together; an interrupted run goes on."""
    from tailrank.tuning.teaching import Catalogue
    from tailrank.tuning.teaching import teach as taught

    if encoder == "none":
        raise RequestError("--encoder none: near texts are found by an encoder: name one")
    if out.suffix != ".parquet" or not is_writable(out):
        raise RequestError(f"--out {out}: name a file that can be written, and ends with .parquet")
    dataset = replace(options.load(data), taught=None)
    texts = item_texts(dataset.items, template)
    with progress_bars() as progress:
        model = options.load_encoder(encoder, progress)
        vectors = ItemVectors(VectorStore().vectors(texts, model, progress))
        space = vectors.space(Settings().dimensions)
        split, unit = split_of(dataset, protocol, seed), space.transform(vectors.values)
        scorer = model if teacher == CROSS_ENCODER else load_generative_model(teacher)
        about = Catalogue(split.train, texts, unit, neighbours, seed)
        found = taught(about, scorer, 60 * minutes, cache_root() / "teacher", progress, typer.echo)
    table = found.with_columns(pl.lit(split.full_train.fingerprint).alias(Columns.ORIGIN))
    with written_file(out) as new:
        table.write_parquet(new)
    typer.echo(f"{out}: {len(table):,} pairs of {dataset.n_items:,} items")


def check_taught(learned_from: Dataset) -> None:
    """Refuse a table of a teacher that may have learned from what is tested.

    Raises
    ------
    RequestError
        If it learned from other events than an evaluation may.
    """
    if learned_from.taught is None or Columns.ORIGIN not in learned_from.taught.columns:
        return
    origins = learned_from.taught[Columns.ORIGIN].drop_nulls().unique().to_list()
    if origins not in ([], [replace(learned_from, taught=None).fingerprint]):
        raise RequestError(
            f"{learned_from.name}: the teacher of `taught` learned from other events, so it may know the "
            "targets: teach it with the --protocol and --seed of this evaluation, or take the file away"
        )

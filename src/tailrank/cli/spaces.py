"""Vector spaces: of texts, by `--encoder` and `--tuned`, and of columns of items, by `--space`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import polars as pl
import typer

from tailrank.cli.options import data_folder, load_encoder
from tailrank.cli.progress import progress_bars
from tailrank.data.buckets import is_bucket
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError, RequestError
from tailrank.language.pictures import PictureEncoder
from tailrank.language.sources import tuning_record
from tailrank.language.store import VectorStore
from tailrank.language.vector_column import VectorColumn
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.fitting import check_space_name

TAKEN: Final = ("semantic", "tuned")
"""Spaces that have options of their own."""

PROTOCOL_REMEDY: Final = "tune it with the --protocol and --seed of this evaluation"

Spaces = Annotated[
    list[str] | None,
    typer.Option(
        "--space",
        metavar="NAME=COLUMN[:ENCODER]",
        help="A signal of its own from a column of items: of vectors or, with the folder of an encoder, of "
        "paths of pictures; may be repeated. See docs/modalities.md.",
    ),
]


def column_spaces(dataset: Dataset, given: Sequence[str] | None, data: str) -> dict[str, ItemVectors]:
    """Read the vectors that `--space` names, and say how many items have one.

    Parameters
    ----------
    dataset
        Whose items.
    given
        As NAME=COLUMN or NAME=COLUMN:ENCODER.
    data
        Where they are: paths of files start there.

    Raises
    ------
    RequestError
        If one is not of this form, or has a name that another has or that can't be one.
    DataError
        If a column isn't there or doesn't hold vectors, or a file can't be used.
    EncoderError
        If an encoder can't be loaded.
    """
    found = dict[str, ItemVectors]()
    for name, column in _asked(given or ()).items():
        found[name] = vectors = read_column(dataset.items, column, data)
        having = int(vectors.values.any(axis=1).sum())
        if not having:
            raise DataError(
                f"items: all vectors of the column `{column.name}` are zero: leave --space {name}=… out"
            )
        typer.echo(
            f"space {name}: {having:,} of {len(vectors):,} items have a vector, of {vectors.values.shape[1]} "
            f"numbers, by `{column.name}`",
            err=True,
        )
    return found


def _asked(given: Sequence[str]) -> dict[str, VectorColumn]:
    """Read `--space`, all of it before any file, which may take long."""
    found = dict[str, VectorColumn]()
    for each in given:
        name, equals, source = (part.strip() for part in each.partition("="))
        column, _, encoder = (part.strip() for part in source.partition(":"))
        if not (name and equals and column):
            raise RequestError(
                f"--space {each}: write NAME=COLUMN, such as image=picture, or NAME=COLUMN:ENCODER"
            )
        check_space_name(name)
        if name in TAKEN:
            raise RequestError(
                f"--space {each}: {name!r} is the space of an encoder of texts: give another name"
            )
        if name in found:
            raise RequestError(f"--space {each}: there is a space {name!r} already: give another name")
        found[name] = VectorColumn(column, encoder or None)
    return found


def read_column(items: pl.DataFrame, column: VectorColumn, data: str) -> ItemVectors:
    """Read the vectors of a column, or encode the files that it names.

    Raises
    ------
    RequestError
        If files are in a bucket, or the encoder isn't the one that the column was read by before.
    """
    if column.encoder is None:
        return ItemVectors.from_column(items, column.name)
    if is_bucket(data):
        raise RequestError(f"{data}: of a bucket only tables are read: copy the folder with its files here")
    encoder = PictureEncoder.load(column.encoder)
    if column.sha256 not in ("", encoder.sha256):
        raise RequestError(f"encoder {column.encoder!r} of `{column.name}` isn't what it was: use train")
    with progress_bars() as progress:
        return ItemVectors.from_files(items, column.name, data_folder(data), encoder, progress=progress)


def vector_spaces(
    dataset: Dataset,
    encoder: str,
    template: str | None,
    tuned: str | None = None,
    learned_from: Dataset | None = None,
) -> dict[str, ItemVectors]:
    """Take the catalogue's vectors from the store, and encode what is new.

    Parameters
    ----------
    dataset
        Whose items.
    encoder, template, tuned
        As the options give them; `none` for an encoder leaves its space out.
    learned_from
        If given, all that the tuned encoder may have learned from.

    Returns
    -------
    dict[str, ItemVectors]
        By the name of the space: `semantic` and `tuned`.

    Raises
    ------
    RequestError
        If the tuned encoder learned from other events of this data set.
    """
    if tuned is not None and learned_from is not None:
        check_tuned(tuned, dataset, learned_from)
    spaces = {}
    for space, name in (("semantic", encoder), ("tuned", tuned)):
        if name is not None and name != "none":
            with progress_bars() as progress:
                model, whiten = load_encoder(name, progress), space != "tuned"
                spaces[space] = ItemVectors.encode(
                    dataset.items, model, template, whiten=whiten, store=VectorStore(), progress=progress
                )
    return spaces


def encoders(spaces: Mapping[str, ItemVectors]) -> dict[str, object]:
    """Describe the encoder of each space, or the column that it comes from, for reports."""
    sources = {name: vectors.encoder or vectors.column for name, vectors in spaces.items()}
    return {name: asdict(source) for name, source in sources.items() if source is not None}


def check_tuned(
    tuned: str, dataset: Dataset, learned_from: Dataset | None, remedy: str = PROTOCOL_REMEDY
) -> None:
    """Refuse a tuned encoder that may know what is to be found.

    Parameters
    ----------
    tuned
        Its folder.
    dataset
        Whose events are to be found.
    learned_from
        All of the data set that it may have learned from; None for nothing.
    remedy
        What to do about it.

    Raises
    ------
    RequestError
        If it learned from other events of this data set.
    """
    for origin in (tuning_record(Path(tuned)) or {}).get("data", []):
        known = None if learned_from is None else learned_from.fingerprint
        if origin["name"] == dataset.name and origin["fingerprint"] != known:
            raise RequestError(
                f"--tuned {tuned}: it learned from {origin['name']}, split as {origin['split']!r}, so it may "
                f"know the targets: {remedy}"
            )

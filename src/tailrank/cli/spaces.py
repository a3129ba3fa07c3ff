"""`--space`: vector spaces that come from columns of items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import polars as pl
import typer

from tailrank.cli.options import data_folder
from tailrank.cli.progress import progress_bars
from tailrank.data.buckets import is_bucket
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.language.pictures import PictureEncoder
from tailrank.language.vector_column import VectorColumn
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.fitting import check_space_name

TAKEN: Final = ("semantic", "tuned")
"""Spaces that have options of their own."""

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
    for each in given or ():
        name, equals, source = (part.strip() for part in each.partition("="))
        column, _, encoder = (part.strip() for part in source.partition(":"))
        if not (name and equals and column):
            raise RequestError(
                f"--space {each}: write NAME=COLUMN, such as image=picture, or NAME=COLUMN:ENCODER"
            )
        check_space_name(name)
        if name in found or name in TAKEN:
            raise RequestError(f"--space {each}: there is a space {name!r} already: give another name")
        found[name] = vectors = read_column(dataset.items, VectorColumn(column, encoder or None), data)
        having = int(vectors.values.any(axis=1).sum())
        typer.echo(
            f"space {name}: {having:,} of {len(vectors):,} items have a vector, of {vectors.values.shape[1]} "
            f"numbers, by `{column}`",
            err=True,
        )
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

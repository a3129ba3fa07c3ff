"""`tailrank import`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tailrank.cli.progress import progress_bars
from tailrank.data.columns import Columns
from tailrank.data.imports import gorse, metarank
from tailrank.data.imports.tables import Imported, check_free
from tailrank.errors import DataError


class Format(StrEnum):
    """System that wrote the export."""

    METARANK = "metarank"
    GORSE = "gorse"


def import_(
    source: Annotated[
        Path, typer.Argument(help="Metarank: file or folder of events; Gorse: folder of items and feedback.")
    ],
    out: Annotated[Path, typer.Option(help="Data folder to write.")],
    kind: Annotated[Format, typer.Option("--from", help="System that wrote the export.")],
) -> None:
    """Turn an export of Metarank or Gorse into a data folder."""
    if not source.exists():
        raise DataError(f"{source}: no such file or folder.")
    check_free(out)
    with progress_bars() as progress:
        found = {Format.METARANK: metarank, Format.GORSE: gorse}[kind].read(source, progress)
    found.write(out)
    typer.echo("\n".join(_lines(out, found)))


def _lines(out: Path, found: Imported) -> Iterator[str]:
    """Say what was imported, what was not, and what comes next."""
    users, types = found.events[Columns.USER].n_unique(), found.events[Columns.EVENT].value_counts(sort=True)
    by_type = ", ".join(f"{name} {n:,}" for name, n in types.iter_rows())
    yield f"{out}: {len(found.items):,} items, {len(found.events):,} events of {users:,} users ({by_type})"
    if found.impressions is not None:
        lists, clicks = (
            found.impressions[Columns.RANKING].n_unique(),
            found.impressions[Columns.CLICKED].sum(),
        )
        yield f"{lists:,} lists with {len(found.impressions):,} impressions, {clicks:,} of them clicked"
    read = [name for name in Columns.TEXT if name in found.items.columns]
    rest = [name for name in found.items.columns if name not in (Columns.ITEM, *read)]
    yield f"columns read as text: {', '.join(read) or 'none'}"
    yield f"other columns, for a --template: {', '.join(rest) or 'none'}"
    if found.undescribed:
        yield f"items that nothing describes: {found.undescribed:,}"
    if found.left_out:
        yield "left out: " + ", ".join(f"{n:,} {what}" for what, n in found.left_out.items())
    yield f"next: tailrank validate {shlex.quote(str(out))}"

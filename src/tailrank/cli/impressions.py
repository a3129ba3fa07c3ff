"""`tailrank impressions`: what a server logged, as the impressions of a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tailrank.data.columns import Columns
from tailrank.errors import RequestError
from tailrank.feedback.attribution import MINUTES, UPSTREAM, impressions_table
from tailrank.feedback.log_tables import read_log
from tailrank.files import written_file

SUFFIX = ".parquet"


def impressions(
    log: Annotated[Path, typer.Argument(help="Folder of `tailrank serve --log-impressions`.")],
    out: Annotated[Path, typer.Option(help="File to write: impressions.parquet of a data folder.")],
    attribution_minutes: Annotated[
        float, typer.Option(min=0, help="How long after it an event that names no ranking belongs to one.")
    ] = MINUTES,
) -> None:
    """Join what a server logged, rankings and events, into the impressions of a data folder."""
    if out.suffix != SUFFIX:
        raise RequestError(f"--out {out}: name a file that ends in {SUFFIX}")
    table = impressions_table(read_log(log), attribution_minutes)
    table = table.drop([name for name in (Columns.SCORE, UPSTREAM) if table[name].is_null().all()])
    with written_file(out) as new:
        table.write_parquet(new)
    lists, clicks = table[Columns.RANKING].n_unique(), table[Columns.CLICKED].sum()
    typer.echo(f"{out}: {lists:,} lists with {len(table):,} impressions, {clicks:,} of them clicked")

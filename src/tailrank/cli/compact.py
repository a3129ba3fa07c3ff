"""`tailrank compact`: rewrite a state folder so that its pages are full."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tailrank.errors import RequestError


def compact(
    state: Annotated[Path, typer.Argument(help="State folder of a server that doesn't run.")],
    ttl_days: Annotated[
        float | None, typer.Option(min=0, help="Leave out events that are older; else none.")
    ] = None,
) -> None:
    """Rewrite a state folder: a third smaller, without expired events and deleted bytes."""
    try:
        from tailrank.state.compaction import compact as rewrite
    except ImportError as missing:
        raise RequestError(f'compact needs {missing.name}: pip install "tailrank[server]"') from None
    before, after = rewrite(state, None if ttl_days is None else ttl_days * 86_400)
    typer.echo(f"{state}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")

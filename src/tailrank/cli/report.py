"""`tailrank report`: two evaluations side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tailrank.errors import RequestError, needs
from tailrank.evaluation.beside import read_run, side_by_side
from tailrank.files import written_file


def report(
    first: Annotated[Path, typer.Argument(help="Folder of an evaluation: the --out of `tailrank evaluate`.")],
    second: Annotated[Path, typer.Argument(help="That of another one, of the same queries.")],
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("report.html"),
) -> None:
    """Show two evaluations on one page, with what differs between them."""
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    both = side_by_side(read_run(first), read_run(second), names)
    with needs("a report", "report"):
        from tailrank.evaluation.report import render, summary
    try:
        with written_file(out) as new:
            new.write_text(render(both), encoding="utf-8")
    except OSError as why:
        raise RequestError(f"{out}: {why.strerror}: name another file by --out") from None
    typer.echo(f"{summary(both)}\n{out}")

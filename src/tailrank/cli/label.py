"""`tailrank label`: which items to describe next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tailrank.cli.options import Data, Template, load
from tailrank.data.columns import Columns
from tailrank.errors import RequestError
from tailrank.files import written_file
from tailrank.language.text import item_texts
from tailrank.tuning.annotation import items_to_annotate


def label(
    data: Data,
    out: Annotated[Path, typer.Option(help="CSV file for the items, the most useful first.")],
    budget: Annotated[int, typer.Option(help="Items to list, at most.")] = 100,
    words: Annotated[int, typer.Option(help="Only items whose text has fewer words.")] = 2,
    template: Template = None,
) -> None:
    """List the items whose description would be used most, among those with a short text or none."""
    dataset = load(data)
    texts = item_texts(dataset.items, template)
    short = np.array([len(text.split()) < words for text in texts])
    found = items_to_annotate(dataset, short, budget)
    rows = dataset.items[found.items].select(Columns.ITEM)
    rows = rows.with_columns(
        text=np.array(texts)[found.items], interactions=dataset.counts[found.items], use=found.uses.round(2)
    )
    try:
        with written_file(out) as new:
            rows.write_csv(new)
    except OSError as why:
        raise RequestError(f"{out}: can't be written ({why.strerror or why}): name another file") from None
    events = dataset.counts[found.items].sum() / max(len(dataset.histories.items), 1)
    typer.echo(
        f"{out}: {len(rows):,} of {short.sum():,} items with fewer than {words} words, "
        f"which {events:.1%} of all events are about"
    )

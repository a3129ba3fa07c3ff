"""`tailrank enrich`: items with poor texts are described by a generative model, beside what is given."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tailrank.cli import options
from tailrank.cli.added_text import how_to_measure
from tailrank.cli.progress import progress_bars
from tailrank.data.added_columns import check_addable
from tailrank.data.cache import cache_root
from tailrank.data.copying import copy_with_items
from tailrank.data.imports.tables import check_free
from tailrank.errors import RequestError
from tailrank.language.generative import load_generative_model
from tailrank.language.kept_answers import KeptAnswers
from tailrank.language.text import default_template, item_texts, template_columns
from tailrank.reporting import step
from tailrank.tuning.annotation import items_to_annotate
from tailrank.tuning.enrichment import (
    BY,
    COLUMNS,
    FIELDS,
    PREFIX,
    TOKENS,
    Statement,
    Writer,
    described,
    with_enrichment,
)
from tailrank.tuning.grounding import Grounds


def enrich(
    data: options.Data,
    writer: options.Writer,
    out: Annotated[Path, typer.Option(help="Data folder to write: the same, with more columns of items.")],
    budget: Annotated[
        int, typer.Option(min=1, help="Items to describe, at most; the most used first.")
    ] = 100,
    words: Annotated[int, typer.Option(min=1, help="Only items whose text has fewer words.")] = 8,
    minutes: Annotated[float, typer.Option(min=0, help="That the writer may take.")] = 30.0,
    template: options.Template = None,
    device: options.Device = "auto",
) -> None:
    """Have a generative model describe items with poor texts, checked; an interrupted run goes on."""
    check_free(out)
    folder = options.data_folder(data)
    dataset = options.load(data)
    items = dataset.items
    check_addable(items, COLUMNS)
    chosen = template or default_template(items)
    texts = item_texts(items, chosen)
    poor = np.array([0 < len(text.split()) < words for text in texts])
    if BY in items.columns:
        poor &= items[BY].is_null().to_numpy()
    if not poor.any():
        raise RequestError(
            f"no item is left to describe that has a text of fewer than {words} words: see --words"
        )
    rows = items_to_annotate(dataset, poor, budget)[0].tolist()
    with progress_bars() as progress, step(progress, f"loading {writer}"):
        model = load_generative_model(writer)
    name = re.sub(r"[^\w.]+", "-", model.identity)
    kept = Writer(model, KeptAnswers(cache_root() / "enrichment" / f"{name}.jsonl"))
    new = sum(not kept.has(texts[row]) for row in rows)
    typer.echo(
        f"{poor.sum():,} items with fewer than {words} words; {len(rows):,} to describe, {new:,} of them by "
        f"the model: at most {TOKENS * new:,} tokens, and {minutes:g} min",
        err=True,
    )
    found = _written({row: texts[row] for row in rows}, kept, Grounds.from_texts(texts), minutes)
    fields = template_columns(chosen)
    with progress_bars() as progress, step(progress, f"writing {out}"):
        copy_with_items(folder, out, with_enrichment(items, found, model.identity, fields))
    typer.echo(_summary(out, found, chosen))


def _written(
    texts: Mapping[int, str], writer: Writer, grounds: Grounds, minutes: float
) -> dict[int, list[Statement]]:
    """Have items described as long as the time lasts."""
    found, end = dict[int, list[Statement]](), time.monotonic() + 60 * minutes
    with progress_bars() as progress:
        for item, said in described(texts, writer, grounds):
            found[item] = said
            progress("describing items", len(found), len(texts))
            if time.monotonic() > end:
                break
    return found


def _summary(out: Path, found: Mapping[int, list[Statement]], template: str) -> str:
    """Say what was written and dropped, and how to find out whether it is worth anything."""
    said = [one for each in found.values() for one in each]
    dropped = Counter(one.ungrounded for one in said if one.ungrounded is not None)
    most = ", ".join(f"`{word}` ({count})" for word, count in dropped.most_common(3))
    more = ". ".join(f"{{{PREFIX}{name}}}" for name in FIELDS)
    return (
        f"{out}: items described: {len(found):,}; statements kept: {len(said) - dropped.total():,}, "
        f"dropped: {dropped.total():,}"
        + (f", most for words that aren't grounded: {most}" if most else "")
        + f"\n{how_to_measure(out, template, f'{template}. {more}')}"
    )

"""Write the lists of some recommenders as a file, as another system would, for `evaluate --candidates`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from bench.study import Data, Name, encoded
from tailrank.cli.progress import progress_bars
from tailrank.data.columns import Columns
from tailrank.data.splits import leave_one_out
from tailrank.evaluation.list_reranking import retrieve
from tailrank.evaluation.runner import fit
from tailrank.ranking.settings import Settings


def main(
    data: Data,
    name: Name,
    out: Annotated[Path, typer.Argument(help="Parquet file to write.")],
    retriever: Annotated[list[str], typer.Option(help="A model of `evaluate`; may be given again.")],
    length: Annotated[int, typer.Option(help="Candidates of each.")] = 100,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Let models find candidates for each user's last event, knowing nothing of it, and write them down."""
    dataset, vectors, _ = encoded(name, data)
    h = dataset.histories
    known = dataset.until(h.offsets[1:] - (h.lengths > 1))
    split = replace(leave_one_out(dataset), full_train=known)  # they know what tailrank will know
    with progress_bars() as progress:
        models = fit(retriever, split, {"semantic": vectors}, Settings(seed=seed), progress)
    found = retrieve({model.name: model.scorer for model in models}, split.test, split, length)
    ids = pl.Series(dataset.item_ids)
    rows = pl.DataFrame(
        {
            Columns.USER: dataset.user_ids.gather(split.test.users),
            Columns.ITEM: [ids.gather(items) for items in found.items],
            **{each: [values.tolist() for values in scores] for each, scores in found.scores.items()},
        }
    )
    rows.explode(Columns.ITEM, *found.scores).write_parquet(out)

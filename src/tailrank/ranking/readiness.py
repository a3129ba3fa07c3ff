"""Whether a model that was read can rank."""

from __future__ import annotations

import math
from pathlib import Path

from tailrank.data.columns import Columns
from tailrank.errors import ModelError
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker


def check_ranks(reranker: Reranker, folder: Path) -> None:
    """Rank once, so that a model that can't rank never serves.

    Raises
    ------
    ModelError
        If a score is no number.
    """
    some = reranker.catalogue.items[Columns.ITEM].head(2).to_list()
    if not all(map(math.isfinite, reranker.rank(Request(some, some, explain=True)).scores)):
        raise ModelError(f"{folder}: its scores are no numbers: train the model again")

"""Ranks parts of many users' lists: the same wherever it runs, here or on another machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from tailrank.data.cache import cache_root
from tailrank.data.columns import Columns
from tailrank.errors import ModelError, RequestError
from tailrank.files import written_file
from tailrank.policy.base import Policy
from tailrank.ranking.frame_lists import RANK
from tailrank.ranking.model_folder import read_fitted
from tailrank.ranking.rankings_folder import RankingsFolder
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.user_lists import Part


@dataclass(frozen=True)
class PartRanking:
    """How parts are ranked, small enough to be sent to who does it.

    Attributes
    ----------
    model
        A model folder that whoever ranks can read.
    place
        A folder that whoever ranks can write to.
    standing
        Steps that come after those of the model.
    shared
        Whether the processes of a machine share one copy of the model's arrays, in the cache.
    """

    model: Path
    place: RankingsFolder
    standing: Sequence[Policy] = field(default=(), compare=False)
    shared: bool = False

    def write(self, part: Part) -> int:
        """Rank a part, and write its file whole or not at all; returns how many lists it holds.

        Raises
        ------
        ModelError
            If the model can't be read, or is another one by now.
        RequestError
            If the file can't be written.
        """
        # One thread, so that sums are rounded alike on every machine of a kind.
        with threadpool_limits(1, "blas"):
            ranked = rank_part(_reranker(self), part, self.place.manifest.k, self.place.manifest.time)
        file = self.place.part(part.number)
        try:
            with written_file(file) as new:
                ranked.write_parquet(new)
        except OSError as why:
            raise RequestError(
                f"{file}: can't be written ({why}): make room, and go on with the same"
            ) from None
        return len(part.users)

    def write_all(self, parts: Iterable[Part]) -> Iterator[int]:
        """Write one part after the other in this process; gives how many lists each holds."""
        return map(self.write, parts)


def rank_part(reranker: Reranker, part: Part, k: int, time: float) -> pl.DataFrame:
    """Rank the lists of a part, as `Reranker.rank` ranks each.

    Returns
    -------
    pl.DataFrame
        `user_id`, `rank` from 1, `item_id` and `score`: list by list, each with its first `k`.
    """
    bounds = pairwise(part.offsets)
    requests = [
        Request(
            history,
            part.items[start:end],
            None if part.scores is None else part.scores[start:end],
            k=k,
            time=time,
        )
        for history, (start, end) in zip(part.histories, bounds, strict=True)
    ]
    rankings = reranker.rank_many(requests)
    lengths = np.array([len(ranking) for ranking in rankings])
    return pl.DataFrame(
        {
            Columns.USER: pl.Series(part.users, dtype=pl.String).gather(
                np.arange(len(lengths)).repeat(lengths)
            ),
            RANK: np.concatenate([np.arange(1, length + 1, dtype=np.int32) for length in lengths]),
            Columns.ITEM: pl.Series([name for each in rankings for name in each.item_ids], dtype=pl.String),
            Columns.SCORE: np.array([score for each in rankings for score in each.scores], np.float32),
        }
    )


@lru_cache(1)
def open_model(folder: Path, version: str, shared: bool) -> Reranker:
    """Open a model folder once a process; `shared` is as in `PartRanking`.

    Raises
    ------
    ModelError
        If it can't be read, or its manifest has another sha256 than `version`.
    """
    fitted, found = read_fitted(folder, cache_root() / "mapped" if shared else None)
    if found != version:
        raise ModelError(f"{folder}: another model than when ranking began: put that one back")
    return Reranker.from_fitted(fitted)


@lru_cache(1)
def _reranker(how: PartRanking) -> Reranker:
    return open_model(how.model, how.place.manifest.model, how.shared).with_standing(how.standing)

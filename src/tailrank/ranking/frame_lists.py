"""Lists in a frame, for many rankings by one call: columns in, columns out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
import polars as pl

from tailrank.arrays import Offsets
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.frames import AnyFrame, Frame, taken, to_polars
from tailrank.data.histories import History, flat_offsets
from tailrank.data.list_rows import ListRows, list_key
from tailrank.data.schema import ID, INTEGER, OPTIONAL_NUMBER, TIME, TableSchema, parse_table, raise_failures
from tailrank.errors import RequestError
from tailrank.policy.base import Policy
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request

RANK: Final = "rank"
PREVIOUS_RANK: Final = "previous_rank"
PREVIOUS_SCORE: Final = "previous_score"

COLUMNS: Final = {
    **dict.fromkeys((Columns.RANKING, Columns.QUERY, Columns.USER, Columns.ITEM), ID),
    Columns.TIMESTAMP: TIME,
    Columns.POSITION: INTEGER,
}


@dataclass(frozen=True)
class FrameLists:
    """The lists of a frame.

    Attributes
    ----------
    table
        The columns that matter, list by list, each in its previous order.
    rows
        Where these rows are in the frame, shape (rows,).
    offsets
        List `n` is the rows `offsets[n]:offsets[n + 1]`; shape (lists + 1,).
    scores
        Names of the columns with scores of other recommenders.
    """

    table: pl.DataFrame
    rows: Offsets
    offsets: Offsets
    scores: tuple[str, ...]

    @classmethod
    def read(cls, frame: Frame, scores: Sequence[str] | None) -> Self:
        """Find the lists of a frame; see `Reranker.rank_frame`.

        Raises
        ------
        DataError
            If columns are missing, or hold something else, or as `ListRows.find` does.
        """
        raw = to_polars(frame, "lists")
        own = (Columns.SCORE,) if Columns.SCORE in raw.columns else ()
        named = own if scores is None else tuple(scores)
        required = ((list_key(raw.columns)[0],), (Columns.ITEM,), *((name,) for name in named))
        schema = TableSchema("lists", COLUMNS | dict.fromkeys(named, OPTIONAL_NUMBER), required)
        table, checks = parse_table(raw, schema)
        raise_failures(checks, schema.name)
        found = ListRows.find(table, named, schema.name)
        return cls(table[found.rows], found.rows, found.offsets, named)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def requests(
        self, history: Dataset | Frame | None, latest: int, policy: Sequence[Policy] | None, k: int | None
    ) -> Iterator[Request]:
        """Make a request of each list; the other parameters are those of `Reranker.rank_frame`."""
        histories = self._histories(history, latest)
        ids = self.table[Columns.ITEM].to_list()
        scores = {name: self.table[name].fill_null(np.nan).to_list() for name in self.scores}
        for past, (start, end) in zip(histories, pairwise(self.offsets.tolist()), strict=True):
            given = {name: column[start:end] for name, column in scores.items()}
            yield Request(past, ids[start:end], given or None, policy, k)

    def _histories(self, history: Dataset | Frame | None, latest: int) -> list[History]:
        if history is None:
            return [History([], [], [])] * len(self)
        if Columns.USER not in self.table.columns:
            raise RequestError("lists without user_id: add it, or leave the history out")
        if not isinstance(history, Dataset):
            events = to_polars(history, "history")
            known = events.select(pl.col(f"^{Columns.ITEM}$").drop_nulls().unique())
            history = Dataset.construct(known, events, "history")
        return history.latest(self.table[Columns.USER].gather(self.offsets[:-1]).to_list(), latest)

    def ranked(self, frame: AnyFrame, rankings: Sequence[Ranking]) -> AnyFrame:
        """Put the rows of the frame in the order of the rankings, and say what these found."""
        lengths = np.array([len(ranking) for ranking in rankings], np.int64)
        starts = flat_offsets(lengths)[:-1]
        previous = np.array([rank for ranking in rankings for rank in ranking.previous_ranks], np.int64)
        rows = self.rows[np.repeat(self.offsets[:-1], lengths) + previous - 1]
        new = {
            RANK: np.arange(len(rows)) - np.repeat(starts, lengths) + 1,
            Columns.SCORE: np.array([score for ranking in rankings for score in ranking.scores], np.float64),
            PREVIOUS_RANK: previous,
        }
        kept = {name: name for name in self.table.columns if name not in new}
        if Columns.SCORE in self.table.columns:
            kept.pop(PREVIOUS_SCORE, None)
            kept[Columns.SCORE] = PREVIOUS_SCORE
        return taken(frame, rows, kept, new)

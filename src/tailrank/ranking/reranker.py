"""`Reranker`: what a model does for its callers, from fitting to explaining."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.dataset import Dataset
from tailrank.data.frames import AnyFrame, Frame
from tailrank.data.splits import Split
from tailrank.policy.base import Policy
from tailrank.ranking.explanation import EventShares, Explanation, explanations
from tailrank.ranking.fitted import Fitted
from tailrank.ranking.fitting import Vectors, fit
from tailrank.ranking.frame_lists import FrameLists
from tailrank.ranking.list_ranker import ListRanker
from tailrank.ranking.model_folder import read_fitted, write_fitted
from tailrank.ranking.ordering import Listed
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request, as_request
from tailrank.ranking.settings import Settings
from tailrank.ranking.text_events import AnyEvent
from tailrank.ranking.upstream import Choice, learn_weights
from tailrank.reporting import Progress, counted, silent
from tailrank.running import Run, run_here
from tailrank.signals.out_of_core import OutOfCore

LISTS_AT_ONCE: Final = 1_000
"""Lists of a frame that are ranked between two reports of progress."""


class Reranker(ListRanker):
    """Ranks candidates for one user by what items mean and what the user has just done.

    Make one with `fit` or `load`; the attributes are those of `Fitted`.
    """

    @classmethod
    def fit(
        cls,
        data: Dataset | Split,
        vectors: Vectors,
        settings: Settings | None = None,
        progress: Progress = silent,
        checkpoint: Path | None = None,
        counting: OutOfCore | None = None,
        run: Run = run_here,
    ) -> Self:
        """Fit signals on all events, and the fusion with signals that did not see the latest.

        Parameters
        ----------
        data
            A data set, of which the latest events are held out for fusion; or a split, whose test queries
            stay untouched.
        vectors
            One vector an item, as `ItemVectors.encode` gives them; those of several encoders by the names of
            their spaces, each of which becomes a signal; None does without.
        settings
            How to fit.
        progress
            Is told how far long training is.
        checkpoint
            File that long training writes as it goes, and continues from after an interruption; a second
            one beside it is named by `training_data.checkpoint_files`.
        counting
            Counts pairs of items in bounded memory, with the same result; None counts all at once.
        run
            Who ranks the validation queries that settings and fusion are learned from, with the same result.

        Raises
        ------
        DataError
            If nothing can be held out, or there isn't one vector an item.
        RequestError
            If the sequence model is wanted and torch is missing.
        ModelError
            If its training diverges, or the checkpoint can't be used.
        """
        return cls.from_fitted(fit(data, vectors, settings, progress, checkpoint, counting, run))

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> Self:
        """Rank by what was learned."""
        return cls(**vars(fitted))

    def rank_frame(
        self,
        lists: AnyFrame,
        history: Dataset | Frame | None = None,
        *,
        scores: Sequence[str] | None = None,
        policy: Sequence[Policy] | None = None,
        k: int | None = None,
        progress: Progress = silent,
    ) -> AnyFrame:
        """Rank many lists at once: a frame of polars, pandas or Arrow in, and one of the same kind out.

        Parameters
        ----------
        lists
            One row a candidate: `item_id`, and which list it is in, by `ranking_id` or `query`, else by
            `user_id` and, if there is one, `timestamp`. The order of the recommender is that of `position`,
            else of its scores if there is one column of them, else of the rows. Other columns pass through.
        history
            What the users of the lists did: a data set, or a frame of its events. Who isn't in it has no
            history; None ranks without any.
        scores
            Columns with scores of other recommenders, missing where one gave none; by default `score`, if
            there is such a column.
        policy, k
            As in `Request`.
        progress
            Is told how many lists are ranked.

        Returns
        -------
        AnyFrame
            The rows list by list, the best first, with `rank`, `score` and `previous_rank`, in place of
            columns of these names; a `score` that was given is `previous_score` now.

        Raises
        ------
        DataError
            If a column is missing, or holds something else, or a list has several users or times.
        RequestError
            As `rank` does, or on a history for lists without `user_id`.
        """
        found = FrameLists.read(lists, scores)
        requests = list(found.requests(history, self.settings.max_history, policy, k))
        batches = [requests[at : at + LISTS_AT_ONCE] for at in range(0, len(requests), LISTS_AT_ONCE)]
        counting = counted(batches, progress, "ranking lists", len(requests))
        return found.ranked(lists, [ranking for batch in counting for ranking in self.rank_many(batch)])

    def explain(
        self,
        request: Request | Sequence[AnyEvent],
        /,
        candidates: Sequence[str] = (),
        **options: Any,
    ) -> list[Explanation]:
        """Say which signals and which events set each item apart from the list; in the order of the ranking.

        Takes what `rank` takes. A `Request` with `explain` gives the same contributions, without those of
        single events, in less time.

        Raises
        ------
        RequestError
            As `rank` does.
        """
        request = as_request(request, candidates, options)
        return self.explained(request, self.rank(replace(request, explain=True)))

    def explained(self, request: Request, ranking: Ranking, first: int | None = None) -> list[Explanation]:
        """Explain a ranking of this model that was made with `explain`, or its first items.

        Parameters
        ----------
        request
            What was asked.
        ranking
            What came of it; without contributions nothing can be explained.
        first
            How many items; None explains all.
        """
        ids = ranking.item_ids[:first]
        return explanations(ranking, ids, self._by_event(request, set(ids)))

    def _by_event(self, request: Request, wanted: Collection[str]) -> EventShares:
        """Split what the signals say of some of the candidates by the events that they saw."""
        scoring, [told] = self._told([request])
        gone = set(told.unknown)
        seen = scoring.names([name for name in told.events.items if name not in gone])
        listed = Listed.from_ids(request.candidates, self.catalogue)
        known = [name for name, code in zip(listed.ids, listed.codes.tolist(), strict=True) if code >= 0]
        levels = self.catalogue.levels[listed.candidates.codes]
        return EventShares.split(scoring, levels, seen, listed.candidates, known, wanted)

    def learn_upstream(self, choices: Sequence[Choice]) -> Self:
        """Learn how much the scores of other recommenders count, from lists that users chose from.

        Parameters
        ----------
        choices
            Later than what this model was fitted on, or it will trust itself too much. Every choice has
            scores of the same recommenders.

        Returns
        -------
        Reranker
            The same, with `upstream` set.

        Raises
        ------
        RequestError
            If there is no choice or no recommender, what was chosen is no candidate, names of recommenders
            differ, or as `rank` does.
        """

        def score(choice: Choice) -> Floats:
            # With scores, though empty ones: an unknown candidate then has the mean, as it will when ranking.
            ranking = self.rank(choice.history, choice.candidates, scores=[np.nan] * len(choice.candidates))
            by_id = dict(zip(ranking.item_ids, ranking.scores, strict=True))
            return np.array([by_id[name] for name in choice.candidates], np.float32)

        return replace(self, upstream=learn_weights(choices, score))

    def save(self, folder: Path | str, about: Mapping[str, object] | None = None) -> None:
        """Write a model folder, whole or not at all (see docs/models.md).

        Parameters
        ----------
        folder
            If it already holds a model, this one takes its place.
        about
            Anything worth remembering, as JSON: the data, their metrics. By default what is remembered
            already. Nothing depends on it.

        Raises
        ------
        ModelError
            If the folder holds something else or can't be written, or `about` is no JSON.
        """
        write_fitted(self if about is None else replace(self, about=about), Path(folder))

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Open a model folder; it ranks bit by bit as the saved one did.

        What was opened goes on ranking whatever becomes of the folder.

        Raises
        ------
        ModelError
            If the folder is missing, damaged, edited, or of another format.
        """
        return cls.from_fitted(read_fitted(Path(folder))[0])

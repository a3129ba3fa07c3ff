"""`Reranker`: signals and fusion in one object that fits, ranks and explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event, Histories
from tailrank.data.splits import Split, hold_out
from tailrank.errors import RequestError
from tailrank.language.whitening import Whitening
from tailrank.policy.long_tail import promote
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.explanation import Explanation, explain
from tailrank.ranking.fitting import Settings, Signals, fit_fusion, fit_signals
from tailrank.ranking.fusion import Fusion, history_buckets
from tailrank.ranking.item_updates import new_items
from tailrank.ranking.model_folder import read_fields, write_reranker
from tailrank.ranking.ordering import RankedItem, ordered
from tailrank.ranking.upstream import Choice, Scores, learned, shares
from tailrank.reporting import Progress, silent
from tailrank.signals.base import Signal


@dataclass(frozen=True)
class Reranker:
    """Ranks candidates for one person by what items mean and what the person has just done.

    Attributes
    ----------
    catalogue
        Items and event types, and how well each item is known.
    signals
        In the order of the fusion's weights.
    fusion
        Learned weights.
    tail
        Dial of the long-tail policy, 0 to 1, where a request names no other.
    settings
        How it was fitted.
    upstream
        How much the scores of other recommenders count, by their names, where that was learned.
    whitening
        Of the encoder's vectors; None where none were given.
    about
        What `save` was told about the model, such as the encoder and the sha256 of its weights.
    """

    catalogue: Catalogue
    signals: tuple[Signal, ...]
    fusion: Fusion
    tail: float
    settings: Settings
    upstream: Mapping[str, float] = field(default_factory=dict)
    whitening: Whitening | None = None
    about: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        data: Dataset | Split,
        vectors: Floats | None,
        settings: Settings | None = None,
        progress: Progress = silent,
        checkpoint: Path | None = None,
        tuned: Floats | None = None,
    ) -> Self:
        """Fit signals on all events, and the fusion with signals that did not see the latest.

        Parameters
        ----------
        data
            A data set, of which the latest events are held out for fusion; or a split, whose test
            queries stay untouched.
        vectors
            The encoder's vector of each item's text, shape (items, d); None leaves the semantic signal out.
        settings
            How to fit.
        progress
            Is told how far long training is.
        checkpoint
            File that long training writes as it goes, and goes on from after an interruption; a second
            one beside it is named by `checkpoint_files`.
        tuned
            Vectors of a fine-tuned encoder, shape (items, dimensions); None leaves that signal out.

        Raises
        ------
        DataError
            Where nothing can be held out, or there isn't one vector an item.
        RequestError
            Where the sequence model is wanted and torch is missing.
        ModelError
            Where its training diverges, or the checkpoint can't be used.
        """
        settings = settings or Settings()
        split = data if isinstance(data, Split) else hold_out(data)
        signals = fit_signals(split, vectors, settings, progress, checkpoint, tuned)
        return cls.of(split, signals, settings)

    @classmethod
    def of(cls, split: Split, signals: Signals, settings: Settings) -> Self:
        """Weigh signals that are fitted already, on the split's validation queries.

        Parameters
        ----------
        split
            What the signals were fitted on.
        signals
            As `fit_signals` gives them.
        settings
            How to weigh.

        Raises
        ------
        DataError
            Where there is no validation query.
        """
        past, (fusion, tail) = split.full_train, fit_fusion(split, signals.before, settings)
        catalogue = Catalogue.of(past.items, past.counts, past.event_types, past.clock)
        return cls(catalogue, signals.after, fusion, tail, settings, whitening=signals.whitening)

    def with_items(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        vectors: Floats | None = None,
        tuned: Floats | None = None,
    ) -> Self:
        """Take in new items, and new texts of known ones; this model itself stays as it is.

        New items are placed by their texts alone, until a model is trained with what people do with them.
        Known ones keep what was learned from behaviour. The scores of all others don't change.

        Parameters
        ----------
        ids
            Distinct item ids.
        texts
            One an item, put together as in training.
        vectors
            The encoder's vectors of these texts, shape (items, d), not whitened; None places the items as
            if they had no text.
        tuned
            Those of the fine-tuned encoder, likewise.

        Raises
        ------
        RequestError
            On repeated ids, or where there isn't one text or one vector of the right width an item.
        """
        if len(set(ids)) != len(ids) or len(texts) != len(ids):
            raise RequestError(f"{len(ids)} items with {len(texts)} texts: give each id once, and one text")
        catalogue = self.catalogue.with_items(ids)
        codes, size = catalogue.codes_of(ids), len(catalogue)
        new = new_items(self.signals, self.whitening, codes, size, texts, vectors, tuned)
        return replace(
            self, catalogue=catalogue, signals=tuple(signal.with_items(new) for signal in self.signals)
        )

    def without(self, ids: Sequence[str]) -> Self:
        """Forget items, so that requests that name them are refused; unknown ids are passed over."""
        return replace(self, catalogue=self.catalogue.without(ids))

    def score(self, histories: Histories, candidates: Candidates, tail: float | None = None) -> Floats:
        """Score every candidate for every history, the policy included; (histories, candidates), log-odds."""
        seen = histories.latest(self.settings.max_history)
        scores = [signal.score(seen, candidates) for signal in self.signals]
        buckets = self.catalogue.buckets.take(candidates.codes)
        total = self.fusion.combine(scores, buckets, history_buckets(seen.lengths))
        dial = self.tail if tail is None else tail
        return promote(total, self.catalogue.rare.take(candidates.codes), dial) if dial else total

    def rank(
        self,
        history: Sequence[str | Event],
        candidates: Sequence[str],
        k: int | None = None,
        scores: Scores | None = None,
        tail: float | None = None,
    ) -> list[RankedItem]:
        """Re-order candidates for one person.

        Parameters
        ----------
        history
            The person's events, oldest first: item ids or `Event`. May be empty.
        candidates
            Item ids in the order of the recommender that found them.
        k
            Length of the list to return; all by default.
        scores
            That recommender's own scores, one a candidate, the higher the better; NaN where missing.
            Those of several recommenders go by their names. A name that `learn_upstream` met counts as
            it learned, any other as `Settings.upstream_weight` says.
        tail
            Dial of the long-tail policy (`tailrank.policy.long_tail`), 0 to 1; by default the model's own.

        Returns
        -------
        list of RankedItem
            Best first; equal scores keep the candidates' order.

        Raises
        ------
        RequestError
            On unknown or repeated ids, scores of another length, a `k` below 1, or a dial outside 0 to 1.
        """
        wanted = self.catalogue.candidates(candidates)
        total = self.score(self.catalogue.history(history), wanted, tail)[0]
        for share in shares(scores, len(wanted), self.upstream, self.settings.upstream_weight).values():
            total += share
        return ordered(candidates, total, k)

    def learn_upstream(self, choices: Sequence[Choice]) -> Self:
        """Learn how much the scores of other recommenders count, from lists that people chose from.

        Parameters
        ----------
        choices
            Later than what this model was fitted on, or it will trust itself too much. Every choice
            has scores of the same recommenders.

        Returns
        -------
        Reranker
            The same, with `upstream` set.

        Raises
        ------
        RequestError
            Where there is no choice or no recommender, one took what was no candidate, names of
            recommenders differ, or as `rank` does.
        """

        def score(choice: Choice) -> Floats:
            wanted = self.catalogue.candidates(choice.candidates)
            scores: Floats = self.score(self.catalogue.history(choice.history), wanted)[0]
            return scores

        return replace(self, upstream=learned(choices, score))

    def explain(
        self,
        history: Sequence[str | Event],
        candidates: Sequence[str],
        scores: Scores | None = None,
        tail: float | None = None,
    ) -> list[Explanation]:
        """Say where each candidate's score comes from; takes what `rank` takes, keeps the candidates' order.

        Raises
        ------
        RequestError
            As `rank` does.
        """
        wanted, seen = self.catalogue.candidates(candidates), self.catalogue.history(history)
        added = shares(scores, len(wanted), self.upstream, self.settings.upstream_weight)
        return explain(self, seen, wanted, candidates, added, tail)

    def save(self, folder: Path | str, about: Mapping[str, object] | None = None) -> None:
        """Write a model folder, whole or not at all (see docs/models.md).

        Parameters
        ----------
        folder
            Replaced where it already holds a model.
        about
            Anything worth remembering, as JSON: the data, the encoder, its figures. By default what is
            remembered already.

        Raises
        ------
        ModelError
            Where the place holds something else, or can't be written.
        """
        write_reranker(self, Path(folder), about)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Open a model folder; it ranks bit by bit as the saved one did.

        Its arrays stay in the file, which processes that open it share in memory. A folder that is replaced
        meanwhile goes on serving.

        Raises
        ------
        ModelError
            Where the folder is missing, damaged, edited, or of another format.
        """
        return cls(**read_fields(Path(folder)))

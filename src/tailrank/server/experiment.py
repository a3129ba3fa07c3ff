"""`LiveExperiment`: two models rank for users, who say by their clicks which one they like better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tailrank.feedback.assignment import Experiment
from tailrank.feedback.interleaving import team_draft
from tailrank.feedback.live_outcomes import Compare
from tailrank.feedback.records import CHALLENGER, CONTROL, INTERLEAVED, NOT_COMPARED, Compared
from tailrank.ranking.parts import Contributions
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request
from tailrank.server.loaded_model import SHOWN, LoadedModel
from tailrank.server.model_manager import ModelManager


class Served(NamedTuple):
    """A ranking, the model whose scores it has, and what it is in a comparison."""

    ranking: Ranking
    model: LoadedModel
    compared: Compared = NOT_COMPARED


class LiveExperiment:
    """Compares the model in service with a challenger.

    The comparison is one of two models as they are: once either is replaced, users are split anew.

    Parameters
    ----------
    models
        Gives the model in service.
    challenger
        Gives the other one.
    compare
        Whether each list is made of both rankings, or each user sees those of one model.
    """

    def __init__(self, models: ModelManager, challenger: ModelManager, compare: Compare) -> None:
        self.models, self.challenger, self.compare = models, challenger, compare
        self._split = Experiment("none yet", {CONTROL: 1, CHALLENGER: 1})

    def rank(self, request: Request, user: str) -> Served:
        """Rank for a user, by one of the models or by both.

        Raises
        ------
        RequestError
            As `Reranker.rank` does.
        """
        control, challenger = self.models.served, self.challenger.served
        name = f"{control.name} {challenger.name}"
        if self.compare == "interleave":
            return _interleaved(request, control, challenger, name)
        if self._split.name != name:
            self._split = replace(self._split, name=name)
        variant = self._split.variant(user)
        model = challenger if variant == CHALLENGER else control
        ranking = model.reranker.rank(request)
        tail = _tail_share(control.head, ranking.item_ids[:SHOWN])
        return Served(ranking, model, Compared((control.name, challenger.name), variant, (), tail))


def _tail_share(head: frozenset[str], shown: Sequence[str]) -> float | None:
    """Give the share of the tail: of one model's, so that both are measured alike."""
    return 1 - len(head.intersection(shown)) / len(shown) if shown else None


def _interleaved(request: Request, control: LoadedModel, challenger: LoadedModel, name: str) -> Served:
    """Let both rankings take turns; all but the order is that of the control."""
    ranking = control.reranker.rank(replace(request, k=None))
    other = challenger.reranker.rank(replace(request, k=None, explain=False, keep_signals=False))
    drafted = team_draft(
        ranking.item_ids, other.item_ids, experiment=name, ranking_id=ranking.ranking_id, k=request.k
    )
    compared = Compared((control.name, challenger.name), INTERLEAVED, drafted.teams)
    return Served(_in_order(ranking, drafted.items), control, compared)


def _in_order(ranking: Ranking, item_ids: tuple[str, ...]) -> Ranking:
    """Choose items of a ranking, in this order."""
    places = dict(zip(ranking.item_ids, range(len(ranking)), strict=True))
    rows = [places[name] for name in item_ids]
    known, parts, signals = ranking.known, ranking.contributions, ranking.signals
    return replace(
        ranking,
        item_ids=list(item_ids),
        scores=[ranking.scores[row] for row in rows],
        previous_ranks=[ranking.previous_ranks[row] for row in rows],
        known=None if known is None else [known[row] for row in rows],
        contributions=None if parts is None else Contributions(parts.names, parts.values[rows]),
        moves=None if ranking.moves is None else ranking.moves._replace(ranks=ranking.moves.ranks[rows]),
        signals=None
        if signals is None
        else signals._replace(values=signals.values[rows], count_levels=signals.count_levels[rows]),
    )

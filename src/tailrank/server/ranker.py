"""`Ranker`: rankings by the model that serves and by what is stored of users, or the old order and why."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from tailrank import api, api_reports
from tailrank.conversation.said import with_wishes
from tailrank.errors import EncoderError, RequestError
from tailrank.policy.exploration import Exploration, explored_last
from tailrank.policy.wishes import Wishes
from tailrank.ranking.request import Request
from tailrank.ranking.text_events import TextEvent
from tailrank.server.answers import Told, explained, to_answer
from tailrank.server.counterfactuals import Counterfactuals
from tailrank.server.experiment import LiveExperiment, Served
from tailrank.server.model_manager import ModelManager
from tailrank.server.shown_rankings import ShownRankings
from tailrank.server.stored_users import Stored, StoredUsers
from tailrank.server.translation import NO_EVENTS, check_times, to_request
from tailrank.server.user_texts import Said, UserTexts, texts_of
from tailrank.server.validation import warnings, watched_ranking
from tailrank.state.base import State, StateError

SLOWNESS: Final = 0.05
"""How quickly the expected time of a ranking follows the measured one."""

LOG_EVERY: Final = 1.0
"""Seconds between two warnings in the log that the state can't be reached."""

log = logging.getLogger("tailrank.server")


class Made(NamedTuple):
    """What was asked, what came of it, and what is told of that."""

    asked: Request
    served: Served
    told: Told


class Ranker:
    """Ranks for users, and degrades rather than fail.

    Parameters
    ----------
    models
        Gives the model that serves.
    state
        What is remembered of users.
    shown
        Where rankings are counted and logged.
    experiment
        Compares that model with another one; None if there is none.
    exploration
        The last step of each policy, unless a request wants less of it; None explores nothing.
    """

    def __init__(
        self,
        models: ModelManager,
        state: State,
        shown: ShownRankings,
        experiment: LiveExperiment | None = None,
        exploration: Exploration | None = None,
    ) -> None:
        self.models, self.shown = models, shown
        self.experiment, self.exploration = experiment, exploration
        managers = (models,) if experiment is None else (models, experiment.challenger)
        self.users = StoredUsers(state, managers, goes_by_shown=shown.lists is not None)
        self.texts = UserTexts(models.encoders)
        self._expected = self._logged = 0.0
        self._counterfactuals = Counterfactuals()

    def rank_at_once(self, request: api.RankRequest, arrived: float) -> api.Ranking | None:
        """Rank, or degrade, unless something has to be waited for: then None.

        Parameters
        ----------
        request
            What is asked.
        arrived
            When, on the clock of `time.perf_counter`.

        Raises
        ------
        RequestError
            On what the sender can mend.
        """
        self._check(request)
        if texts_of(request.history):
            return None
        try:
            stored = self.users.at_once(request)
        except Exception as why:  # noqa: BLE001 - it becomes the reason to degrade
            return self._degraded(request, arrived, why)
        if stored is None or request.counterfactual is not None:
            return None
        return self._ranked(request, arrived, stored)

    async def rank(
        self, request: api.RankRequest, arrived: float, wishes: Wishes | None = None
    ) -> api.Ranking:
        """Rank, or degrade; as `rank_at_once`, which it takes the parameters and errors of.

        `wishes` follow the steps of the request or of the model.
        """
        self._check(request)
        said = texts_of(request.history)
        if said:
            return await self._ranked_by_texts(request, arrived, said, wishes)
        try:
            async with asyncio.timeout(_left(request, arrived)):
                stored = await self.users.stored(request)
        except Exception as why:  # noqa: BLE001 - it becomes the reason to degrade
            return self._degraded(request, arrived, why)
        model, answer = self.models.served, self._ranked(request, arrived, stored, wishes)
        if request.counterfactual is None or answer.degraded:
            return answer
        found = await self._counterfactuals.of(
            request, self._asked(request, stored, wishes=wishes), model.reranker
        )
        took_ms = 1e3 * (time.perf_counter() - arrived)
        return msgspec.structs.replace(answer, counterfactual=found, took_ms=took_ms)

    async def _ranked_by_texts(
        self, request: api.RankRequest, arrived: float, said: Sequence[Said], wishes: Wishes | None
    ) -> api.Ranking:
        """Rank by what the user says, too: on a thread, as reading takes longer than others can wait."""
        try:
            async with asyncio.timeout(_left(request, arrived)):
                stored = await self.users.stored(request)
                texts = await self.texts.encoded(said, self.models.served, len(stored.history.items))
                made = await asyncio.to_thread(self._made, request, stored, texts, wishes)
        except EncoderError:  # an order that passes over what the user said would be a wrong answer
            raise
        except Exception as why:  # noqa: BLE001 - it becomes the reason to degrade
            return self._degraded(request, arrived, why)
        return self._noted(request, arrived, stored, made)

    async def validate(self, request: api.RankRequest, arrived: float) -> api_reports.RankCheck:
        """Say what a request would do and why, whatever its deadline; nothing is logged.

        Raises
        ------
        RequestError
            On what the sender can mend.
        StateError
            If the user's history can't be read.
        """
        self._check(request)
        model, said, stored = self.models.served, texts_of(request.history), await self.users.stored(request)
        texts = await self.texts.encoded(said, model, len(stored.history.items))
        asked = self._asked(request, stored, texts)
        ranking, steps = watched_ranking(model.reranker, asked)
        answer = to_answer(Served(ranking, model), arrived, self.shown.policies)
        return api_reports.RankCheck(answer, steps, list(warnings(model.reranker, asked)))

    def _check(self, request: api.RankRequest) -> None:
        check_times(request.history, self.models.served.reranker.catalogue.clock)

    def _ranked(
        self, request: api.RankRequest, arrived: float, stored: Stored, wishes: Wishes | None = None
    ) -> api.Ranking:
        """Rank by what is stored; a list in its old order is better than none."""
        started = time.perf_counter()
        if request.deadline_ms and started - arrived + self._expected > request.deadline_ms / 1e3:
            # Or one slow ranking could keep every later one from being tried.
            self._expected *= 1 - SLOWNESS
            return self._degraded(request, arrived, TimeoutError())
        try:
            made = self._made(request, stored, wishes=wishes)
        except Exception as why:  # noqa: BLE001 - it becomes the reason to degrade
            return self._degraded(request, arrived, why)
        self._expected += SLOWNESS * (time.perf_counter() - started - self._expected)
        return self._noted(request, arrived, stored, made)

    def _made(
        self,
        request: api.RankRequest,
        stored: Stored,
        texts: Sequence[TextEvent] = (),
        wishes: Wishes | None = None,
    ) -> Made:
        """Rank and explain."""
        asked = self._asked(request, stored, texts, wishes)
        served = self._serve(asked, request.user or request.session)
        return Made(asked, served, explained(asked, served, request.explain))

    def _noted(self, request: api.RankRequest, arrived: float, stored: Stored, made: Made) -> api.Ranking:
        """Count and log what was made, and answer."""
        asked, served, told = made
        self.shown.note(request, asked, served)
        is_unknown = (request.user or request.session) is not None and not stored.history.items
        return to_answer(served, arrived, self.shown.policies, is_unknown=is_unknown, told=told)

    def _asked(
        self,
        request: api.RankRequest,
        stored: Stored,
        texts: Sequence[TextEvent] = (),
        wishes: Wishes | None = None,
    ) -> Request:
        """Put together what is asked of the model, and what this server wants besides.

        A list without some of the signals, or by words of the user, is no example to learn weights from.
        """
        keep_signals = self.shown.impressions is not None and not texts and not request.without
        asked = to_request(request, stored.history, keep_signals, stored.shown, texts)
        if wishes is not None:
            own = self.models.served.reranker.policy
            asked = replace(asked, policy=with_wishes(asked.policy, own, wishes))
        if self.exploration is None:
            return asked
        if asked.policy is None:
            return replace(asked, policy=explored_last(self.models.served.reranker.policy, self.exploration))
        step = self.exploration.narrowed(asked.policy)
        return replace(asked, policy=explored_last(asked.policy, step))

    def _serve(self, asked: Request, user: str | None) -> Served:
        """Rank by the model that serves or, for a user in an experiment, as that says."""
        if self.experiment is None or user is None:
            model = self.models.served
            return Served(model.reranker.rank(asked), model)
        return self.experiment.rank(asked, user)

    def _degraded(self, request: api.RankRequest, arrived: float, why: Exception) -> api.Ranking:
        """Give candidates back as they came, and say why."""
        reason: api.DegradedReason
        if isinstance(why, TimeoutError):
            reason = "deadline"
        elif isinstance(why, StateError):
            reason = "state"
            if arrived > self._logged + LOG_EVERY:
                self._logged = arrived
                log.warning("state out of reach", extra={"why": str(why)})
        elif isinstance(why, RequestError):
            raise why
        else:
            reason = "error"
            log.error("ranking failed", exc_info=why)
        asked = to_request(request, NO_EVENTS)
        model = self.models.served
        served = Served(model.reranker.upstream_ranking(asked), model)
        self.shown.note_degraded(request, asked, served, reason)
        return to_answer(served, arrived, self.shown.policies, reason)


def _left(request: api.RankRequest, arrived: float) -> float | None:
    """Say how many seconds of a request's deadline are left; None without one."""
    return (
        None if request.deadline_ms is None else request.deadline_ms / 1e3 - (time.perf_counter() - arrived)
    )

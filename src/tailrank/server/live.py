"""What the dashboard shows as it happens: one moment of the server every second, for everyone who looks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from tailrank.api_live import (
    ClicksAt,
    Live,
    LiveLearning,
    PolicyStep,
    ShownOfLog,
    StandingPolicies,
    WeightsHistory,
)
from tailrank.errors import RequestError
from tailrank.feedback.shown_today import DAY, SHOWN_NOTES, ShownNote
from tailrank.metrics.beyond_accuracy import exposure_curve, gini_of_groups
from tailrank.metrics.popularity import COUNT_LABELS, count_buckets, decile_shares
from tailrank.policy.registry import described
from tailrank.ranking.registry import Registry
from tailrank.server.alerts import read_alerts
from tailrank.server.learned_weights import WeightsPast
from tailrank.server.live_counts import Counts, Window
from tailrank.server.loaded_model import LoadedModel
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.server.model_versions import UNVERSIONED
from tailrank.server.settings import ServerSettings
from tailrank.server.streams import Broadcast, Stream
from tailrank.state.base import State, StateError

SHARES: Final = np.array([0, 0.01, 0.02, 0.05, *np.arange(1, 11) / 10])
"""Of the catalogue, for which it is told how much of what is shown they get."""

LOG: Final = "Start the server with --log-impressions FOLDER: {}."
LEARN: Final = (
    "Start the server with --log-impressions FOLDER --learn: clicks then move the weights of signals."
)
POLICIES: Final = "Start the server with --policies FILE: its steps and rules then rank for everybody."
STATE: Final = "The state is out of reach: {}."


class LivePage:
    """Tells how one server is.

    Parameters
    ----------
    settings
        Of the server.
    models
        Gives the model that serves.
    state
        What workers and machines tell each other.
    metrics
        Where all is counted.
    weights
        What was learned; None if nothing learns.
    """

    def __init__(
        self,
        settings: ServerSettings,
        models: ModelManager,
        state: State,
        metrics: Metrics,
        weights: WeightsPast | None,
    ) -> None:
        self._settings, self._models, self._state, self._metrics = settings, models, state, metrics
        self._weights = weights
        self._window, self._broadcast = Window(), Broadcast(self._moment)
        self._catalogue_of: tuple[LoadedModel, Mapping[str, int], list[float]] | None = None

    def listen(self) -> Stream:
        """Open a stream of `Live`; raises TooManyStreamsError."""
        return self._broadcast.listen()

    def weights(self) -> WeightsHistory:
        """Give the weights as they changed.

        Raises
        ------
        RequestError
            If nothing learns.
        """
        if self._weights is None:
            raise RequestError(LEARN)
        return self._weights.history()

    def policies(self) -> StandingPolicies:
        """Give the steps that rank for everybody.

        Raises
        ------
        RequestError
            If there is none.
        """
        file = self._settings.policies
        if not file.steps:
            raise RequestError(POLICIES)
        steps = [PolicyStep(step.pop("name"), step) for step in described(file.steps)]
        return StandingPolicies(file.version, steps)

    async def _moment(self) -> bytes:
        return msgspec.json.encode(await self.moment())

    async def moment(self) -> Live:
        """Say how things are now."""
        self._window.add(Counts.read(self._metrics.of_all().collect(), time.monotonic()))
        window, served = self._window, self._models.served
        missing = self._missing()
        alerts, logs = await self._noted(missing)
        return Live(
            time.time(),
            window.seconds,
            served.name,
            len(served.reranker.catalogue),
            *self._catalogue(served),
            self._settings.policies.version,
            window.rankings(),
            window.events(),
            window.latest.degraded,
            window.latest.shed,
            window.exposure(),
            alerts,
            logs,
            self._learning(),
            missing,
        )

    async def _noted(self, missing: dict[str, str]) -> tuple[int | None, list[ShownOfLog] | None]:
        """Read what is noted in the state: how many alerts are open, and what was shown today."""
        try:
            alerts = await read_alerts(self._state)
            shown = (await self._state.notes(SHOWN_NOTES)).values()
        except StateError as why:
            missing["alerts"] = missing["logs"] = STATE.format(why)
            return None, None
        notes = [note for each in shown if (note := ShownNote.decoded(each)) and _is_today(note.since)]
        if not alerts.watched and self._settings.log_impressions is None:
            missing["alerts"] = LOG.format("it then watches what is shown and clicked, and raises alerts")
            missing["logs"] = LOG.format("it then counts what is shown and clicked today")
            return len(alerts.opened), None
        n_items = len(self._models.served.reranker.catalogue)
        return len(alerts.opened), [_told(note, n_items) for note in notes]

    def _missing(self) -> dict[str, str]:
        """Say what is turned off, and how to turn it on."""
        settings, missing = self._settings, dict[str, str]()
        if not settings.learn:
            missing["learning"] = LEARN
        if not settings.policies.steps:
            missing["policies"] = POLICIES
        if settings.log_impressions is None:
            missing["experiments"] = LOG.format("with --challenger MODEL, two models are then compared")
        if Registry.of(settings.model) is None:
            missing["versions"] = UNVERSIONED
        return missing

    def _learning(self) -> LiveLearning | None:
        if self._weights is None:
            return None
        past = self._weights.history().past
        return LiveLearning(past[-1].outcomes, past[-1].time) if past else LiveLearning(0, 0.0)

    def _catalogue(self, served: LoadedModel) -> tuple[Mapping[str, int], list[float]]:
        """Count the items of a model by their events in training, and share these out; once a model."""
        if self._catalogue_of is None or self._catalogue_of[0] is not served:
            counts, size = served.reranker.catalogue.counts, len(served.reranker.catalogue.items)
            buckets = np.bincount(count_buckets(counts), minlength=len(COUNT_LABELS)).tolist()
            shares = decile_shares(counts[:size])
            shared = [] if shares is None else shares.tolist()
            self._catalogue_of = served, dict(zip(COUNT_LABELS, buckets, strict=True)), shared
        return self._catalogue_of[1:]


def _is_today(since: float) -> bool:
    return since // DAY == time.time() // DAY


def _told(note: ShownNote, n_items: int) -> ShownOfLog:
    clicks = [ClicksAt(*each) for each in note.clicks]
    times, items = np.array([(0, max(n_items - note.items, 0)), *note.exposures], np.int64).T
    gini, curve = gini_of_groups(times, items), list[tuple[float, float]]()
    if gini is not None:
        curve = list(zip(SHARES.tolist(), exposure_curve(times, items, SHARES).tolist(), strict=True))
    counts = note.lists, note.items, note.settled
    deciles = note.deciles if any(note.deciles) else []
    return ShownOfLog(note.log, note.machine, note.since, *counts, clicks, gini, curve, deciles)

"""The wire shapes of what the dashboard shows as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class LiveRankings(Struct, frozen=True):
    """Requests to rank, of all workers.

    `total` and `refused` (answers of status 400 and above) count since the server started. `per_second` is of
    the last second, `p50_ms` and `p99_ms` of the window, as far as the buckets of the histogram tell; null if
    there was none.
    """

    total: int
    refused: int
    per_second: float | None
    p50_ms: float | None
    p99_ms: float | None


class LiveEvents(Struct, frozen=True):
    """Events stored since the start; their lag over the window, in seconds, as far as buckets tell."""

    total: int
    per_second: float | None
    lag_p50: float | None
    lag_p99: float | None


class LiveExposure(Struct, frozen=True):
    """Items ranked in the first ten since the start, and the share of the tail over the window."""

    head: int
    tail: int
    tail_share: float | None


class ClicksAt(Struct, frozen=True, array_like=True):
    """How often items of a count bucket were shown at a rank, and clicked within two minutes.

    `bucket` is `unknown` of lists that another system ranked, and of others from which nothing is learned.
    """

    bucket: str
    rank: int
    shown: int
    clicked: int


class ShownOfLog(Struct, frozen=True):
    """What a log says of today, by UTC, since a time in seconds since 1970.

    `items` counts the distinct items among the first ten of each list; `settled` are the lists of which it is
    known what was clicked, and `clicks` is of these. `gini` says how unequally the items of the catalogue
    were shown: 0 if all alike, 1 if one alone; null if none was. `exposure` has shares of the catalogue, the
    items first that were shown most, and the share of all that was shown that they got. `deciles` counts how
    many of the first ten items of all lists were of each tenth of the catalogue, the most popular first;
    empty if the log doesn't know.
    """

    log: str
    machine: str
    since: float
    lists: int
    items: int
    settled: int
    clicks: list[ClicksAt]
    gini: float | None
    exposure: list[tuple[float, float]]
    deciles: list[int]


class LiveLearning(Struct, frozen=True):
    """Outcomes behind the weights in service, and since when this worker ranks by them; 0 before."""

    outcomes: int
    since: float


class Live(Struct, frozen=True):
    """One moment of a server.

    `window` is how many seconds, at most 60, quantiles and shares are of: it begins when somebody looks.
    `degraded` counts by reason since the start. `catalogue` counts the items that the model was trained with
    by their events; `deciles` has the share of all events that each tenth of them has, the most popular
    first; empty without any event. `logs` is null if no log of impressions is watched, `alerts` (how many are
    open) if the state is out of reach, `learning` if the server doesn't learn. `missing` says of what isn't
    there how to turn it on.
    """

    time: float
    window: float
    model: str
    items: int
    catalogue: Mapping[str, int]
    deciles: list[float]
    policies: str
    rankings: LiveRankings
    events: LiveEvents
    degraded: Mapping[str, int]
    shed: int
    exposure: LiveExposure
    alerts: int | None
    logs: list[ShownOfLog] | None
    learning: LiveLearning | None
    missing: dict[str, str]


class LearnedWeights(Struct, frozen=True):
    """Weights of signals as they were from a time on, by history bucket and signal.

    In log-odds by a standard deviation of the signal, the mean over how well items are known: how much more
    likely a click becomes. `mean` and `sd` have shape (history buckets, signals).
    """

    time: float
    outcomes: int
    mean: list[list[float]]
    sd: list[list[float]]


class WeightsHistory(Struct, frozen=True):
    """What was learned since this worker started, the oldest first; the first ones are those of training."""

    signals: list[str]
    histories: list[str]
    past: list[LearnedWeights]


class PolicyStep(Struct, frozen=True):
    """A step that comes after those of the model or of a request, with its settings."""

    name: str
    settings: dict[str, Any]


class StandingPolicies(Struct, frozen=True):
    """Which version of a file of policies ranks for everybody, and what it says."""

    version: str
    steps: list[PolicyStep]


class ModelVersion(Struct, frozen=True):
    """A version of the model; `gate` is how it did when it was retrained, null if it wasn't.

    `status` is `serves`, `before`, `refused`, `damaged`, or empty.
    """

    version: str
    status: str
    made: str
    data: str | None
    learned_until: str | None
    gate: dict[str, Any] | None
    bytes: int


class ModelVersions(Struct, frozen=True):
    """The versions of a registry, the latest first."""

    versions: list[ModelVersion]


class Promote(Struct, frozen=True, forbid_unknown_fields=True):
    """Which version is to serve."""

    version: str

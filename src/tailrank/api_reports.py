"""The wire shapes of what a server reports of itself: alerts, and what came of comparisons."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from tailrank.api import Ranking


class Alert(Struct, frozen=True):
    """Something that isn't as it should be, or wasn't.

    `kind` is what was watched, of `subject`, which is empty if it is of all. `seen` is the value now, or in
    the end, and `expected` the one that it should be near. `since` and `until` are seconds since 1970;
    without `until` it lasts. `message` says all this in a sentence, and `remedy` what to do. `log` and
    `machine` say whose rankings and events it is about.
    """

    kind: str
    subject: str
    since: float
    seen: float
    expected: float
    remedy: str
    message: str
    log: str
    machine: str
    until: float | UnsetType = UNSET


class WatchedLog(Struct, frozen=True):
    """A log of impressions that is watched, and when that was noted last, in seconds since 1970.

    `missing` says what isn't watched of it, and why.
    """

    log: str
    machine: str
    time: float
    missing: str | UnsetType = UNSET


class Alerts(Struct, frozen=True):
    """What isn't as it should be, the oldest first; what was so until lately, the latest first."""

    opened: list[Alert]
    closed: list[Alert]
    watched: list[WatchedLog]


class Interval(Struct, frozen=True):
    """A difference, challenger minus control, with an always-valid interval; null if there is none yet."""

    mean: float | None
    low: float | None
    high: float | None


class Effect(Struct, frozen=True):
    """A metric of both models."""

    metric: str
    control: float | None
    treatment: float | None
    difference: Interval


class Finding(Struct, frozen=True):
    """What came of one check, and a sentence on it."""

    name: str
    status: Literal["passed", "failed", "unclear"]
    reason: str


class Look(Struct, frozen=True):
    """What one would have seen at the end of a day: rankings up to then, and the difference."""

    until: float
    rankings: int
    difference: Interval


class Experiment(Struct, frozen=True):
    """Two models that were compared live, and what to do: the weightiest reason comes first.

    `since` and `until` are when the first and the latest ranking were made, in seconds since 1970.
    """

    control: str
    challenger: str
    compare: Literal["interleave", "split"]
    rankings: int
    since: float
    until: float
    verdict: Literal["ship", "hold", "roll back"]
    reasons: list[str]
    gates: list[Finding]
    guardrails: list[Finding]
    effect: Effect
    days: list[Look]


Experiments: TypeAlias = list[Experiment]
"""The latest first."""


class Moved(Struct, frozen=True):
    """A candidate that changed places, with its rank before, which counts those removed since, and after."""

    id: str
    before: int
    after: int


class ActingRule(Struct, frozen=True):
    """A rule that holds for a request, what it does, and the candidates that meet it."""

    id: str
    then: str
    items: list[str]


Source: TypeAlias = Literal["model", "request", "server"]


class StepEffect(Struct, frozen=True):
    """What a step does to a list, and who asked for it.

    `removed` says which candidates it takes away, and why. `rules` are those that act, of a step of rules,
    whose `settings` are left out.
    """

    name: str
    source: Source
    settings: dict[str, Any]
    removed: dict[str, str]
    moved: list[Moved]
    rules: list[ActingRule]


class RankCheck(Struct, frozen=True):
    """What a request would do: its ranking, each step in its order, and what may not be meant."""

    ranking: Ranking
    steps: list[StepEffect]
    warnings: list[str]


class ReviewEntry(Struct, frozen=True):
    """A line of an item's audit log, which is never changed.

    `screened` is the word of the screen on a text that was put. `markets` says where it holds the text, by
    market; the empty name stands for those that aren't named. A person's verdict may be for one `market`.
    """

    verdict: Literal["screened", "approve", "reject"]
    by: str
    why: str
    time: float
    fingerprint: str
    score: float | UnsetType = UNSET
    markets: dict[str, bool] | UnsetType = UNSET
    market: str | UnsetType = UNSET


class Review(Struct, frozen=True):
    """Where an item stands since a time in seconds since 1970, and why.

    `text` is what the item says now, empty if it is unknown or was deleted. `fingerprint` names the text that
    the screen read last; empty if it read none. `log` is the audit log, oldest first. `markets` are those for
    which a person decided, with what. `held` says where a held item is held, by market; the empty name stands
    for those that aren't named.
    """

    item_id: str
    status: Literal["held", "approved", "rejected"]
    since: float
    why: str
    text: str
    fingerprint: str
    log: list[ReviewEntry]
    markets: dict[str, Literal["approve", "reject"]] | UnsetType = UNSET
    held: dict[str, bool] | UnsetType = UNSET


class ReviewQueue(Struct, frozen=True):
    """Items that wait for a verdict, those first that wait longest, and how many there are in all."""

    held: list[Review]
    total: int

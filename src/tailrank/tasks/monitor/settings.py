"""What a user of the monitor chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.errors import RequestError, instead_of

HOUR: Final = 3_600
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY

Kind: TypeAlias = Literal["volume", "negative volume", "negative share"]
"""What may surge: texts, negative texts, or the share of negative ones among all."""
KINDS: Final[tuple[Kind, ...]] = ("volume", "negative volume", "negative share")


@dataclass(frozen=True)
class MonitorSettings:
    """How texts are counted, and when an alert is raised.

    Attributes
    ----------
    period
        What a count is of, an hour or a day, by UTC.
    lateness_hours
        A text is counted in its own period if it comes no later than this after the end of that. As much
        longer do alerts take.
    false_alarms_per_week
        Of all series together, if nothing happens but chance.
    surge
        Times the expected volume (or odds, of a share) that alerts are made to find soonest.
    watch
        What may surge, separated by commas: `volume`, `negative volume`, `negative share`.
    burn_in_days
        For so long nothing is raised.
    duplicate_hours
        Near-duplicates of a text that come within this time of it aren't counted.
    keep_days
        For so long texts are kept, for evidence and replays.

    Raises
    ------
    RequestError
        If a value is out of bounds.
    """

    period: Literal["hour", "day"] = "hour"
    lateness_hours: Annotated[float, Meta(ge=0, le=168)] = 1.0
    false_alarms_per_week: Annotated[float, Meta(ge=0.001, le=100)] = 1.0
    surge: Annotated[float, Meta(ge=1.1, le=10)] = 2.0
    watch: str = "negative volume,negative share"
    burn_in_days: Annotated[float, Meta(ge=1, le=56)] = 7.0
    duplicate_hours: Annotated[float, Meta(ge=0, le=168)] = 24.0
    keep_days: Annotated[int, Meta(ge=14, le=3_650)] = 60

    def __post_init__(self) -> None:
        check_bounds(self)
        for name in self.watch.split(","):
            if name not in KINDS:
                raise RequestError(f"watch: {name!r} isn't known: {instead_of(name, {k: k for k in KINDS})}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make settings of what `as_dict` gave.

        Raises
        ------
        RequestError
            If a name is unknown, or a value out of bounds.
        """
        known = {field.name: field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise RequestError(f"settings: {name!r} isn't known: {instead_of(name, known)}")
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Give the values by name."""
        return asdict(self)

    @property
    def seconds(self) -> int:
        """Seconds of a period."""
        return HOUR if self.period == "hour" else DAY

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What is watched."""
        return tuple(kind for kind in KINDS if kind in self.watch.split(","))

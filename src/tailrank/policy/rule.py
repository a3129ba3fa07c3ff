"""One rule of the business, as it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.policy.base import Scalar
from tailrank.policy.conditions import columns_of

Deed = Literal["filter", "boost", "bury", "pin"]
DEEDS: Final[tuple[Deed, ...]] = get_args(Deed)

LONGEST_ID: Final = 100


@dataclass(frozen=True)
class Rule:
    """What to do with the items that meet a condition.

    Attributes
    ----------
    id
        Its name in explanations.
    when
        Condition on items: see `conditions`.
    then
        `filter` takes them from the list; `pin` puts the best of them at a rank; `boost` adds to their
        scores; `bury` puts them below all others.
    rank
        Of a pin, from 1.
    by
        Of a boost, in log-odds; below 0, it lowers.
    context
        What the request has to say of itself: by name, a value, or several of which one will do.
    history
        Condition on items, one of which the user's history has to hold.
    since, until
        When the rule holds, in seconds since 1970; or a date or time, which without an offset is in UTC.

    Raises
    ------
    RequestError
        Naming the rule, on anything that makes no sense.

    Examples
    --------
    >>> Rule("launch", "brand = 'acme'", "pin", rank=2, context={"market": "de"}).context
    {'market': ('de',)}
    """

    id: str
    when: str
    then: Deed
    rank: Annotated[int, Meta(ge=1)] | None = None
    by: float | None = None
    context: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    history: str | None = None
    since: float | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not 0 < len(self.id) <= LONGEST_ID:
            raise RequestError(f"id must be text of 1 to {LONGEST_ID} characters, not {self.id!r}")
        try:
            for name in ("since", "until"):
                object.__setattr__(self, name, _seconds(getattr(self, name)))
            object.__setattr__(self, "context", _values(self.context))
            check_bounds(self)
            self._check()
        except RequestError as why:
            raise RequestError(f"rule {self.id!r}: {why}") from None

    def _check(self) -> None:
        for deed, name in (("pin", "rank"), ("boost", "by")):
            if (getattr(self, name) is None) == (self.then == deed):
                raise RequestError(f"`{name}` goes with `then = {deed!r}`: give both, or neither")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise RequestError("`since` must be before `until`")
        for condition in (self.when, *([] if self.history is None else [self.history])):
            columns_of(condition)

    def overlaps(self, other: Rule) -> bool:
        """Whether one request may meet both, by its time and context; a history may meet any conditions."""
        infinite = float("inf")
        start = max(-infinite if rule.since is None else rule.since for rule in (self, other))
        end = min(infinite if rule.until is None else rule.until for rule in (self, other))
        shared = self.context.keys() & other.context.keys()
        return start < end and all(set(self.context[name]) & set(other.context[name]) for name in shared)


def _seconds(moment: Any) -> Any:
    """Read a date or a time; anything else stays as it is."""
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return datetime.combine(moment, time(), UTC).timestamp() if isinstance(moment, date) else moment


def _values(context: Any) -> dict[str, tuple[Scalar, ...]]:
    if not isinstance(context, Mapping):
        raise RequestError('context must be a table such as { market = "de" }')
    found = {
        name: tuple(each) if isinstance(each, list | tuple) else (each,) for name, each in context.items()
    }
    for name, values in found.items():
        if not values or not all(isinstance(each, str | int | float | bool) for each in values):
            raise RequestError(f"context.{name} must be text, a number, true or false, or a list of these")
    return found

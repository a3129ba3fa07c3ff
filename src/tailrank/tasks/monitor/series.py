"""Series: how many texts, and negative ones, came in each period about a topic and an entity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tailrank.tasks.monitor.stream_texts import Text


class Series(NamedTuple):
    """A topic and an entity; an empty one is all of them.

    Examples
    --------
    >>> print(Series("late flight", "United")), print(Series("", "")), print(Series("refund", ""))
    late flight, United
    all texts
    refund
    (None, None, None)
    """

    topic: str
    entity: str

    def __str__(self) -> str:
        return ", ".join(name for name in self if name) or "all texts"


ALL = Series("", "")


def series_of(text: Text) -> Iterator[Series]:
    """Name the series that a text counts in: all, its topics, its entity, and each topic of the entity."""
    yield ALL
    if text.entity:
        yield Series("", text.entity)
    for topic in text.topics:
        yield Series(topic, "")
        if text.entity:
            yield Series(topic, text.entity)


def period_of(seconds: float, length: int) -> int:
    """Give the start of the period of a time, both in seconds since 1970."""
    return int(seconds // length) * length

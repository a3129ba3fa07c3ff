"""Series: how many texts, and negative ones, came in each period about a topic and an entity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from tailrank.tasks.monitor.stream_texts import Text

REASON: Final = "reason:"
"""What the topic of a reason starts with."""


class Series(NamedTuple):
    """A topic, or the reason of complaints, and an entity; an empty one is all of them.

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
    """Name the series that a text counts in: all, its topics and reason, its entity, and each of the entity.

    Examples
    --------
    >>> text = Text("1", "Where is my bag?", 0.0, "United", ("bags",), reason="lost")
    >>> print(*series_of(text), sep="; ")
    all texts; United; bags; bags, United; reason:lost; reason:lost, United
    """
    yield ALL
    if text.entity:
        yield Series("", text.entity)
    for topic in (*text.topics, *([REASON + text.reason] if text.reason else [])):
        yield Series(topic, "")
        if text.entity:
            yield Series(topic, text.entity)


def period_of(seconds: float, length: int) -> int:
    """Give the start of the period of a time, both in seconds since 1970."""
    return int(seconds // length) * length

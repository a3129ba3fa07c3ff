"""A page that explains a ranking: one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jinja2

from tailrank.api import Language
from tailrank.ranking.contrast import Contrast
from tailrank.ranking.counterfactual import Counterfactual
from tailrank.ranking.explanation import LEAST, Explanation
from tailrank.ranking.parts import LIST_MEAN
from tailrank.ranking.phrases import WORDINGS
from tailrank.ranking.ranking import RankedItem, Ranking
from tailrank.ranking.reasons import because, moved, why_above, why_there


class Part(NamedTuple):
    """A part of a score as a bar, whose width is in percent."""

    name: str
    topic: str
    lift: float
    width: float


class EventRow(NamedTuple):
    """What an event gave an item: by all signals, and by each."""

    title: str
    total: float
    shares: Sequence[float]


@dataclass(frozen=True)
class Entry:
    """An item, its explanation and that of the next one, and the events that it owes its rank to."""

    item: RankedItem
    one: Explanation
    following: Explanation | None
    owed: Counterfactual | None
    titles: Mapping[str, str]
    language: Language
    largest: float

    @property
    def title(self) -> str:
        """Of the item."""
        return self.titles.get(self.one.item_id, self.one.item_id)

    @property
    def mean(self) -> float:
        """Of the scores of the list."""
        return self.one.contributions[LIST_MEAN]

    @property
    def moves(self) -> str:
        """Ranks between which steps moved it."""
        return moved(self.one)

    @property
    def sentences(self) -> Iterator[str]:
        """Say why it is where it is."""
        how = self.titles, self.language
        yield because(self.one, *how)
        if self.following is not None and self.one.score >= self.following.score:
            yield why_above(Contrast(self.one, self.following), *how)
        if self.owed is not None:
            yield why_there(self.owed, *how)

    @property
    def parts(self) -> Iterator[Part]:
        """Draw what sets it apart; the largest part of the page has half the width."""
        phrases = WORDINGS[self.language].phrases
        for part in self.one.reasons:
            if abs(part.lift) >= LEAST:
                topic = phrases[part.name].topic if part.name in phrases else ""
                yield Part(part.name, topic, part.lift, 50 * abs(part.lift) / self.largest)

    @property
    def events(self) -> list[EventRow]:
        """Split the parts by event, the latest first."""
        rows = zip(*self.one.by_event.values(), strict=True)
        found = zip(self.one.events, rows, strict=False)
        return [EventRow(self.titles.get(event, event), sum(row), row) for event, row in found][::-1]


def render(
    ranking: Ranking,
    found: Sequence[Explanation],
    titles: Mapping[str, str],
    language: Language = "en",
    owed: Mapping[str, Counterfactual] | None = None,
) -> str:
    """Make the page; the same ranking always gives the same text.

    Parameters
    ----------
    ranking
        What is explained.
    found
        Explanations of its first items, in their order.
    titles
        Of the items and of those of the history, by id.
    language
        Of all words but titles and names of parts.
    owed
        Events that items owe their ranks to, by the item's id.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tailrank", "ranking"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = "{:+.2f}".format
    largest = max((abs(part.lift) for each in found for part in each.reasons), default=0.0) or 1.0
    columns = zip(ranking, found, [*found[1:], None], strict=False)
    return environment.get_template("explanation.html").render(
        language=language,
        labels=WORDINGS[language].labels,
        history=[titles.get(event, event) for event in reversed(found[0].events if found else ())],
        removed=ranking.removed,
        titles=titles,
        entries=[
            Entry(item, one, following, (owed or {}).get(item.item_id), titles, language, largest)
            for item, one, following in columns
        ],
    )

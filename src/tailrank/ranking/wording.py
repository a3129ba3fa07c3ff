"""What a language has to say of explanations: of each part of a score, and what joins them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Phrase(NamedTuple):
    """What is said of a part of a score. `{event}` is the title of the event behind it, in quotes.

    `topic` names what it is about, `much` and `little` compare an item with its list, `more` and `less` with
    one other item.
    """

    topic: str
    much: str
    little: str
    more: str
    less: str


@dataclass(frozen=True)
class Wording:
    """One language.

    Attributes
    ----------
    phrases
        By the name of a contribution.
    speaks_for, speaks_against
        Of a `{topic}`: for a contribution without a phrase, such as a vector space of one's own, that is its
        name.
    unknown
        Of a `{topic}` that the item has no vector for.
    again, first
        For signals of what is chosen again: whether the item itself was chosen before.
    because, above
        Sentences about one item, with `{reasons}`, and about two, with `{item}` and `{other}`, too.
    nothing, alike
        The same if nothing speaks for or against.
    joined, but
        Between two reasons on one side, and before one on the other.
    without
        Of the `{events}` without which `{item}` would not be among the first `{k}`.
    comma, last
        Between events, and before the last of them.
    history
        What an item has in common with, if no single event stands out.
    labels
        Of a page that shows explanations.
    """

    phrases: Mapping[str, Phrase]
    speaks_for: str
    speaks_against: str
    unknown: str
    again: str
    first: str
    because: str
    above: str
    nothing: str
    alike: str
    joined: str
    but: str
    without: str
    comma: str
    last: str
    history: str
    labels: Mapping[str, str]

    def quoted(self, title: str) -> str:
        """Put a title in quotes."""
        return f"“{title}”"

"""Explanations in words and as sums: the same sentence wherever a ranking says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from tailrank.data.columns import Columns
from tailrank.language.text import item_texts
from tailrank.ranking.explanation import Explanation, Reason
from tailrank.ranking.request import LIST_MEAN

LEAST: Final = 0.05
"""Log-odds from which on something sets an item apart."""

NAMED: Final = 2
"""Reasons for an item in a sentence, at most."""

TITLE: Final = 40
"""Characters of a title in a sentence."""

PHRASES: Final[Mapping[str, tuple[str, str]]] = {
    "base": ("items chosen as often do well", "items chosen as often do badly"),
    "semantic": ("it reads like {event}", "it reads less like the history"),
    "lexical": ("it shares words with {event}", "it shares fewer words with the history"),
    "knowledge": ("it has people or things in common with {event}", "it has less in common with the history"),
    "covisitation": ("it is chosen soon after {event}", "it seldom follows such a history"),
    "item-knn": ("users of {event} choose it too", "users with such histories seldom choose it"),
    "popularity": ("it was chosen often lately", "it was chosen seldom lately"),
    "taste": (
        "it is as rare or popular as this user likes",
        "this user likes what is rarer or more popular",
    ),
    "sequence": ("the sequence model expects it next", "the sequence model expects others next"),
    "tail": ("it is rare, and the tail policy lifts it", "it is popular, and the tail policy lifts others"),
    "upstream": ("its recommender scores it high", "its recommender scores it low"),
    "rank kept": ("the model doesn't know it", "the model doesn't know it"),
}
"""What speaks for an item, and what against it, by the name of a contribution."""

REPEATED: Final = {"frequency", "relative-frequency"}


def item_titles(items: pl.DataFrame) -> dict[str, str]:
    """Name items for people: the title, name or text of each, cut at 40 characters; else its id.

    Examples
    --------
    >>> item_titles(pl.DataFrame({"item_id": ["a", "b"], "title": ["Tea", None]}))
    {'a': 'Tea', 'b': 'b'}
    """
    ids = items[Columns.ITEM].to_list()
    column = next((name for name in ("title", "name", "text") if name in items.columns), Columns.ITEM)
    texts = item_texts(items, f"{{{column}}}")
    short = (text if len(text) <= TITLE else f"{text[: TITLE - 1]}…" for text in texts)
    return {item_id: text or item_id for item_id, text in zip(ids, short, strict=True)}


def because(explanation: Explanation, titles: Mapping[str, str]) -> str:
    """Say in a sentence what speaks for an item and, if the list's mean is above it, what speaks against it.

    Parameters
    ----------
    explanation
        Of the item.
    titles
        Of the items of the history, by id; one without a title goes by its id.

    Examples
    --------
    >>> parts = {"list mean": 1.0, "semantic": 0.2, "popularity": -0.5}
    >>> pot = Explanation("pot", 0.7, parts, {"semantic": [0.1, 0.3]}, ("mug", "tea"))
    >>> because(pot, {"tea": "Green tea"})
    'because it reads like “Green tea”, but it was chosen seldom lately'
    """
    best, worst = explanation.reasons[:NAMED], explanation.reasons[-1]
    told = dict.fromkeys(phrase(each, explanation, titles) for each in best if each.lift >= LEAST)
    words = ", and ".join(told)
    if explanation.lift < 0 and worst.lift <= -LEAST:
        words += (", but " if words else "") + phrase(worst, explanation, titles)
    return f"because {words}" if words else "because nothing sets it apart"


def phrase(reason: Reason, explanation: Explanation, titles: Mapping[str, str]) -> str:
    """Put one reason into words."""
    if reason.name in REPEATED:
        return f"it was {'' if explanation.item_id in explanation.events else 'not '}chosen before"
    own = reason.name.removeprefix("upstream ")
    other = f"{own} speaks for it", f"{own} speaks against it"
    words = PHRASES.get(reason.name, other)[reason.lift < 0]
    return words.format(event=f"“{titles.get(reason.event or '', reason.event or 'the history')}”")


def as_sum(explanation: Explanation) -> str:
    """Write a score as the sum that it is; what is too small to print comes together as `rest`.

    Examples
    --------
    >>> as_sum(Explanation("pot", 1.3, {"list mean": 1.0, "semantic": 0.5, "popularity": -0.2}, {}))
    '1.30 = list mean 1.00 + semantic 0.50 - popularity 0.20'
    """
    parts = {each.name: round(each.lift, 2) for each in explanation.reasons if abs(each.lift) >= LEAST}
    mean, score = round(explanation.contributions[LIST_MEAN], 2), round(explanation.score, 2)
    parts["rest"] = round(score - mean - sum(parts.values()), 2)
    shown = sorted((part for part in parts.items() if part[1]), key=lambda part: -abs(part[1]))
    terms = (f"{'+' if value > 0 else '-'} {name} {abs(value):.2f}" for name, value in shown)
    return " ".join([f"{score:.2f} = {LIST_MEAN} {mean:.2f}", *terms])

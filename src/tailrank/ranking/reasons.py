"""Explanations in words and as sums: the same sentence wherever a ranking says why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import polars as pl

from tailrank.api import Language
from tailrank.data.columns import Columns
from tailrank.language.text import item_texts
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.contrast import Contrast
from tailrank.ranking.counterfactual import Counterfactual
from tailrank.ranking.explanation import Explanation, Reason
from tailrank.ranking.parts import LIST_MEAN
from tailrank.ranking.phrases import WORDINGS
from tailrank.ranking.wording import Phrase, Wording

LEAST: Final = 0.05
"""Log-odds from which on something sets an item apart."""

NAMED: Final = 2
"""Reasons for an item in a sentence, at most."""

TITLE: Final = 40
"""Characters of a title in a sentence."""

TITLES: Final = ("title", "name", "text")
"""Columns that name an item; the first that there is does."""

REPEATED: Final = {"frequency", "relative-frequency"}


def item_titles(items: pl.DataFrame, longest: int = TITLE) -> dict[str, str]:
    """Name items for people: the title, name or text of each, cut at so many characters; else its id.

    Examples
    --------
    >>> item_titles(pl.DataFrame({"item_id": ["a", "b"], "title": ["Tea", None]}))
    {'a': 'Tea', 'b': 'b'}
    """
    ids = items[Columns.ITEM].to_list()
    column = next((name for name in TITLES if name in items.columns), Columns.ITEM)
    titles = _cut(item_texts(items, f"{{{column}}}"), longest)
    return {item_id: title or item_id for item_id, title in zip(ids, titles, strict=True)}


def titles_of(catalogue: Catalogue, ids: Iterable[str], longest: int = TITLE) -> dict[str, str]:
    """Name some items of a model as `item_titles` does, those that came since training included."""
    distinct = list(dict.fromkeys(ids))
    columns = catalogue.items.columns
    column = next((name for name in TITLES if name in columns), Columns.ITEM)
    cells = distinct
    if column != Columns.ITEM:
        values = catalogue.attributes.of(column, distinct, catalogue.codes_of(distinct))
        cells = ["" if value is None else str(value) for value in values]

    def write(cells: Sequence[str]) -> list[str]:
        return _cut(item_texts(pl.DataFrame({column: cells}, {column: pl.String}), f"{{{column}}}"), longest)

    titles = catalogue.attributes.written(longest, cells, write)
    return {item_id: title or item_id for item_id, title in zip(distinct, titles, strict=True)}


def _cut(texts: Iterable[str], longest: int) -> list[str]:
    return [text if len(text) <= longest else f"{text[: longest - 1]}…" for text in texts]


def because(explanation: Explanation, titles: Mapping[str, str], language: Language = "en") -> str:
    """Say in a sentence what speaks for an item and, if the list's mean is above it, what speaks against it.

    Parameters
    ----------
    explanation
        Of the item.
    titles
        Of the items of the history, by id; one without a title goes by its id.
    language
        Of the sentence; titles stay as they are.

    Examples
    --------
    >>> parts = {"list mean": 1.0, "semantic": 0.2, "popularity": -0.5}
    >>> pot = Explanation("pot", 0.7, parts, {"semantic": [0.1, 0.3]}, ("mug", "tea"))
    >>> because(pot, {"tea": "Green tea"})
    'because it reads like “Green tea”, but it was chosen seldom lately'
    >>> because(pot, {"tea": "绿茶"}, "zh")
    '因为它的内容与“绿茶”相近，但它近来较少被选择'
    """
    wording, found = WORDINGS[language], explanation.strongest(NAMED)
    against = found[-1:] if explanation.lift < 0 else []
    told = _told(found, against, wording, lambda each: phrase(each, explanation, titles, language))
    return wording.because.format(reasons=told) if told else wording.nothing


def why_above(contrast: Contrast, titles: Mapping[str, str], language: Language = "en") -> str:
    """Say in a sentence why an item is above another, and what speaks for the other most.

    Parameters
    ----------
    contrast
        Of the two.
    titles
        Of both and of the items of the history, by id; one without a title goes by its id.
    language
        Of the sentence.

    Examples
    --------
    >>> pot = Explanation("pot", 1.2, {"list mean": 1.0, "popularity": -0.1, "semantic": 0.3}, {})
    >>> jar = Explanation("jar", 0.8, {"list mean": 1.0, "popularity": 0.2, "semantic": -0.4}, {})
    >>> why_above(Contrast(pot, jar), {"pot": "Tea pot"})
    '“Tea pot” is above “jar” because it reads more like the history, but it was chosen less often lately'
    """
    wording, found = WORDINGS[language], contrast.strongest(NAMED)
    items = [
        wording.quoted(titles.get(each, each)) for each in (contrast.above.item_id, contrast.below.item_id)
    ]
    told = _told(found, found[-1:], wording, lambda each: _compared(each, contrast, titles, wording))
    sentence = wording.above if told else wording.alike
    return sentence.format(item=items[0], other=items[1], reasons=told)


def why_there(found: Counterfactual, titles: Mapping[str, str], language: Language = "en") -> str:
    """Say in a sentence which events an item owes its rank to.

    Parameters
    ----------
    found
        The events without which it would not be at the top.
    titles
        Of the item and of the items of the history, by id; one without a title goes by its id.
    language
        Of the sentence.

    Examples
    --------
    >>> found = Counterfactual("pot", 3, 2, 5, (0, 4), ("tea", "mug"), smallest=True)
    >>> why_there(found, {"tea": "Green tea"})
    'without “Green tea” and “mug”, “pot” would not be among the first 3'
    """
    wording, named = WORDINGS[language], [found.item_id, *dict.fromkeys(found.event_items)]
    item, *events, last = [wording.quoted(titles.get(each, each)) for each in named]
    told = wording.last.join([wording.comma.join(events), last] if events else [last])
    return wording.without.format(events=told, item=item, k=found.k)


def _told(
    reasons: Sequence[Reason], against: Sequence[Reason], wording: Wording, say: Callable[[Reason], str]
) -> str:
    """Join the strongest reasons for an item, and what speaks against it, as far as they count."""
    words = wording.joined.join(dict.fromkeys(say(each) for each in reasons[:NAMED] if each.lift >= LEAST))
    for each in against:
        if each.lift <= -LEAST:
            words += (wording.but if words else "") + say(each)
    return words


def phrase(
    reason: Reason, explanation: Explanation, titles: Mapping[str, str], language: Language = "en"
) -> str:
    """Put one reason into words.

    What is said is true: if a signal counts for an item what it has little of, only the topic is named.
    """
    wording = WORDINGS[language]
    if reason.name in REPEATED:
        return wording.again if explanation.item_id in explanation.events else wording.first
    words = _words(reason.name, wording)
    if reason.name in explanation.lacking:
        return wording.unknown.format(topic=reason.name if words is None else words.topic)
    if words is None or _against_the_grain(reason, explanation.leanings):
        return _topic(reason, words, wording)
    return _filled(words.little if reason.lift < 0 else words.much, reason, titles, wording)


def _compared(reason: Reason, contrast: Contrast, titles: Mapping[str, str], wording: Wording) -> str:
    words = _words(reason.name, wording)
    vague = reason.name in contrast.lacking or _against_the_grain(reason, contrast.leanings)
    if words is None or vague:
        return _topic(reason, words, wording)
    return _filled(words.less if reason.lift < 0 else words.more, reason, titles, wording)


def _words(name: str, wording: Wording) -> Phrase | None:
    """Find the words of a contribution; an objective's are the same for all of its columns."""
    found = wording.phrases.get(name)
    return wording.phrases["objective"] if found is None and name.startswith("objective ") else found


def _against_the_grain(reason: Reason, leanings: Mapping[str, float]) -> bool:
    """Whether a signal counts for an item what it has little of, or against it what it has much of."""
    return leanings.get(reason.name, reason.lift) * reason.lift < 0


def _topic(reason: Reason, words: Phrase | None, wording: Wording) -> str:
    text = wording.speaks_against if reason.lift < 0 else wording.speaks_for
    return text.format(topic=reason.name.removeprefix("upstream ") if words is None else words.topic)


def _filled(words: str, reason: Reason, titles: Mapping[str, str], wording: Wording) -> str:
    event = reason.event
    return words.format(event=wording.history if event is None else wording.quoted(titles.get(event, event)))


def moved(explanation: Explanation) -> str:
    """Write the ranks that steps after the score moved an item between; nothing if none did.

    Examples
    --------
    >>> moved(Explanation("pot", 1.3, {}, {}, moves=(("tail", 5, 5), ("mmr", 5, 2))))
    'mmr: 5 → 2'
    """
    moves = [f"{step}: {old} → {new}" for step, old, new in explanation.moves if old != new]
    return ", ".join(moves)


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

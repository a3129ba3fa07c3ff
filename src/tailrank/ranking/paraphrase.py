"""Whether an English sentence says neither more nor less than another one, as far as words show it.

Sentences are compared clause by clause. A word counts as itself, or as one of a few `SYNONYMS`; words that
say nothing are passed over; any other word is a claim of its own, so it must stand in both. That refuses many
a true paraphrase, and lets through clumsy ones: grammar and style aren't looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

SYNONYMS: Final = {
    word: words.split()[0]
    for words in (
        "chosen choose chooses chose choosing pick picks picked picking select selects selected selecting",
        "users user",
        "often frequently",
        "seldom rarely infrequently",
        "lately recently",
        "soon shortly",
        "reads read reading",
        "like similar similarly alike",
        "words word terms",
        "shares share shared sharing common",
        "more",
        "less fewer",
        "not never don't doesn't wasn't isn't aren't weren't didn't",
        "history past",
        "follows follow followed following after",
        "expects expect expected",
        "lifts lift lifted raises raise raised",
        "rare uncommon",
        "above over",
        "new recent",
        "shown displayed",
        "differs differ different",
        "scores score scored",
        "speaks speak",
        "too also",
        "nearer closer",
        "however but although though yet while despite",
    )
    for word in words.split()
}
"""What a word counts as: the first of those that mean the same in explanations."""

CONTRAST: Final = "however"
ADVERBS: Final = frozenset({"often", "seldom", "lately", "soon", "more", "less", "too"})
EMPTY: Final = frozenset(
    word
    for words in (
        "and a an the is are was were be been being has have had do does did it's its item's their they them",
        "this these that which who whom what there here to of by in on at with from because since",
        "ranked ranks placed",
    )
    for word in words.split()
)
"""Words that claim nothing; `it` is neither: it is looked at like a title."""

ITEM: Final = "it"
_TOKEN: Final = re.compile(r"\[[a-z]\]|\w+(?:'\w+)*")
_STRANGE: Final = re.compile(r"[^\s\w\[\].,;:'\u2019“”\"\u2013—-]")
_PLACEHOLDER: Final = re.compile(r"\[[A-Z]\]")
_BOUNDARY: Final = re.compile(r"[.;:\u2013—]|\b(?:and|but|while|although|though|however|yet|because|since)\b")
_USERS_WHO: Final = re.compile(r"\busers? (?:who|that) (?:have )?(?:chose|choose|chosen|picked|selected)\b")
_THIS_ITEM: Final = re.compile(r"\b(?:this|the) (?:item|one)\b")
_STUTTER: Final = re.compile(r"\b(\w+)\s+\1\b")

Relation: TypeAlias = tuple[str, str]


class Clause(NamedTuple):
    """What a part of a sentence says: its words, and what stands before each title and before `it`."""

    words: tuple[str, ...]
    relations: frozenset[Relation]


def departure(sentence: str, paraphrase: str) -> str | None:
    """Say how a paraphrase departs from a sentence; None if nothing shows that it does.

    Parameters
    ----------
    sentence
        In English, with `[A]`, `[B]`, … in place of titles.
    paraphrase
        What is to say the same.

    Examples
    --------
    >>> told = "because it reads like “[A]”, but it was chosen seldom lately"
    >>> departure(told, "It was rarely picked recently, but it reads similar to “[A]”.")
    >>> departure(told, "It reads like “[A]”, but it was never chosen lately.")
    'it says `not`'
    >>> departure(told, "It reads like “[A]”, but it was chosen 3 times lately.")
    'it says `3`'
    """
    if strange := _STRANGE.search(paraphrase) or _STUTTER.search(paraphrase.lower()):
        return f"it has `{strange.group()}`"
    if Counter(_PLACEHOLDER.findall(sentence)) != Counter(_PLACEHOLDER.findall(paraphrase)):
        return "it doesn't name each title as often"
    if (left := _PLACEHOLDER.sub("", paraphrase)) and ("[" in left or "]" in left):
        return "it has brackets of its own"
    old, new = _words(sentence), _words(paraphrase)
    for word in new:
        if word not in old:
            return f"it says `{word}`"
    for word in old:
        if word not in new:
            return f"it doesn't say `{word}`"
    same = Counter(_clauses(sentence)) == Counter(_clauses(paraphrase))
    return None if same else "it says the same words of other things"


def _words(sentence: str) -> list[str]:
    """List what the words of a sentence count as, in their order."""
    text = _THIS_ITEM.sub(ITEM, _USERS_WHO.sub("users of", sentence.replace("\u2019", "'").lower()))
    return [SYNONYMS.get(token, token) for token in _TOKEN.findall(text) if token not in EMPTY]


def _clauses(sentence: str) -> Iterator[Clause]:
    """Split a sentence where one claim ends, and say what each claims."""
    for part in _BOUNDARY.split(sentence.lower()):
        words = [word for word in _words(part) if word != CONTRAST]
        relations, before = set[Relation](), ""
        for word in words:
            if word == ITEM:
                relations.add((before, word))
            elif word[0] == "[":
                relations.add((before, word))
                before = ""
            elif word not in ADVERBS:
                before = word
        relations -= {("", ITEM), ("chosen", ITEM)}  # it is chosen, users choose it: the same
        if said := tuple(sorted(word for word in words if word != ITEM)):
            yield Clause(said, frozenset(relations))

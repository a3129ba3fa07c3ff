"""The patterns by which a turn names ranks, and compares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tailrank.conversation.lists import listed_words
from tailrank.conversation.numbers import MONEY

ORDINALS: Final = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
)
CARDINALS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
THINGS: Final = r"one|item|result|option|choice|product|entry|article|car|film|movie|book|song|game"
TIMES: Final = rf"world|time|half|day|place|step|date|{'|'.join(CARDINALS[1:])}|[2-9]"
"""Words after an ordinal that is no rank."""

RANKED: Final = re.compile(
    rf"\b(?:(?P<the>the\s+)?(?P<ordinal>{'|'.join(ORDINALS)}|last|\d{{1,2}}(?:st|nd|rd|th))"
    rf"(?P<one>\s+(?:{THINGS})\b)?(?!\s+(?:{TIMES})\b)"
    rf"|(?:the )?(?:number|no\.|nr\.?)\s*(?P<number>\d{{1,3}}|{'|'.join(CARDINALS)}))\b"
    rf"|#\s?(?P<hash>\d{{1,3}})\b(?:\s+(?:{THINGS})\b)?",
    re.I,
)

NOT_AS: Final = r"(?:no|isn'|aren')t (?:quite )?(?:as|so|that)"

COMPARED: Final[Mapping[str, tuple[str, str]]] = {
    "price": (
        "cheaper|lower[- ]priced|less (?:expensive|pricey|costly|dear|money)|more (?:affordable|economical)"
        f"|{NOT_AS} (?:expensive|pricey|costly|dear)",
        "pricier|dearer|costlier|higher[- ]priced|more (?:expensive|costly|pricey)",
    ),
    "year": (
        f"older|earlier|less (?:recent|modern)|{NOT_AS} (?:new|recent|modern)",
        f"newer|later|more (?:recent|modern|current|up[- ]to[- ]date)|{NOT_AS} old",
    ),
    "length": (
        f"shorter|less long|{NOT_AS} long",
        f"longer|{NOT_AS} short",
    ),
}
"""Words for less and for more of what a column is about."""

THAN: Final = r"(?:\s+(?:than|as)\s+(?P<than>\{\d+\}))?"
LESS, MORE = r"less|fewer|lower|smaller|reduced", r"more|higher|greater|bigger|larger|better|additional"
CUES: Final = frozenset(
    {"like", "to", "than", "as", "not", "liked", "loved", "enjoyed", "watched", "seen", "saw"}
)
"""Words before a title, which then may be written small."""

FUNCTION_WORDS: Final = listed_words("function")
"""Words that are neither a title nor a value by themselves."""

DETERMINERS: Final = (
    r"that|this|the same|same|the|a different|different|another|some other|other|its|their|my|any"
)

UNIT: Final = re.compile(rf"\s*(?:{MONEY})\b", re.I)
SPENDING: Final = re.compile(r"\b(?:budget|spend|pay|afford|cost)\b", re.I)
"""Words of which a number is one of money."""


def rank_of(match: re.Match[str], n_shown: int) -> int:
    """Read a rank, from 1."""
    word = (match["ordinal"] or match["number"] or match["hash"]).lower()
    if word == "last":
        return n_shown
    for words in (ORDINALS, CARDINALS):
        if word in words:
            return words.index(word) + 1
    return int(re.sub(r"\D", "", word))

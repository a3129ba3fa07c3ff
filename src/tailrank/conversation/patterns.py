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
    rf"|(?:the )?(?:numbers?|no\.|nr\.?)\s*(?P<number>\d{{1,3}}|{'|'.join(CARDINALS)}))\b"
    rf"|#\s?(?P<hash>\d{{1,3}})\b(?:\s+(?:{THINGS})\b)?"
    r"|\b(?P<bare>\d{1,3})(?=\s*(?:$|[,;.!?&]|(?:and|or|only|please)\b))",
    re.I,
)

JOINED: Final = re.compile(r"\s*(?:,(?:\s*(?:and|or))?|&|and|n?or)\s*", re.I)
"""What stands between ranks of which only the first says that it is one."""

NOT_AS: Final = r"(?:nothing|(?:no|isn'|aren')t(?: quite)?) (?:as|so|that|too)"

COMPARED: Final[Mapping[str, tuple[str, str]]] = {
    "price": (
        r"cheaper|cheapest|(?<!too )(?<!how )cheap|inexpensive|affordable"
        "|(?:low(?:er|est)?|better|best)[- ]price[sd]?"
        "|(?:less|least) (?:expensive|pricey|costly|dear|money)|more economical"
        f"|(?:{NOT_AS}|too) (?:expensive|pricey|costly|dear)",
        "pricier|priciest|dearer|dearest|costlier|costliest|high(?:er|est)?[- ]price[sd]?"
        f"|(?:more|most) (?:expensive|costly|pricey)|(?:{NOT_AS}|too) cheap",
    ),
    "year": (
        "older|oldest|earlier|(?<!at the )earliest|(?:less|least) (?:recent|modern)"
        f"|{NOT_AS} (?:new|recent|modern)",
        "newer|newest|later|(?<!at the )latest|(?:more|most) (?:recent|modern|current|up[- ]to[- ]date)"
        f"|{NOT_AS} old",
    ),
    "length": (
        f"shorter|shortest|less long|{NOT_AS} long",
        f"longer|longest|{NOT_AS} short",
    ),
}
"""Words for less and for more of what a column is about; the least is less than others, too."""

THAN: Final = r"(?:\s+(?:than|as)\s+(?P<than>\{\d+\}))?"
LESS: Final = "less|least|fewer|fewest|lower|lowest|smaller|smallest|reduced"
MORE: Final = "more|most|higher|highest|greater|greatest|bigger|biggest|larger|largest|better|best|additional"
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
SPENDING: Final = re.compile(r"\b(?:budget|spend|pay|afford|cost|money|limit)(?:ing)?\b", re.I)
"""Words of which a number is one of money."""

FREE: Final = re.compile(
    r"(?P<before>^|\b(?:an?|any|anything|for|just|me|no|not|only|some|something|the|there|want)\s+)"
    r"(?P<free>free(?: ones?| of charge)?)(?=\s*(?:$|[,;.!?]|(?:and|but|or|please)\b))",
    re.I,
)
"""What costs nothing; `sugar free` and `free delivery` are something else."""


def names_a_rank(match: re.Match[str], before: re.Match[str] | None) -> bool:
    """Whether an ordinal, or a number, says that it is a rank, or is joined to one before that does."""
    if match["the"] or match["one"] or match["number"] or match["hash"]:
        return True
    if before is None or not JOINED.fullmatch(match.string, before.end(), match.start()):
        return False
    return bool(match["ordinal"]) == bool(before["ordinal"])


def rank_of(match: re.Match[str], n_shown: int) -> int:
    """Read a rank, from 1."""
    word = (match["ordinal"] or match["number"] or match["hash"] or match["bare"]).lower()
    if word == "last":
        return n_shown
    for words in (ORDINALS, CARDINALS):
        if word in words:
            return words.index(word) + 1
    return int(re.sub(r"\D", "", word))

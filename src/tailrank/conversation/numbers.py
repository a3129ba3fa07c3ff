"""Numbers in what users say: amounts, years and decades, and on which side of them items should be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

MONEY: Final = r"dollars?|euros?|pounds?|bucks|usd|eur|gbp"
MULTIPLES: Final = {"k": 1e3, "grand": 1e3, "thousand": 1e3, "million": 1e6}
TENS: Final = {
    name: 10 * at
    for at, name in enumerate(
        ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"), 2
    )
}
SINCE: Final = 20
"""Decades of two digits from this one on are of the last century."""

YEARS: Final = range(1850, 2100)
"""Numbers that may be years."""

AROUND: Final = 0.1
"""Share by which what is around a number may miss it."""

SIDES: Final[Mapping[str, str]] = {
    "nothing (?:over|above|after|past|beyond|newer than|later than|more than)": "most",
    "no(?:t|ne)? (?:over|above|after|beyond|newer than|later than|more than|higher than)": "most",
    "no later than|at (?:the )?most|up to|max(?:imum)?(?: of)?|within|until": "most",
    "nothing (?:under|below|before|older than|earlier than|less than)": "least",
    "no(?:t|ne)? (?:under|below|before|older than|earlier than|less than|lower than|fewer than)": "least",
    "at (?:the )?least|no earlier than|since|min(?:imum)?(?: of)?|starting (?:at|from|with)": "least",
    "under|below|less than|fewer than|lower than|cheaper than|before|earlier than|older than": "below",
    "over|above|more than|higher than|after|later than|newer than|beyond": "above",
    "around|about|roughly|approximately|circa|some": "around",
    "(?:made |released |published )?(?:in|from|of)(?: the(?: years?)?)?": "exact",
}
"""How words before a number bound what is meant."""

AFTER: Final[Mapping[str, str]] = {
    "or (?:more|newer|later|higher|above|over|up)|and (?:more|up|later|newer|above)|onwards?|on": "least",
    "or (?:less|fewer|older|earlier|lower|cheaper|below|under)|and (?:less|below|under)|tops|max": "most",
}
"""How words behind it do."""

NUMBER: Final = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
AMOUNT: Final = (
    rf"(?P<money>[$€£])?\s?(?P<number>{NUMBER})\s?(?P<multiple>k|grand|thousand|million)?(?![\w'])"
)
DECADE: Final = rf"(?P<century>18|19|20)?(?P<ten>\d)0'?s\b|(?:nineteen[ -])?(?P<tens>{'|'.join(TENS)})\b"
SIDE: Final = "|".join(f"(?P<s{at}>{words})" for at, words in enumerate(SIDES))
END: Final = "|".join(f"(?P<e{at}>{words})" for at, words in enumerate(AFTER))

BETWEEN: Final = re.compile(
    rf"\b(?:between|from)\s+[$€£]?\s?(?P<low>{NUMBER})\s?(?P<one>k|grand|thousand)?\s*(?:and|to|-|\u2013)\s*"
    rf"(?P<money>[$€£])?\s?(?P<high>{NUMBER})\s?(?P<multiple>k|grand|thousand)?(?![\w'])",
    re.I,
)
DECADES: Final = re.compile(rf"\b(?:(?:{SIDE})\s+)?(?:the\s+)?(?:{DECADE})", re.I)
SINGLE: Final = re.compile(rf"(?:\b(?:{SIDE})\s+)?(?<![\w.,]){AMOUNT}", re.I)
BEHIND: Final = re.compile(rf"\s+(?:{END})\b", re.I)


class Quantity(NamedTuple):
    """A number of a text, or two.

    Attributes
    ----------
    start, end
        Where it stands, with the words before it that bound what is meant.
    limits
        `above`, `least`, `below` and `most` of those that there are.
    bounded
        Whether words say on which side.
    is_money, is_year
        What it looks like; either may be false.
    """

    start: int
    end: int
    limits: dict[str, float]
    bounded: bool
    is_money: bool
    is_year: bool


def quantities(text: str) -> Iterator[Quantity]:
    """Find the numbers of a text, from left to right.

    Examples
    --------
    >>> [found.limits for found in quantities("under $15,000, from the 80s")]
    [{'below': 15000.0}, {'least': 1980.0, 'most': 1989.0}]
    >>> [found.limits for found in quantities("not older than 1988 or between 3 and 5")]
    [{'least': 1988.0}, {'least': 3.0, 'most': 5.0}]
    """
    at = 0
    while found := _next(text, at):
        yield found
        at = found.end


def _next(text: str, at: int) -> Quantity | None:
    matches = [(pattern.search(text, at), read) for pattern, read in _FORMS]
    there = [(match, read) for match, read in matches if match is not None]
    if not there:
        return None
    match, read = min(there, key=lambda each: (_digits_at(each[0]), -each[0].end()))
    return read(match, text)


def _digits_at(match: re.Match[str]) -> int:
    """Say where the number itself begins."""
    return min(match.start(name) for name, value in match.groupdict().items() if value and name in _STARTS)


def _between(match: re.Match[str], text: str) -> Quantity:
    multiple = MULTIPLES.get((match["multiple"] or "").lower(), 1)
    low = _value(match["low"]) * MULTIPLES.get((match["one"] or "").lower(), multiple)
    high = _value(match["high"]) * multiple
    is_year = not match["money"] and multiple == 1 and low in YEARS and high in YEARS
    limits = {"least": min(low, high), "most": max(low, high)}
    return Quantity(match.start(), match.end(), limits, True, bool(match["money"]) or multiple > 1, is_year)


def _decade(match: re.Match[str], text: str) -> Quantity:
    ten = TENS[match["tens"].lower()] if match["tens"] else 10 * int(match["ten"])
    century = int(match["century"]) * 100 if match["century"] else 1900 if ten >= SINCE else 2000
    first, side = float(century + ten), _side(match, "exact")
    limits = {
        "most": {"most": first + 9},
        "below": {"below": first},
        "least": {"least": first},
        "above": {"above": first + 9},
    }.get(side, {"least": first, "most": first + 9})
    return Quantity(match.start(), match.end(), limits, True, False, True)


def _single(match: re.Match[str], text: str) -> Quantity:
    multiple = MULTIPLES.get((match["multiple"] or "").lower(), 1)
    number, side, end = _value(match["number"]) * multiple, _side(match, ""), match.end()
    is_money = bool(match["money"]) or multiple > 1
    behind = BEHIND.match(text, end)
    if behind is not None and side in ("", "exact"):
        side = next(kind for at, kind in enumerate(AFTER.values()) if behind[f"e{at}"])
        end = behind.end()
    is_year = not is_money and "," not in match["number"] and number in YEARS
    if side == "around":
        limits = {"least": number * (1 - AROUND), "most": number * (1 + AROUND)}
    elif side in ("", "exact"):
        limits = {"least": number, "most": number}
    else:
        limits = {side: number}
    return Quantity(match.start(), end, limits, side not in ("", "exact"), is_money, is_year)


def _side(match: re.Match[str], otherwise: str) -> str:
    sides = (kind for at, kind in enumerate(SIDES.values()) if match[f"s{at}"])
    return next(sides, otherwise)


def _value(number: str) -> float:
    return float(number.replace(",", ""))


_STARTS: Final = frozenset({"low", "number", "century", "ten", "tens"})
_FORMS: Final = ((BETWEEN, _between), (DECADES, _decade), (SINGLE, _single))

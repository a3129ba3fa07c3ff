"""Parts of a turn that each ask for one thing."""

from __future__ import annotations

import re
from typing import Final

from tailrank.conversation.lists import listed_words

SLOT: Final = re.compile(r"\{(\d+)\}")

STOPS: Final = re.compile(r"[,;.!?:]+(?=\s|$)|\s+-+\s+|\b(?:but|however|though|and then|also|plus)\b", re.I)
"""What ends a part."""

OPENINGS: Final = re.compile(
    r"(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bdo )(?=\b(?:no|not|nothing|without|except|excluding|never|don't"
    r"|about|for|with|who|set in|where|that has|to)\b)",
    re.I,
)
"""What begins another part if something was named before."""

LISTED: Final = re.compile(r"(?<=\}),\s*(?:and |or )?(?=\{\d+\}\s*(?:$|[,;.!?]|and\b|or\b))")
"""A comma in a list, all of which is wanted, or isn't."""

NEGATED_BUT: Final = re.compile(r"\b(any|every|all|some)(thing|one|body)? but\b", re.I)
"""A `but` that stands for `except`."""

NOTHING_BUT: Final = re.compile(r"\bnothing (?:but|except|other than|else (?:but|than))\b", re.I)
"""What stands for `only`."""

FILLERS: Final = listed_words("filler")
"""Words that ask for nothing."""


def clauses(masked: str) -> list[str]:
    """Split a turn in which `{0}`, `{1}` … stand for what it names.

    Examples
    --------
    >>> clauses("like {0} but {1}, no {2}")
    ['like {0}', '{1}', 'no {2}']
    >>> clauses("anything but {0}"), clauses("a {0} about a wedding")
    (['anything except {0}'], ['a {0}', 'about a wedding'])
    >>> clauses("nothing else than {0}")
    ['only {0}']
    >>> clauses("no {0}, {1}, or {2}")
    ['no {0} and {1} and {2}']
    """
    masked = NEGATED_BUT.sub(lambda match: f"{match[1]}{match[2] or ''} except", masked)
    masked = NOTHING_BUT.sub("only", masked)
    masked = LISTED.sub(" and ", masked)
    found = list[str]()
    for part in STOPS.split(masked):
        pieces = [""]
        for piece in OPENINGS.split(part):
            if SLOT.search(pieces[-1]) and piece.strip():
                pieces.append(piece)
            else:
                pieces[-1] += piece
        found += [piece.strip() for piece in pieces]
    return [part for part in found if set(part.lower().split()) - FILLERS]


def slots_of(clause: str) -> list[int]:
    """List the positions of the slots that a part names.

    Examples
    --------
    >>> slots_of("{3} and {0}")
    [3, 0]
    """
    return [int(match[1]) for match in SLOT.finditer(clause)]

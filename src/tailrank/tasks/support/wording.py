"""What a desk says, and what it reads a short question as."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tailrank.errors import RequestError
from tailrank.signals.vocabulary import terms_of

SHORT: Final = 5
"""Words up to which a question may be a follow-up."""


def filled(text: str, slots: Sequence[str], facts: Mapping[str, str], intent: str) -> str:
    """Put facts in place of the slots of an answer; other braces stay as they are.

    Raises
    ------
    RequestError
        Naming the fact that is missing.

    Examples
    --------
    >>> filled("Order {order} is {on its way}.", ["order"], {"order": "A-17"}, "where")
    'Order A-17 is {on its way}.'
    >>> filled("Order {order} is on its way.", ["order"], {}, "where")
    Traceback (most recent call last):
    tailrank.errors.RequestError: the answer of 'where' needs the fact `order`: give it
    """

    def fact(slot: re.Match[str]) -> str:
        if slot[1] not in facts:
            raise RequestError(f"the answer of {intent!r} needs the fact `{slot[1]}`: give it")
        return facts[slot[1]]

    return re.sub(r"\{(" + "|".join(map(re.escape, slots)) + r")\}", fact, text) if slots else text


def with_turns(question: str, turns: Sequence[str]) -> str:
    """Put the question before a short one before it, so that it can be understood; others stay as they are.

    Parameters
    ----------
    question
        The latest; it is short if it has at most `SHORT` words, in Chinese as many letters and pairs.
    turns
        What was asked before, oldest first; earlier short ones lean on what was before them.

    Examples
    --------
    >>> with_turns("and in Gmail?", ["How do I strike text through in Docs?"])
    'How do I strike text through in Docs? and in Gmail?'
    >>> with_turns("How long does the delivery to Norway take?", ["Where is my order?"])
    'How long does the delivery to Norway take?'
    """
    found = question
    for turn in reversed(turns):
        if not _is_short(found):
            break
        found = f"{turn} {found}"
    return found


def _is_short(question: str) -> bool:
    return len(terms_of([question])[0]) <= SHORT

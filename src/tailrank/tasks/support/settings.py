"""`DeskSettings`: what a support desk promises, and what it says."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from tailrank.tasks.support.guarantee import Share

Slot = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]


class DeskSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of a desk.

    Attributes
    ----------
    wrong, confidence
        The promise, as in `Guarantee`.
    held_out
        Share of rephrasings that the promise is tested on, if no asked questions are given.
    unanswered
        Share of questions to expect that no entry answers, if no asked questions are given.
    tie
        The best two entries tie if the second's chance is at least this share of the first's.
    ask_from
        Chance of the best two together from which on it is worth asking which is meant.
    lift
        Log-odds that recent behaviour adds to an entry of the same meaning as what was looked at last; half
        of that for what was looked at before, and so on.
    slots
        Names in braces that answers have a fact in place of, such as `order` for `{order}`.
    clarify, hand_over
        What is said when two entries tie, with `{first}` and `{second}` for their questions, and when nothing
        is answered.
    seed
        Of what is set aside.
    """

    wrong: Share = 0.05
    confidence: Share = 0.9
    held_out: Share = 0.3
    unanswered: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    tie: Share = 0.5
    ask_from: Share = 0.5
    lift: Annotated[float, Meta(ge=0, le=100)] = 3.0
    slots: tuple[Slot, ...] = ()
    clarify: str = "Do you mean “{first}” or “{second}”?"
    hand_over: str = "I'm not sure, so I pass your question on to a colleague."
    seed: int = 0

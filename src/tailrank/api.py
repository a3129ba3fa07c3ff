"""The wire shapes of rankings over HTTP, and what all shapes are made of, for server and clients."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError, convert

from tailrank.bounds import MAX_ID_BYTES, MAX_TEXT

MAX_CANDIDATES: Final = 2_000
MAX_EVENTS: Final = 1_000
MAX_STEPS: Final = 20
MAX_CONTEXT: Final = 50
MAX_EXPLAINED: Final = 20
MAX_WITHOUT: Final = 50
MAX_TEXTS: Final = 10

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES)]
Seconds: TypeAlias = Annotated[
    float, Meta(description="seconds since 1970, at most a day ahead of now; requests may have ISO 8601 text")
]
Language: TypeAlias = Literal["en", "zh"]
DegradedReason: TypeAlias = Literal["deadline", "state", "error"]
Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = Scalar | list[Scalar]
"""Of a column of an item."""


class Candidate(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """An item to rank, and the score that the recommender which found it gave it.

    If only some candidates of a request have a score, the others count as the mean of these.
    """

    id: Id
    score: float | None = None


class HistoryEvent(Struct, gc=False, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An element of a history, whose user is known: of the request, or stored.

    In a request it may have a `text` instead of an `item_id`: words of the user, which the signals read that
    read text. They were said when the event before happened.
    """

    item_id: Id = ""
    event: str | None = None
    timestamp: Seconds | None = None
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)] = ""

    def __post_init__(self) -> None:
        if self.text:
            _check_text(self)
        elif not self.item_id:
            raise ValueError("an element of a history needs an `item_id`, or a `text`")


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """What the business wants after the score."""

    tail: Annotated[float, Meta(ge=0, le=1, description="strength of the long-tail policy")] | None = None


Step: TypeAlias = dict[str, Any]
"""A step after the score: its `name`, and its settings by theirs."""

Context: TypeAlias = dict[Annotated[str, Meta(min_length=1, max_length=100)], Scalar]
"""What is known of the request itself, such as the market and the device, by names of one's own."""


Shown: TypeAlias = dict[Id, Annotated[list[float], Meta(max_length=100)]]
"""When items were shown, in seconds since 1970, by their ids."""


class RankRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Candidates to re-order for one user.

    `user`, or `session` if there is none, names a stored history. `history`, oldest first, follows what
    is stored. A candidate that is repeated is ranked once, and its first position counts. `policy` takes the
    place of the model's own: steps in their order, or the strength of the long-tail policy alone. Rules may
    go by `context`. `explain` may name a language, of the sentences that then say why. `ranking_id` is the
    caller's own id of this list, another one for each; without it, one is made up. `shown` says when the user
    was shown items lately, in seconds since 1970, in place of what the server remembers of that.
    `counterfactual` is a candidate, and asks which past events it owes to that it is among the first `k`.
    `without` names signals whose parts are left out of the scores. `model` is what the server calls a model
    beside the one that serves: that ranks then, and the list is neither logged nor learned from.
    """

    candidates: Annotated[list[Id | Candidate], Meta(max_length=MAX_CANDIDATES)]
    user: Id | None = None
    session: Id | None = None
    history: Annotated[list[Id | HistoryEvent], Meta(max_length=MAX_EVENTS)] = []
    k: Annotated[int, Meta(ge=1)] | None = None
    policy: Policy | Annotated[list[Step], Meta(max_length=MAX_STEPS)] | None = None
    explain: bool | Language = False
    deadline_ms: Annotated[float, Meta(gt=0)] | None = None
    context: Annotated[Context, Meta(max_length=MAX_CONTEXT)] = {}
    ranking_id: Id | None = None
    shown: Annotated[Shown, Meta(max_length=MAX_CANDIDATES)] | None = None
    counterfactual: Id | None = None
    without: Annotated[list[str], Meta(max_length=MAX_WITHOUT)] = []
    model: str | None = None

    def __post_init__(self) -> None:
        check_bytes("user session ranking_id", self.user or "", self.session or "", self.ranking_id or "")
        if self.counterfactual is not None:
            if self.k is None or self.deadline_ms is not None:
                raise ValueError("counterfactual takes many rankings: give `k`, and no `deadline_ms`")
            if self.counterfactual not in {
                each if isinstance(each, str) else each.id for each in self.candidates
            }:
                raise ValueError("counterfactual is none of the candidates")


class Move(Struct, gc=False, frozen=True):
    """What a step after the score did to an item: its rank before and after, from 1."""

    step: str
    before: int
    after: int


class Explanation(Struct, frozen=True):
    """Why an item is where it is.

    `because` says what sets it apart from the list, `above` why it is above the next item; the last one lacks
    it. `by_event` splits contributions of signals by the events that the ranking's `events` lists. `moves`
    are those of the steps after the score, in their order.
    """

    because: str
    by_event: dict[str, list[float]]
    moves: list[Move]
    above: str | UnsetType = UNSET


class Counterfactual(Struct, frozen=True):
    """The fewest past events without which an item would not be among the first `k`, oldest first.

    `rank_without` is its rank then, null if a policy would take it from the list. `smallest` says whether
    every smaller set was tried. `why` says it in a sentence if the request named a language.
    """

    item_id: str
    k: int
    rank: int
    rank_without: int | None
    events: list[HistoryEvent]
    smallest: bool
    why: str | UnsetType = UNSET


class RankedItem(Struct, gc=False, frozen=True):
    """An item of a ranking; ranks count from 1.

    `unknown` marks an item that the model doesn't know: its upstream score decides its rank or, if there is
    none, it keeps its previous one. `contributions` add up to the score: `list mean`, the mean score of the
    candidates, and how much more of each part the item has than they have on average. The first 20 items have
    an `explanation` if the request named a language.
    """

    id: str
    score: float
    rank: int
    previous_rank: int
    unknown: bool | UnsetType = UNSET
    contributions: dict[str, float] | UnsetType = UNSET
    explanation: Explanation | UnsetType = UNSET


class Ranking(Struct, frozen=True):
    """A ranking that was returned. If it is `degraded`, it is the upstream order, and `reason` says why.

    `unknown_history` lists the items of the history that the model doesn't know, `history_length` counts the
    events that the ranking was made from. `unknown_user` marks a user or session of whom nothing is stored.
    If there is a `challenger`, both models took turns in choosing the items; scores are those of `model`.
    `removed` says which candidates a policy took from the list, and why. `policies` is the version of the
    file whose policies came after those of the model or of the request. `events` are the items of the events
    that the signals saw, oldest first, if the request named a language. `counterfactual` is there if it was
    asked for, and null if the item isn't among the first `k`, or stays there without any few events.
    """

    ranking_id: str
    model: str
    took_ms: float
    degraded: bool
    items: list[RankedItem]
    reason: DegradedReason | UnsetType = UNSET
    unknown_history: list[str] | UnsetType = UNSET
    history_length: int = 0
    unknown_user: bool | UnsetType = UNSET
    challenger: str | UnsetType = UNSET
    removed: dict[str, str] | UnsetType = UNSET
    policies: str | UnsetType = UNSET
    events: list[str] | UnsetType = UNSET
    counterfactual: Counterfactual | UnsetType | None = UNSET


class ErrorResponse(Struct, frozen=True):
    """Why a request was refused."""

    error: str


def _check_text(said: HistoryEvent) -> None:
    """Refuse a text that is an item, too, or that nothing can be read in; raises ValueError."""
    if said.item_id or said.event is not None or said.timestamp is not None:
        raise ValueError("a `text` of a history stands alone: leave out `item_id`, `event` and `timestamp`")
    if not said.text.strip():
        raise ValueError("a `text` of a history must say something")
    said.text.encode()  # half a surrogate pair can't be encoded


def check_id(name: str) -> None:
    """Check an id that wasn't decoded from a body.

    Raises
    ------
    ValidationError
        If it is empty or too long.
    """
    convert(name, Id)
    try:
        check_bytes("id", name)
    except ValueError as why:
        raise ValidationError(str(why)) from None


def check_bytes(fields: str, *ids: str) -> None:
    """Refuse what no state can store: more than `MAX_ID_BYTES` of UTF-8, and halves of surrogate pairs.

    `fields` names each id, for the message. It raises ValueError, which msgspec turns into a ValidationError.
    """
    for at, name in enumerate(ids):
        if not name.isascii() and len(name.encode()) > MAX_ID_BYTES:
            raise ValueError(
                f"{fields.split()[at]} is longer than {MAX_ID_BYTES} bytes of UTF-8: {name[:20]}…"
            )

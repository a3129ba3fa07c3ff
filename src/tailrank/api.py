"""What goes over the wire: requests and answers of the native API."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError, convert

from tailrank.data.columns import Columns

MOST_CANDIDATES: Final = 2_000
MOST_EVENTS: Final = 1_000
MOST_ITEMS: Final = 1_000
MOST_DOCUMENTS: Final = 1_000

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=400)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=4_102_444_800, description="seconds since 1970")]
Reason: TypeAlias = Literal["deadline", "state", "error"]
Value: TypeAlias = str | int | float | bool | list[str] | None
"""Of an item's column."""


class Candidate(Struct, gc=False, frozen=True):
    """An item to rank, and what the recommender that found it gave it.

    Where a list has both kinds, candidates without a score count as the mean of the others.
    """

    id: Id
    score: float | None = None


class HistoryEvent(Struct, gc=False, frozen=True, omit_defaults=True):
    """An event of a history that comes with the request."""

    item_id: Id
    event: str | None = None
    timestamp: Seconds | None = None


class Policy(Struct, frozen=True):
    """What the business wants after the score."""

    tail: Annotated[float, Meta(ge=0, le=1, description="dial of the long tail")] | None = None


class RankRequest(Struct, frozen=True):
    """Candidates to re-order for one person.

    A person is known by `user`, or `session` where nobody is signed in: both name a stored history.
    `history`, oldest first, follows what is stored. A candidate that comes again is ranked once, by its
    first place.
    """

    candidates: Annotated[list[Id | Candidate], Meta(max_length=MOST_CANDIDATES)]
    user: Id | None = None
    session: Id | None = None
    history: Annotated[list[Id | HistoryEvent], Meta(max_length=1_000)] = []
    k: Annotated[int, Meta(ge=1)] | None = None
    policy: Policy | None = None
    explain: bool = False
    deadline_ms: Annotated[float, Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        _check_bytes(self.user or self.session or "")


class RankedItem(Struct, gc=False, frozen=True):
    """One place of a ranking; ranks count from 1.

    `unknown` marks an item that the model doesn't know: it is placed by its upstream score or, where there
    is none, where it stood. `contributions` add up to the score.
    """

    id: str
    score: float
    rank: int
    previous_rank: int
    unknown: bool | UnsetType = UNSET
    contributions: dict[str, float] | UnsetType = UNSET


class Ranking(Struct, frozen=True):
    """A ranking that was returned.

    If `degraded`, it is the upstream order, and `reason` says why. `unknown_history` lists items of
    the history that the model doesn't know.
    """

    ranking_id: str
    model: str
    took_ms: float
    degraded: bool
    items: list[RankedItem]
    reason: Reason | UnsetType = UNSET
    unknown_history: list[str] | UnsetType = UNSET


class EventIn(Struct, gc=False, frozen=True):
    """One behaviour. The same `event_id` again counts once. `value` is checked, but nothing ranks by it."""

    event_id: Id
    user_id: Id
    item_id: Id
    event: Annotated[str, Meta(min_length=1, max_length=100)]
    timestamp: Seconds
    value: float | None = None

    def __post_init__(self) -> None:
        _check_bytes(self.event_id, self.user_id, self.item_id, self.event)


Events: TypeAlias = EventIn | Annotated[list[EventIn], Meta(max_length=MOST_EVENTS)]
Item: TypeAlias = dict[str, Value]
"""The columns of one item, `item_id` among them, as in a data folder."""
Items: TypeAlias = Item | Annotated[list[Item], Meta(max_length=MOST_ITEMS)]


class EventsKept(Struct, frozen=True):
    """Events that are durable now: how many came, and how many of them were new."""

    accepted: int
    new: int


class ItemsKept(Struct, frozen=True):
    """Items that are put or deleted now, and how many such changes there were in all."""

    accepted: int
    version: int


class UserHistory(Struct, frozen=True):
    """What is stored of a person, oldest first."""

    user_id: str
    events: list[HistoryEvent]


class Erased(Struct, frozen=True):
    """Whether anything was known of a person that is forgotten now."""

    erased: bool


Document: TypeAlias = dict[str, Value]
"""A text to rank, in the field `text` or those that the request names; the others come back with it."""


class RerankRequest(Struct, frozen=True):
    """Texts to order by a query, or by what a person just took, or both; the shape of Cohere and Jina.

    `rank_fields` names the fields of a document that are read, one after the other; `text` by default.
    """

    documents: Annotated[list[str | Document], Meta(max_length=MOST_DOCUMENTS)]
    model: str | None = None
    query: str | None = None
    user: Id | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None
    rank_fields: list[str] | None = None

    def __post_init__(self) -> None:
        _check_bytes(self.user or "")


class Relevance(Struct, frozen=True):
    """How well a document, by its position, fits: 0 to 1."""

    index: int
    relevance_score: float
    document: Document | UnsetType = UNSET


class Reranked(Struct, frozen=True):
    """Documents, the best first."""

    id: str
    model: str
    results: list[Relevance]
    meta: dict[str, Any]


class Problem(Struct, frozen=True):
    """Why a request was refused."""

    error: str


def check_id(name: str) -> None:
    """Hold an id that didn't come in a request's body to the same bounds.

    Raises
    ------
    ValidationError
        Where it is empty or too long.
    """
    convert(name, Id)
    try:
        _check_bytes(name)
    except ValueError as why:
        raise ValidationError(str(why)) from None


def check_item(item: Item, at: int) -> None:
    """Hold an item to having an id.

    Raises
    ------
    ValidationError
        Where it has none; `at` is the item's place in the request.
    """
    name = item.get(Columns.ITEM)
    if not isinstance(name, str):
        raise ValidationError(f"item {at}: `{Columns.ITEM}` is missing, or no string")
    check_id(name)


def _check_bytes(*ids: str) -> None:
    """Refuse what no state can keep: more than 400 bytes of UTF-8, and halves of surrogate pairs.

    Raises
    ------
    ValueError
        Which msgspec tells as a mistake of the request.
    """
    for name in ids:
        if not name.isascii() and len(name.encode()) > 400:
            raise ValueError(f"an id is longer than 400 bytes of UTF-8: {name[:20]}…")

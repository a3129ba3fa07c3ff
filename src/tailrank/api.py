"""The wire shapes of the native HTTP API: bodies of requests and responses, for server and clients."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError, convert

from tailrank.bounds import MAX_ID_BYTES, check_time

MAX_CANDIDATES: Final = 2_000
MAX_EVENTS: Final = 1_000
MAX_ITEMS: Final = 1_000
MAX_IMPRESSIONS: Final = 1_000
MAX_DOCUMENTS: Final = 1_000
MAX_STEPS: Final = 20
MAX_CONTEXT: Final = 50
MAX_EXPLAINED: Final = 20

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
    """An element of a history, whose user is known: of the request, or stored."""

    item_id: Id
    event: str | None = None
    timestamp: Seconds | None = None


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """What the business wants after the score."""

    tail: Annotated[float, Meta(ge=0, le=1, description="strength of the long-tail policy")] | None = None


Step: TypeAlias = dict[str, Any]
"""A step after the score: its `name`, and its settings by theirs."""

Context: TypeAlias = dict[Annotated[str, Meta(min_length=1, max_length=100)], Scalar]
"""What is known of the request itself, such as the market and the device, by names of one's own."""


class RankRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Candidates to re-order for one user.

    `user`, or `session` if there is none, names a stored history. `history`, oldest first, follows what
    is stored. A candidate that is repeated is ranked once, and its first position counts. `policy` takes the
    place of the model's own: steps in their order, or the strength of the long-tail policy alone. Rules may
    go by `context`. `explain` may name a language, of the sentences that then say why. `ranking_id` is the
    caller's own id of this list, another one for each; without it, one is made up.
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

    def __post_init__(self) -> None:
        _check_bytes("user session ranking_id", self.user or "", self.session or "", self.ranking_id or "")


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
    that the signals saw, oldest first, if the request named a language.
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


class Event(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """An event. The same `event_id` again, of the same user and item, counts once.

    `value` is checked, but nothing ranks by it. A `timestamp` that is still to come, by a day at most, is
    stored as now. `ranking_id` says in which ranking the user found the item; it is only logged.
    """

    event_id: Id
    user_id: Id
    item_id: Id
    event: Annotated[str, Meta(min_length=1, max_length=100)]
    timestamp: Seconds
    value: float | None = None
    ranking_id: Id | None = None

    def __post_init__(self) -> None:
        _check_bytes("event_id user_id item_id event", self.event_id, self.user_id, self.item_id, self.event)
        _check_bytes("ranking_id", self.ranking_id or "")
        check_time(self.timestamp)


Events: TypeAlias = Event | Annotated[list[Event], Meta(max_length=MAX_EVENTS)]


class Impression(Struct, frozen=True, forbid_unknown_fields=True):
    """A list that a user was shown, and that this server didn't rank.

    `item_ids` are in the order shown. `scores` are what they were sorted by; `propensities` the chance that
    each was shown at its rank, 1 by default. A `timestamp` that is still to come counts as now. The same
    `ranking_id` again counts once.
    """

    ranking_id: Id
    item_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_CANDIDATES)]
    timestamp: Seconds
    user_id: Id | None = None
    scores: list[float] | None = None
    propensities: list[Annotated[float, Meta(gt=0, le=1)]] | None = None

    def __post_init__(self) -> None:
        _check_bytes("ranking_id user_id", self.ranking_id, self.user_id or "")
        for item in self.item_ids:
            _check_bytes("item_ids", item)
        if len(set(self.item_ids)) < len(self.item_ids):
            raise ValueError("item_ids names an item twice: send each once")
        for name, given in (("scores", self.scores), ("propensities", self.propensities)):
            if given is not None and len(given) != len(self.item_ids):
                raise ValueError(f"{name} holds {len(given)} numbers for {len(self.item_ids)} items")
        check_time(self.timestamp)


Impressions: TypeAlias = Impression | Annotated[list[Impression], Meta(max_length=MAX_IMPRESSIONS)]
Item: TypeAlias = dict[str, Any]
"""The columns of one item, `item_id` among them, as in a data folder.

Columns that the model reads hold a `Value`; any others may hold anything.
"""
Items: TypeAlias = Item | Annotated[list[Item], Meta(max_length=MAX_ITEMS)]


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person decided of an item, who, and why.

    `fingerprint`, as the review gave it, says which text was read: if the item has another one by now, the
    verdict is refused.
    """

    verdict: Literal["approve", "reject"]
    by: Annotated[str, Meta(min_length=1, max_length=200)]
    why: Annotated[str, Meta(min_length=1, max_length=2_000)]
    fingerprint: str | None = None


class Refused(Struct, frozen=True):
    """An entry of a list that can't be taken: its index, the field at fault if there is one, and why."""

    index: int
    error: str
    field: str | UnsetType = UNSET


class EventsAccepted(Struct, frozen=True):
    """Events that are durable now: how many, and how many of them were new.

    Not new are repetitions, events that have expired, and those older than the latest 50 of their
    user. `refused` are those that aren't stored.
    """

    accepted: int
    new: int
    refused: list[Refused] | UnsetType = UNSET


class ImpressionsAccepted(Struct, frozen=True):
    """Impressions that are durable now. `refused` are those that aren't logged."""

    accepted: int
    refused: list[Refused] | UnsetType = UNSET


class ItemsAccepted(Struct, frozen=True):
    """Items that are put or deleted now, and how many such changes there were in all.

    `refused` are those that aren't put.
    """

    accepted: int
    version: int
    refused: list[Refused] | UnsetType = UNSET


class Logged(Struct, frozen=True):
    """What the log of impressions holds of a user, oldest first: the lists shown, and the events."""

    shown: list[dict[str, Any]]
    events: list[dict[str, Any]]


class UserHistory(Struct, frozen=True):
    """What is stored of a user, oldest first; `logged` if it was asked for."""

    user_id: str
    events: list[HistoryEvent]
    logged: Logged | UnsetType = UNSET


class UserErased(Struct, frozen=True):
    """Whether anything was stored of a user that is erased now."""

    erased: bool


Document: TypeAlias = dict[str, Any]
"""A text to rank, in the field `text` or those that the request names; the others come back with it."""


class RerankRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts to order by a query, by a user's history, or by both; the shape of Cohere and Jina.

    `rank_fields` names the fields of a document that are read, one after the other; `text` by default.
    `model` and what follows `rank_fields` are settings of other makers' models, accepted and not used.
    """

    documents: Annotated[list[str | Document], Meta(max_length=MAX_DOCUMENTS)]
    model: str | None = None
    query: str | None = None
    user: Id | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None
    rank_fields: list[str] | None = None
    priority: Any = None
    max_chunks_per_doc: Any = None
    max_tokens_per_doc: Any = None
    max_doc_length: Any = None
    max_query_length: Any = None
    truncation: Any = None
    truncation_side: Any = None
    truncate_prompt_tokens: Any = None
    return_embeddings: Any = None

    def __post_init__(self) -> None:
        _check_bytes("user", self.user or "")


class RerankedDocument(Struct, frozen=True):
    """A document by its index in the request, and how relevant it is: 0 to 1."""

    index: int
    relevance_score: float
    document: Document | UnsetType = UNSET


class RerankResponse(Struct, frozen=True):
    """Documents, the most relevant first."""

    id: str
    model: str
    results: list[RerankedDocument]
    meta: dict[str, Any]


class ErrorResponse(Struct, frozen=True):
    """Why a request was refused."""

    error: str


def check_id(name: str) -> None:
    """Check an id that wasn't decoded from a body.

    Raises
    ------
    ValidationError
        If it is empty or too long.
    """
    convert(name, Id)
    try:
        _check_bytes("id", name)
    except ValueError as why:
        raise ValidationError(str(why)) from None


def _check_bytes(fields: str, *ids: str) -> None:
    """Refuse what no state can store: more than `MAX_ID_BYTES` of UTF-8, and halves of surrogate pairs.

    `fields` names each id, for the message. It raises ValueError, which msgspec turns into a ValidationError.
    """
    for at, name in enumerate(ids):
        if not name.isascii() and len(name.encode()) > MAX_ID_BYTES:
            raise ValueError(
                f"{fields.split()[at]} is longer than {MAX_ID_BYTES} bytes of UTF-8: {name[:20]}…"
            )

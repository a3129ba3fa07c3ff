"""The wire shapes of what the page at `/` shows beside rankings."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tailrank.api import MAX_EVENTS, Id

MAX_CARDS: Final = 500
MAX_QUERY: Final = 200
MAX_OWN: Final = 500

Ids: TypeAlias = list[Id]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_CARDS)]


class StoryUser(Struct, frozen=True, forbid_unknown_fields=True):
    """A user whose list is worth a look: the history, oldest first, what came next, and why it is shown."""

    id: Id
    name: str
    history: Annotated[Ids, Meta(min_length=1, max_length=MAX_EVENTS)]
    target: Id
    why: str


class Story(Struct, frozen=True, forbid_unknown_fields=True):
    """Users to begin with, and the rule that chose them."""

    rule: str
    users: Annotated[list[StoryUser], Meta(min_length=1, max_length=100)]


class Price(Struct, frozen=True):
    """What a dial of a policy costs and brings at one value.

    `loss` is the share of ndcg@10 that is lost, `tail_share` that of tail items among the first ten;
    `diversity` is the mean distance between these, null if it wasn't measured.
    """

    at: float
    loss: float
    tail_share: float
    diversity: float | None


class Prices(Struct, frozen=True):
    """What policies cost, measured on so many queries of a data set; by dial, the weakest value first."""

    dataset: str
    queries: int
    dials: dict[str, list[Price]]


class Page(Struct, frozen=True):
    """What there is to show.

    `language` names those of the model's `signals` that read text. With `free_text` there is an encoder for
    the texts that a history may hold. `explore_moves` is how many ranks exploration may move an item, null if
    the server doesn't explore. `beside` has the models that requests may name as their `model`, by these
    names. `policies` is the version of the file of policies that rank for everybody; empty if there is none.
    """

    model: str
    items: int
    signals: list[str]
    language: list[str]
    free_text: bool
    story: Story | None = None
    prices: Prices | None = None
    explore_moves: int | None = None
    beside: dict[str, str] = {}
    policies: str = ""


class Card(Struct, frozen=True):
    """An item to look at: the start of the text that is read, its training events, and whether it is tail."""

    id: str
    title: str
    text: str
    count: int
    tail: bool


class Cards(Struct, frozen=True):
    """Items to look at; those that aren't known, or wait for a review, are left out."""

    items: list[Card]


class CardsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which items to look at."""

    ids: Annotated[Ids, Meta(max_length=MAX_CARDS)]


class ItemsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Items to find by words of their titles and, if these are too few, by meaning; well-known ones first."""

    query: Annotated[str, Meta(max_length=MAX_QUERY)] = ""
    k: Count = 20

    def __post_init__(self) -> None:
        self.query.encode()  # half a surrogate pair can't be looked for


class CandidatesRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A history, oldest first, for which to find candidates as a plain recommender does."""

    history: Annotated[Ids, Meta(max_length=MAX_EVENTS)] = []
    k: Count = 100


class FoundCandidate(Struct, frozen=True):
    """A candidate and the score of the recommender that found it."""

    id: str
    score: float


class FoundCandidates(Struct, frozen=True):
    """Candidates in the order of the recommender that found them, which `by` names."""

    by: Literal["item-kNN", "popularity"]
    candidates: list[FoundCandidate]


class ItemMap(Struct, frozen=True):
    """Where items lie in a unit square, those of like meaning close together; `tail` is 1 for a tail item."""

    by: Literal["PCA"]
    ids: list[str]
    x: list[float]
    y: list[float]
    tail: list[int]


class OwnRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Items of one's own, with `item_id` and text columns such as `title`, and what a user chose among them.

    Texts are those of the columns that data folders have.
    """

    items: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MAX_OWN)]
    history: Annotated[Ids, Meta(min_length=1, max_length=MAX_OWN)]
    k: Count = 10


class RankedOwnItem(Struct, frozen=True):
    """An item of one's own; `previous_rank` is its rank among those sent, the history left out."""

    id: str
    score: float
    rank: int
    previous_rank: int
    title: str


class OwnItems(Struct, frozen=True):
    """Items of one's own by what their texts have to do with the history, which is left out."""

    items: list[RankedOwnItem]

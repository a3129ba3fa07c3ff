"""The wire shapes of ordering texts, or items, by their indices in a request: those of Cohere and Jina."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from tailrank.api import MAX_CANDIDATES, Id, check_bytes

MAX_DOCUMENTS: Final = 1_000

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
        check_bytes("user", self.user or "")


class ItemRerankRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Items to order for a user, by all signals; what `RankRequest` is, for search engines."""

    items: Annotated[list[Id], Meta(max_length=MAX_CANDIDATES)]
    user: Id

    def __post_init__(self) -> None:
        check_bytes("user", self.user)


class RerankedDocument(Struct, frozen=True):
    """A document or an item by its index in the request, and how relevant it is: 0 to 1."""

    index: int
    relevance_score: float
    document: Document | UnsetType = UNSET


class RerankResponse(Struct, frozen=True):
    """Documents, the most relevant first."""

    id: str
    model: str
    results: list[RerankedDocument]
    meta: dict[str, Any]

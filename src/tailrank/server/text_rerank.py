"""Texts ordered by a query and by what a user just chose: the job of Cohere's and Jina's rerank."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import UNSET

from tailrank.api import Document, RerankedDocument, RerankRequest, RerankResponse
from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.server.encoding import Encoders
from tailrank.server.model_manager import LoadedModel
from tailrank.signals.base import ItemUpdates

PREFERRED: Final = "semantic"
"""Vector space whose encoder reads the texts; if it has none, it is that of the first space with one."""


async def rerank(
    served: LoadedModel, encoders: Encoders, request: RerankRequest, history: History
) -> RerankResponse:
    """Score documents from 0 to 1: (1 + s) / 2, with s the mean of their likeness to query and user.

    The likeness to the query is the cosine of the encoder's vectors; the likeness to a user is soft-MaxSim
    attention over the stored history, as the model ranks items by.

    Raises
    ------
    RequestError
        If no vector space of the model has an encoder, or a document has no text.
    EncoderError
        If the encoder is missing.
    """
    fields = ["text"] if request.rank_fields is None else request.rank_fields
    texts = [_text(document, fields, at) for at, document in enumerate(request.documents)]
    if not served.encoders:
        raise RequestError("the model was trained without an encoder, so it can't read texts")
    space = PREFERRED if PREFERRED in served.encoders else next(iter(served.encoders))
    encoder = await encoders.load(served.encoders[space])
    queries = [] if request.query is None else [request.query]
    vectors = await encoders.encode(encoder, [*queries, *texts], "documents")
    likeness = []
    if queries:
        likeness.append(vectors[1:] @ vectors[0])
    if request.user is not None and history.items:
        likeness.append(_attention(served, space, vectors[len(queries) :], history))
    total = np.mean(likeness, axis=0) if likeness else np.zeros(len(texts))
    relevance = np.clip((1 + total) / 2, 0, 1)
    results = []
    for at in (-relevance).argsort(kind="stable")[: request.top_n].tolist():
        document = request.documents[at] if request.return_documents else UNSET
        document = {"text": document} if isinstance(document, str) else document
        results.append(RerankedDocument(at, float(relevance[at]), document))
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return RerankResponse(os.urandom(12).hex(), served.name, results, meta)


def _text(document: str | Document, fields: Sequence[str], at: int) -> str:
    """Read the document at a position of the request; raises RequestError if it has none of the fields."""
    if isinstance(document, str):
        return document
    found = [str(document[name]) for name in fields if document.get(name) is not None]
    if not found:
        raise RequestError(f"document {at} has no {' or '.join(map(repr, fields))}: see `rank_fields`")
    return "\n".join(found)


def _attention(served: LoadedModel, space: str, vectors: Floats, history: History) -> Floats:
    """Score texts as if they were new items, by vectors of a space's encoder, shape (texts, width)."""
    reranker = served.reranker
    signal = next(signal for signal in reranker.signals if signal.name == space)
    n_items, n_texts = len(reranker.catalogue), len(vectors)
    codes = np.arange(n_items, n_items + n_texts, dtype=np.int32)
    values = reranker.spaces[space].transform(vectors)
    updates = ItemUpdates(codes, n_items + n_texts, [""] * n_texts, {space: values})
    histories, _ = reranker.catalogue.histories(history)
    scores: Floats = signal.with_items(updates).score(histories, Candidates(codes, n_items + n_texts))[0]
    return scores

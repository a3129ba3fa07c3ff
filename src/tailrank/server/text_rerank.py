"""Texts ordered by a query and by what a user just chose: the job of Cohere's and Jina's rerank."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from msgspec import UNSET

from tailrank.api_texts import Document, RerankedDocument, RerankRequest, RerankResponse
from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.server.encoding import Encoders
from tailrank.server.items import as_text, is_nested
from tailrank.server.loaded_model import LoadedModel
from tailrank.server.relevance import CALIBRATIONS, is_blank, relevance
from tailrank.signals.base import ItemUpdates


async def rerank(
    served: LoadedModel, encoders: Encoders, request: RerankRequest, history: History
) -> RerankResponse:
    """Score documents from 0 to 1, as `relevance` says, by their likeness to the query and to the user.

    The likeness to the query is the cosine of the encoder's vectors; the likeness to a user is soft-MaxSim
    attention over the stored history, as the model ranks items by. If there are both, they add up: where
    the history says nothing, a text has the score that it has by the query alone. Blank documents have 0
    and come last.

    Raises
    ------
    RequestError
        If no vector space of the model has an encoder, or a document has no text.
    EncoderError
        If the encoder is missing.
    """
    fields = ["text"] if request.rank_fields is None else request.rank_fields
    texts = [_text(document, fields, at) for at, document in enumerate(request.documents)]
    space = served.reading_space
    if space is None:
        raise RequestError("the model was trained without an encoder, so it can't read texts")
    encoder = await encoders.load(served.encoders[space])
    queries = [] if is_blank(request.query or "") else [request.query or ""]
    vectors = await encoders.encode(encoder, texts, "documents")
    likeness = np.zeros(len(texts), np.float32)
    if queries:
        [query] = await encoders.encode(encoder, queries, "documents", queries=True)
        likeness += vectors @ query
    if request.user is not None and history.items:
        likeness += _attention(served, space, vectors, history)
    calibration = CALIBRATIONS.get(encoder.sha256) if queries else None
    blank = np.array([is_blank(text) for text in texts], np.bool_)
    scores = np.where(blank, 0.0, relevance(likeness, calibration))
    results = []
    for at in np.lexsort((-likeness, blank))[: request.top_n].tolist():
        document = request.documents[at] if request.return_documents else UNSET
        document = {"text": document} if isinstance(document, str) else document
        results.append(RerankedDocument(at, float(scores[at]), document))
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return RerankResponse(os.urandom(12).hex(), served.name, results, meta)


def _text(document: str | Document, fields: Sequence[str], at: int) -> str:
    """Read the document at a position of the request; raises RequestError if it has none of the fields."""
    if isinstance(document, str):
        return document
    found = [document[name] for name in fields if document.get(name) is not None]
    if not found:
        raise RequestError(f"document {at} has no {' or '.join(map(repr, fields))}: see `rank_fields`")
    if any(map(is_nested, found)):
        raise RequestError(f"document {at}: send text, a number, or a list of these, in what is to be read")
    return "\n".join(map(as_text, found))


def _attention(served: LoadedModel, space: str, vectors: Floats, history: History) -> Floats:
    """Score texts as if they were new items, by vectors of a space's encoder, shape (texts, width)."""
    reranker = served.reranker
    signal = replace(reranker.attention(space), known=None)
    n_items, n_texts = len(reranker.catalogue), len(vectors)
    codes = np.arange(n_items, n_items + n_texts, dtype=np.int32)
    values = reranker.spaces[space].transform(vectors)
    updates = ItemUpdates(codes, n_items + n_texts, [""] * n_texts, {space: values})
    histories, _ = reranker.catalogue.histories([history])
    scores: Floats = signal.with_items(updates).score(histories, Candidates(codes, n_items + n_texts))[0]
    return scores

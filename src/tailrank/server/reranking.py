"""Texts ordered by a query and by what a person just took: the job of Cohere's and Jina's rerank."""

from __future__ import annotations

import os

import numpy as np
from msgspec import UNSET

from tailrank.arrays import Floats
from tailrank.errors import RequestError
from tailrank.online.state import Past
from tailrank.server.encoding import ROLES, Encoders
from tailrank.server.live import Served
from tailrank.server.placing import history
from tailrank.server.wire import Document, Relevance, Reranked, RerankRequest
from tailrank.signals.protocol import Candidates
from tailrank.signals.semantic import SemanticAttention


async def rerank(served: Served, encoders: Encoders, request: RerankRequest, past: Past) -> Reranked:
    """Score documents from 0 to 1: (1 + s) / 2, with s the mean of the likenesses that are asked for.

    The likeness to the query is the cosine of the encoder's vectors; the likeness to a person is soft-MaxSim
    attention over the stored history, as the model ranks items by.

    Raises
    ------
    RequestError
        Where the model has no encoder.
    EncoderError
        Where the encoder is missing.
    """
    texts = [each if isinstance(each, str) else each.text for each in request.documents]
    encoder = await encoders.load(served.reranker.about, ROLES[0])
    if encoder is None:
        raise RequestError("the model was trained without an encoder, so it can't read texts")
    asked = [] if request.query is None else [request.query]
    vectors = await encoders.encode(encoder, [*asked, *texts])
    likeness = []
    if asked:
        likeness.append(vectors[1:] @ vectors[0])
    if request.user is not None and past.items:
        likeness.append(_attention(served, texts, vectors[len(asked) :], past))
    total = np.mean(likeness, axis=0) if likeness else np.zeros(len(texts))
    relevance = np.clip((1 + total) / 2, 0, 1)
    order = (-relevance).argsort(kind="stable")[: request.top_n].tolist()
    results = [
        Relevance(at, float(relevance[at]), Document(texts[at]) if request.return_documents else UNSET)
        for at in order
    ]
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return Reranked(os.urandom(12).hex(), served.name, results, meta)


def _attention(served: Served, texts: list[str], vectors: Floats, past: Past) -> Floats:
    """Score texts as if they were new items."""
    grown = served.reranker.grown([f"\0{at}" for at in range(len(texts))], texts, vectors, None)
    codes = grown.catalogue.codes_of([f"\0{at}" for at in range(len(texts))])
    [semantic] = [signal for signal in grown.signals if type(signal) is SemanticAttention]
    scores: Floats = semantic.score(history(grown, past, []), Candidates(codes, len(grown.catalogue)))[0]
    return scores

#!/usr/bin/env bash
# haystack-ai 3.4.1, with numpy 2.4.6 and pydantic 2.14.4, on Python 3.11.
#
# `DocumentJoiner` with `distribution_based_rank_fusion` is documented to score documents by how scores are distributed in the list of each
# retriever: three standard deviations below the mean become 0, three above become 1, and of a document in two lists the higher score
# counts. So it shouldn't matter on what scale a retriever scores. But a list whose scores are all equal, such as a list of one, isn't
# scaled: its scores stay as they came, beside those between 0 and 1 of the other lists. Up to the summer of 2026 they became 0; that they
# stay was chosen (deepset-ai/haystack 12508), where it was also said that it may break the common scale. The documentation tells of neither.
#
# Output seen (ten documents; the embeddings find d1 most and d10 least like the query, BM25 those that have its word):
#   d10 has the word, BM25 as it is: d10 1.77; joined d10 1.77, d1 0.72, d2 0.69; d10 is number 1
#   d10 has the word, BM25 with scale_score: d10 0.56; joined d1 0.72, d2 0.69, d3 0.65; d10 is number 5
#   d10 has the word, BM25 a tenth: d10 0.18; joined d1 0.72, d2 0.69, d3 0.65; d10 is number 10
#   d9 and d10 have it, BM25 as it is: d9 2.28, d10 1.32; joined d1 0.72, d2 0.69, d9 0.67; d10 is number 10
#   d9 and d10 have it, BM25 with scale_score: d9 0.57, d10 0.54; joined d1 0.72, d2 0.69, d9 0.67; d10 is number 10
#   d9 and d10 have it, BM25 a tenth: d9 0.23, d10 0.13; joined d1 0.72, d2 0.69, d9 0.67; d10 is number 10
#
# So a word that one document has puts it first, however far it is from the query else, and a word that two have puts neither there. Where
# BM25 finds one document for many queries, as for names and numbers, fusion is measured and tuned on two rules at once.
#
# What works: `reciprocal_rank_fusion`; or 0.5, the middle of the scale, as the score of each document of such a list before it is joined.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check haystack-ai==3.4.1 numpy==2.4.6 pydantic==2.14.4
cat > "$work/joined.py" <<'PYTHON'
import math
from dataclasses import replace

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

OTHERS = ["jazz in Rome", "blues for two", "a waltz", "songs", "drums", "rock and pop", "folk", "samba night", "choir"]
LAST = "fado and more of these many songs of the sea"


def found(texts, **options):
    """What BM25 and the embeddings find; to these, each text is less like the query than the one before."""
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    angles = [0.3 + 0.1 * n for n in range(len(texts))]
    store.write_documents(
        [
            Document(id=f"d{n}", content=text, embedding=[math.cos(angle), math.sin(angle)])
            for n, (text, angle) in enumerate(zip(texts, angles), start=1)
        ]
    )
    words = InMemoryBM25Retriever(store, **options).run(query="fado")["documents"]
    alike = InMemoryEmbeddingRetriever(store).run(query_embedding=[1.0, 0.0])["documents"]
    return words, alike


def joined(*lists):
    return DocumentJoiner(join_mode="distribution_based_rank_fusion").run(documents=list(lists))["documents"]


def place(documents):
    return 1 + [document.id for document in documents].index("d10")


def named(documents):
    return ", ".join(f"{document.id} {document.score:.2f}" for document in documents)


for what, texts in {"d10 has the word": [*OTHERS, LAST], "d9 and d10 have it": [*OTHERS[:8], "fado", LAST]}.items():
    words, alike = found(texts)
    for scale, scored in {
        "as it is": words,
        "with scale_score": found(texts, scale_score=True)[0],
        "a tenth": [replace(document, score=document.score / 10) for document in words],
    }.items():
        both = joined(scored, alike)
        print(f"{what}, BM25 {scale}: {named(scored)}; joined {named(both[:3])}; d10 is number {place(both)}")
PYTHON
HAYSTACK_TELEMETRY_ENABLED=False "$work/venv/bin/python" "$work/joined.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
d10 has the word, BM25 as it is: d10 1.77; joined d10 1.77, d1 0.72, d2 0.69; d10 is number 1
d10 has the word, BM25 with scale_score: d10 0.56; joined d1 0.72, d2 0.69, d3 0.65; d10 is number 5
d10 has the word, BM25 a tenth: d10 0.18; joined d1 0.72, d2 0.69, d3 0.65; d10 is number 10
d9 and d10 have it, BM25 as it is: d9 2.28, d10 1.32; joined d1 0.72, d2 0.69, d9 0.67; d10 is number 10
d9 and d10 have it, BM25 with scale_score: d9 0.57, d10 0.54; joined d1 0.72, d2 0.69, d9 0.67; d10 is number 10
d9 and d10 have it, BM25 a tenth: d9 0.23, d10 0.13; joined d1 0.72, d2 0.69, d9 0.67; d10 is number 10
EXPECTED

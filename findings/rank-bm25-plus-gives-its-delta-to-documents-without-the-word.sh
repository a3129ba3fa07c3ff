#!/usr/bin/env bash
# rank-bm25 0.2.2 and bm25s 0.3.16, with numpy 2.4.6, on Python 3.11.
#
# BM25+ (Lv and Zhai, CIKM 2011) adds delta, times the word's inverse document frequency, for each word of the query that a
# document has, so that a document with the word is ahead of one without it by at least that much, however long it is; the sum
# goes over words in both. `BM25Plus` of rank-bm25 and `method="bm25+"` of bm25s go over all words of the query, and add delta to
# documents that don't have them as well. All scores rise by the same constant: whatever delta is, the ranking is that of plain
# BM25 (delta 0). BM25L (the same authors, SIGIR 2011) is defined to be 0 without the word; `method="bm25l"` of bm25s isn't.
#
# Output seen (300 documents of 5 to 300 words, 200 queries of 3 words; then a word that is only in one document of 20,000
# words, once: its lead over a document without it, divided by the inverse document frequency):
#   other first hits than with delta 0, by the paper: 0.5: 17, 1: 25, 5: 30
#   other first hits than with delta 0, rank-bm25: 0.5: 0, 1: 0, 5: 0
#   other first hits than with delta 0, bm25s: 0.5: 0, 1: 0, 5: 0
#   lead of the word, BM25+, delta 1: by the paper 1.02, rank-bm25 0.02, bm25s 0.02
#   lead of the word, BM25L, delta 0.5: by the paper 0.64, bm25s 0.01
#
# So whoever tunes delta tunes nothing, and whoever compares BM25+ with BM25 compares the formula of the inverse document
# frequency. Both libraries follow later surveys (Trotman et al., 2014; Kamphuis et al., 2020), in which the sum is written over
# the words of the query. And since no score is 0, a document without any word of the query can't be told by its score.
#
# What works: with rank-bm25, delta * idf taken off for each word of the query that a document lacks.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check rank-bm25==0.2.2 bm25s==0.3.16 numpy==2.4.6 scipy==1.17.1
cat > "$work/delta.py" <<'PYTHON'
import math

import bm25s
import numpy as np
from rank_bm25 import BM25Plus

K1, B = 1.5, 0.75


def counted(documents, word):
    """How often each document has the word, each document's relative length, and the word's inverse document frequency."""
    lengths = np.array([len(document) for document in documents])
    counts = np.array([document.count(word) for document in documents])
    relative = 1 - B + B * lengths / lengths.mean()
    return counts, relative, math.log((len(documents) + 1) / max(1, (counts > 0).sum()))


def by_the_paper(documents, query, delta):
    score = np.zeros(len(documents))
    for word in query:
        counts, relative, idf = counted(documents, word)
        score += np.where(counts > 0, idf * (delta + counts * (K1 + 1) / (counts + K1 * relative)), 0)
    return score


def rank_bm25(documents, delta):
    return BM25Plus(documents, k1=K1, b=B, delta=delta).get_scores


def of_bm25s(documents, delta, method="bm25+"):
    index = bm25s.BM25(method=method, k1=K1, b=B, delta=delta)
    index.index(documents, show_progress=False)
    return lambda query: index.get_scores(query).astype(float)


rng = np.random.default_rng(0)
words = np.array([f"word-{n}" for n in range(200)])
chances = 1 / np.arange(1, 201)
documents = [words[rng.choice(200, n, p=chances / chances.sum())].tolist() for n in rng.integers(5, 300, 300)]
queries = [words[rng.choice(200, 3, replace=False)].tolist() for _ in range(200)]


def others(scores):
    """For how many queries the first hit at delta 0 is behind another one at each delta."""
    first = {delta: scores(delta) for delta in (0, 0.5, 1, 5)}
    found = dict.fromkeys((0.5, 1, 5), 0)
    for query in queries:
        best = np.argmax(first[0](query))
        for delta in found:
            score = first[delta](query)
            found[delta] += bool(score.max() - score[best] > 1e-3)
    return ", ".join(f"{delta}: {count}" for delta, count in found.items())


paper = others(lambda delta: lambda query: by_the_paper(documents, query, delta))
print("other first hits than with delta 0, by the paper:", paper)
print("other first hits than with delta 0, rank-bm25:", others(lambda delta: rank_bm25(documents, delta)))
print("other first hits than with delta 0, bm25s:", others(lambda delta: of_bm25s(documents, delta)))

# Both agree with the paper where delta is 0; above it they do so only with what documents without a word got taken off.
for query in queries[:20]:
    plain = by_the_paper(documents, query, 0)
    assert np.abs(rank_bm25(documents, 0)(query) - plain).max() < 1e-9
    assert np.abs(of_bm25s(documents, 0)(query) - plain).max() < 1e-4
    mended = rank_bm25(documents, 1)(query)
    for word in query:
        counts, _, idf = counted(documents, word)
        mended -= np.where(counts == 0, idf if counts.any() else 0, 0)
    assert np.abs(mended - by_the_paper(documents, query, 1)).max() < 1e-9

long = words[rng.choice(200, 19_999, p=chances / chances.sum())].tolist() + ["rare"]
documents.append(long)
counts, relative, idf = counted(documents, "rare")
assert counts.tolist() == [0] * 300 + [1]


def lead(score):
    return (score[-1] - score[0]) / idf


ways = by_the_paper(documents, ["rare"], 1), rank_bm25(documents, 1)(["rare"]), of_bm25s(documents, 1)(["rare"])
plus = [lead(scores) for scores in ways]
print("lead of the word, BM25+, delta 1: by the paper {:.2f}, rank-bm25 {:.2f}, bm25s {:.2f}".format(*plus))
shifted = 1 / relative[-1] + 0.5
long_idf = math.log((len(documents) + 1) / 1.5)  # BM25L's
seen = of_bm25s(documents, 0.5, "bm25l")(["rare"])
paper, seen = (K1 + 1) * shifted / (K1 + shifted), (seen[-1] - seen[0]) / long_idf
print(f"lead of the word, BM25L, delta 0.5: by the paper {paper:.2f}, bm25s {seen:.2f}")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/delta.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
other first hits than with delta 0, by the paper: 0.5: 17, 1: 25, 5: 30
other first hits than with delta 0, rank-bm25: 0.5: 0, 1: 0, 5: 0
other first hits than with delta 0, bm25s: 0.5: 0, 1: 0, 5: 0
lead of the word, BM25+, delta 1: by the paper 1.02, rank-bm25 0.02, bm25s 0.02
lead of the word, BM25L, delta 0.5: by the paper 0.64, bm25s 0.01
EXPECTED

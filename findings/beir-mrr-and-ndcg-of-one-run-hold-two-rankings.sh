#!/usr/bin/env bash
# beir 2.2.0, with pytrec-eval-terrier 0.5.11, numpy 2.4.6, scipy 1.17.1 and tqdm 4.70.1, on Python 3.11. sentence-transformers and
# datasets aren't installed, since its evaluation doesn't use them.
#
# BEIR's examples print NDCG, MAP, recall and precision of `EvaluateRetrieval.evaluate` beside MRR, capped recall, hole and accuracy of
# `evaluate_custom`, for the same judgements and results. Nothing says that the two measure different things:
# 1. A query without results is left out of the first mean and counts as 0 in the second. The maintainers say that it has to count, since
#    BM25 may find nothing (beir-cellar/beir 102, of MRR, closed); for NDCG it doesn't. With an empty dictionary it counts in both.
# 2. A document with the id of its query, as in Quora and ArguAna, is left out by `evaluate`, as documented, and not by `evaluate_custom`.
#    But `evaluate` takes it from the caller's dictionary, so what `evaluate_custom` says depends on whether it is called after it.
# 3. Of equal scores the first ranks the greater id first, and the second what comes first in the dictionary (beir-cellar/beir 105, open
#    since 2022 when last seen; mteb, which has the same functions, has mended its own).
# No issue was found of the dictionary that changes.
#
# Output seen (100 queries with one relevant document each):
#   half of the queries answered, rightly: NDCG@10 1.00, Recall@10 1.00, MRR@10 0.50, Accuracy@10 0.50
#   the same, the others with an empty dictionary: NDCG@10 0.50, Recall@10 0.50, MRR@10 0.50, Accuracy@10 0.50
#   the query itself first, then its duplicate, MRR first: MRR@1 0.00, NDCG@1 1.00
#   the query itself first, then its duplicate, NDCG first: MRR@1 1.00, NDCG@1 1.00
#   ten equal scores, the relevant one first in the dictionary: NDCG@10 0.29, MAP@10 0.10, MRR@10 1.00
#   ten equal scores, the relevant one last in the dictionary: NDCG@10 0.29, MAP@10 0.10, MRR@10 0.10
#
# So a retriever gains NDCG by not answering the queries that are hard, while its MRR tells; and if a re-ranker gives many documents the
# same score, its MRR is that of the order in which it got them, and its NDCG isn't.
#
# What works: a dictionary for each judged query, an empty one if there is nothing; documents with the id of their query taken out before
# either call; and scores without ties, such as minus the rank.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip pytrec-eval-terrier==0.5.11 numpy==2.4.6 scipy==1.17.1 tqdm==4.70.1
pip --no-deps beir==2.2.0
cat > "$work/two.py" <<'PYTHON'
from beir.retrieval.evaluation import EvaluateRetrieval

QUERIES = range(100)


def standard(judged, results, k=10):
    return {name: value for table in EvaluateRetrieval.evaluate(judged, results, [k]) for name, value in table.items()}


def custom(judged, results, k=10):
    tables = [EvaluateRetrieval.evaluate_custom(judged, results, [k], metric) for metric in ("mrr", "accuracy")]
    return {name: value for table in tables for name, value in table.items()}


def show(what, *tables, names):
    values = {name: value for table in tables for name, value in table.items()}
    print(f"{what}: {', '.join(f'{name} {values[name]:.2f}' for name in names)}")


judged = {f"q{n}": {f"d{n}": 1} for n in QUERIES}
answered = {f"q{n}": {f"d{n}": 0.9, f"other{n}": 0.5} for n in QUERIES[:50]}
padded = {query: answered.get(query, {}) for query in judged}
for what, results in {
    "half of the queries answered, rightly": answered,
    "the same, the others with an empty dictionary": padded,
}.items():
    tables = standard(judged, results), custom(judged, results)
    show(what, *tables, names=["NDCG@10", "Recall@10", "MRR@10", "Accuracy@10"])

judged = {f"d{n}": {f"duplicate{n}": 1} for n in QUERIES}
for what, functions in {"MRR first": (custom, standard), "NDCG first": (standard, custom)}.items():
    results = {f"d{n}": {f"d{n}": 1.0, f"duplicate{n}": 0.9} for n in QUERIES}
    tables = [function(judged, results, k=1) for function in functions]
    show(f"the query itself first, then its duplicate, {what}", *tables, names=["MRR@1", "NDCG@1"])

judged = {f"q{n}": {"d0": 1} for n in QUERIES}
for what, order in {"first": range(10), "last": range(9, -1, -1)}.items():
    results = {query: {f"d{n}": 1.0 for n in order} for query in judged}
    tables = standard(judged, results), custom(judged, results)
    show(f"ten equal scores, the relevant one {what} in the dictionary", *tables, names=["NDCG@10", "MAP@10", "MRR@10"])
PYTHON
"$work/venv/bin/python" "$work/two.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
half of the queries answered, rightly: NDCG@10 1.00, Recall@10 1.00, MRR@10 0.50, Accuracy@10 0.50
the same, the others with an empty dictionary: NDCG@10 0.50, Recall@10 0.50, MRR@10 0.50, Accuracy@10 0.50
the query itself first, then its duplicate, MRR first: MRR@1 0.00, NDCG@1 1.00
the query itself first, then its duplicate, NDCG first: MRR@1 1.00, NDCG@1 1.00
ten equal scores, the relevant one first in the dictionary: NDCG@10 0.29, MAP@10 0.10, MRR@10 1.00
ten equal scores, the relevant one last in the dictionary: NDCG@10 0.29, MAP@10 0.10, MRR@10 0.10
EXPECTED

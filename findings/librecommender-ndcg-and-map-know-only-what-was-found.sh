#!/usr/bin/env bash
# LibRecommender 1.5.2, with scikit-learn 1.9.1, pandas 3.1.1, scipy 1.17.1 and numpy 2.4.6, on Python 3.11. Only its module of metrics
# is loaded, as the package needs TensorFlow and PyTorch to be imported; with both, `evaluate` gives the same numbers.
#
# Of "ndcg" and "map" in `evaluate` the documentation says no more than the names. NDCG divides by the gain of the best list there is,
# average precision by the number of relevant items, or by k if there are more. Here both divide by what the list at hand has found: a
# hit in the first place is a perfect list, however much is missing, and each further hit that isn't next to it lowers the value.
# A user's NDCG is 1 wherever the hits come first. Precision and recall beside them are as usual. No issue tells of it.
#
# Output seen (100 users with ten relevant items each, lists of ten):
#   all ten: ndcg 1.00, map 1.00, by their definitions 1.00 and 1.00; recall 1.00
#   one of ten, in the first place: ndcg 1.00, map 1.00, by their definitions 0.22 and 0.10; recall 0.10
#   nine of ten, in places 2 to 10: ndcg 0.83, map 0.79, by their definitions 0.78 and 0.71; recall 0.90
#   two of ten, in places 1 and 10: ndcg 0.79, map 0.60, by their definitions 0.28 and 0.12; recall 0.20
#
# So a model that finds one item beats one that finds nine of ten, and a re-ranker that brings up a second hit at the end of the list
# does harm. With one relevant item per user, as after leave-one-out, the values are right.
#
# What works: NDCG and MAP of the lists of `recommend_user` by another library.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip scikit-learn==1.9.1 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
pip --no-deps LibRecommender==1.5.2
cat > "$work/found.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np

for folder in map(Path, sys.path):
    if (folder / "libreco" / "evaluation" / "metrics.py").exists():
        sys.path.insert(0, str(folder / "libreco" / "evaluation"))
        break
import metrics

RELEVANT, K = 10, 10


def defined(items):
    hits = np.isin(items, np.arange(RELEVANT))
    discounts = 1 / np.log2(np.arange(2, K + 2))
    precisions = np.cumsum(hits) / np.arange(1, K + 1)
    return hits @ discounts / discounts[:RELEVANT].sum(), hits @ precisions / min(K, RELEVANT)


users = list(range(100))
truth = {user: list(range(RELEVANT)) for user in users}
wrong = list(range(500, 510))
for what, given in {
    "all ten": list(range(10)),
    "one of ten, in the first place": [0, *wrong[:9]],
    "nine of ten, in places 2 to 10": [wrong[0], *range(9)],
    "two of ten, in places 1 and 10": [0, *wrong[:8], 1],
}.items():
    lists = {user: np.array(given) for user in users}
    functions = metrics.ndcg_at_k, metrics.average_precision_at_k, metrics.recall_at_k
    ndcg, ap, recall = (metrics.listwise_scores(function, truth, lists, users, K) for function in functions)
    by_ndcg, by_ap = defined(given)
    print(f"{what}: ndcg {ndcg:.2f}, map {ap:.2f}, by their definitions {by_ndcg:.2f} and {by_ap:.2f}; recall {recall:.2f}")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/found.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
all ten: ndcg 1.00, map 1.00, by their definitions 1.00 and 1.00; recall 1.00
one of ten, in the first place: ndcg 1.00, map 1.00, by their definitions 0.22 and 0.10; recall 0.10
nine of ten, in places 2 to 10: ndcg 0.83, map 0.79, by their definitions 0.78 and 0.71; recall 0.90
two of ten, in places 1 and 10: ndcg 0.79, map 0.60, by their definitions 0.28 and 0.12; recall 0.20
EXPECTED

#!/usr/bin/env bash
# recommenders 1.2.1 (Microsoft's, now of recommenders-team), with numpy 1.26.4, pandas 2.3.3 and scikit-learn 1.9.1, on Python 3.11.
#
# `r_precision_at_k` is documented as "the precision@R for each user", R being the number of items that are relevant to the user,
# and returns one number. It is the mean over the users with a relevant item in the first R places: nobody else counts, not even
# as 0. Precision, recall and MAP beside it are divided by all users that have both a list and relevant items. NDCG counts a
# user without a list as 0, though its docstring, like theirs, says nothing of such users.
#
# Output seen (100 users with two relevant items each, lists of ten):
#   both first for every user: R-precision 1.00, precision 0.20, recall 1.00, MAP 1.00, NDCG 1.00
#   both first for 10 users, none for others: R-precision 1.00, precision 0.02, recall 0.10, MAP 0.10, NDCG 0.10
#   both first for 1 user, none for others: R-precision 1.00, precision 0.00, recall 0.01, MAP 0.01, NDCG 0.01
#   one first for every user, the other nowhere: R-precision 0.50, precision 0.10, recall 0.50, MAP 0.50, NDCG 0.61
#   a list for 10 users only, both first: R-precision 1.00, precision 0.20, recall 1.00, MAP 1.00, NDCG 0.10
#
# So a recommender that is right for one user of a hundred beats one that finds half of what everyone wants, and the fewer users
# it finds anything for, the better it looks. And in the last line one table says both that all is well and that little is.
#
# What works: lists for every user, with items that nobody chose where there is none; and for R-precision the value times the
# number of users with a hit in the first R places / the number of users.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip numpy==1.26.4 pandas==2.3.3 scikit-learn==1.9.1 scipy==1.17.1
pip --no-deps recommenders==1.2.1  # the metrics need none of the libraries of models
cat > "$work/users.py" <<'PYTHON'
import pandas as pd
from recommenders.evaluation.python_evaluation import map_at_k, ndcg_at_k, precision_at_k, r_precision_at_k, recall_at_k

USERS, BOTH, ONE, NONE = range(100), ["tea", "bread"], ["tea"], []
METRICS = {
    "R-precision": r_precision_at_k,
    "precision": precision_at_k,
    "recall": recall_at_k,
    "MAP": map_at_k,
    "NDCG": ndcg_at_k,
}
chosen = pd.DataFrame([(user, item, 1.0) for user in USERS for item in BOTH], columns=["userID", "itemID", "rating"])


def lists(found):
    """Ten items for each user: first what is found, then items that nobody chose."""
    rows = [
        (user, item, 10.0 - place)
        for user, first in found.items()
        for place, item in enumerate([*first, *(f"other-{n}" for n in range(10 - len(first)))])
    ]
    return pd.DataFrame(rows, columns=["userID", "itemID", "prediction"])


for what, found in {
    "both first for every user": {user: BOTH for user in USERS},
    "both first for 10 users, none for others": {user: BOTH if user < 10 else NONE for user in USERS},
    "both first for 1 user, none for others": {user: BOTH if user < 1 else NONE for user in USERS},
    "one first for every user, the other nowhere": {user: ONE for user in USERS},
    "a list for 10 users only, both first": {user: BOTH for user in range(10)},
}.items():
    values = {name: metric(chosen, lists(found), k=10) for name, metric in METRICS.items()}
    print(f"{what}: {', '.join(f'{name} {value:.2f}' for name, value in values.items())}")
    by_hand = [len(first) / 2 for first in found.values()]
    hits = [value for value in by_hand if value]
    assert abs(values["R-precision"] * len(hits) / len(found) - sum(by_hand) / len(found)) < 1e-9
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/users.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
both first for every user: R-precision 1.00, precision 0.20, recall 1.00, MAP 1.00, NDCG 1.00
both first for 10 users, none for others: R-precision 1.00, precision 0.02, recall 0.10, MAP 0.10, NDCG 0.10
both first for 1 user, none for others: R-precision 1.00, precision 0.00, recall 0.01, MAP 0.01, NDCG 0.01
one first for every user, the other nowhere: R-precision 0.50, precision 0.10, recall 0.50, MAP 0.50, NDCG 0.61
a list for 10 users only, both first: R-precision 1.00, precision 0.20, recall 1.00, MAP 1.00, NDCG 0.10
EXPECTED

#!/usr/bin/env bash
# recommenders 1.2.1 (Microsoft's, now of recommenders-team), with numpy 1.26.4, pandas 2.3.3 and scikit-learn 1.9.1, on Python 3.11.
#
# `novelty` is documented as "the average novelty in a list of recommended items", where that of an item is "the minus logarithm of
# (number of interactions with item / total number of interactions)": the fewer, the more. An item without an interaction in
# training has no such number. It is left out of the sum, but not of the number of recommendations that the sum is divided by,
# so it counts as 0 bits, less than the most popular item of all. Nothing warns of it. `catalog_coverage`, documented as that of
# Shani and Gunawardana, the share of all items that is ever recommended, is divided by the items of training, so it can go above 1.
#
# Output seen (100 interactions: 80 with one item, 15 with another, 5 with a rare one; lists of two items):
#   the two most popular: novelty 1.53, coverage 0.67
#   the most popular and the rare one: novelty 2.32, coverage 0.67
#   the most popular and a new one: novelty 0.16, coverage 0.67
#   the rare one and a new one: novelty 2.16, coverage 0.67
#   two new ones: novelty 0.00, coverage 0.67
#   two of three old and two new ones, as often each: novelty 1.48, coverage 1.67
#
# So a recommender or a re-ranker that makes room for new items is told to be the least novel of all, and the more so the more it does.
#
# What works: `train_df` with one more row for each item of the catalogue, by a user of its own, so that none has no interaction.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip numpy==1.26.4 pandas==2.3.3 scikit-learn==1.9.1 scipy==1.17.1
pip --no-deps recommenders==1.2.1  # the metrics need none of the libraries of models
cat > "$work/new_items.py" <<'PYTHON'
from itertools import combinations

import pandas as pd
from recommenders.evaluation.python_evaluation import catalog_coverage, novelty

COUNTS = {"most popular": 80, "popular": 15, "rare": 5}
EVERY = [*COUNTS, "new", "newer"]


def table(rows):
    return pd.DataFrame(rows, columns=["userID", "itemID"])


train = table([(user, item) for item, count in COUNTS.items() for user in range(count)])
padded = pd.concat([train, table([(-1, item) for item in EVERY])])
for what, lists in {
    "the two most popular": [("most popular", "popular")],
    "the most popular and the rare one": [("most popular", "rare")],
    "the most popular and a new one": [("most popular", "new")],
    "the rare one and a new one": [("rare", "new")],
    "two new ones": [("new", "newer")],
    "two of three old and two new ones, as often each": combinations(EVERY, 2),
}.items():
    shown = table([(user, item) for user, items in enumerate(lists, start=100) for item in items])
    values = f"novelty {novelty(train, shown):.2f}, coverage {catalog_coverage(train, shown):.2f}"
    print(f"{what}: {values}")

two = {name: table([(100, item) for item in items]) for name, items in {"old": EVERY[:2], "new": EVERY[3:]}.items()}
assert novelty(train, two["new"]) < novelty(train, two["old"])
assert novelty(padded, two["new"]) > novelty(padded, two["old"])
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/new_items.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
the two most popular: novelty 1.53, coverage 0.67
the most popular and the rare one: novelty 2.32, coverage 0.67
the most popular and a new one: novelty 0.16, coverage 0.67
the rare one and a new one: novelty 2.16, coverage 0.67
two new ones: novelty 0.00, coverage 0.67
two of three old and two new ones, as often each: novelty 1.48, coverage 1.67
EXPECTED

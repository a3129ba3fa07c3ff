#!/usr/bin/env bash
# replay-rec 0.22.0, with pandas 2.3.3, polars 1.44.2 and numpy 2.4.6, on Python 3.11.
#
# A log in which users come back to items, as with songs, groceries or news sites, has several rows of a user and an item, and
# the splitters keep them. `NDCG` and `MAP` take the rows of the ground truth for items: someone who chose one item five times
# has five to find, but a list names each item once, so no list can reach 1. `Recall` and `Precision` count each item once.
# There is a warning for repeats in the recommendations, none for those in the ground truth.
#
# Output seen (the last five choices of "ada" are one and the same item, of which a list names the first):
#   pandas: NDCG@10 0.34, MAP@10 0.20, Recall@10 1.00
#   polars: NDCG@10 0.34, MAP@10 0.20, Recall@10 1.00
#   dict: NDCG@10 0.34, MAP@10 0.20, Recall@10 1.00
#   each item once: NDCG@10 1.00, MAP@10 1.00, Recall@10 1.00
#   best for ada, who repeats, item of ben in place 4: NDCG@10 0.38 (each item once: 0.72)
#   best for ben, who doesn't, item of ada in place 4: NDCG@10 0.57 (each item once: 0.72)
#
# So the more a user repeats, the less it matters what they are shown, and of two recommenders the one wins that suits those
# who don't.
#
# What works: `drop_duplicates` (`unique` in polars) of user and item on the ground truth, after the split.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  replay-rec==0.22.0 pandas==2.3.3 polars==1.44.2 numpy==2.4.6 scipy==1.17.1
cat > "$work/repeats.py" <<'PYTHON'
import math
import warnings

import pandas as pd
import polars as pl
from replay.metrics import MAP, NDCG, Recall
from replay.splitters import LastNSplitter

warnings.simplefilter("ignore", FutureWarning)


def log(choices):
    rows = [(user, item, time) for user, items in choices.items() for time, item in enumerate(items)]
    return pd.DataFrame(rows, columns=["query_id", "item_id", "timestamp"])


def lists(places):
    """For each user four items, with the one of interest in the place that is named."""
    rows = [
        (user, "tea" if user == "ada" else "film") if place == here else (user, f"other-{here}")
        for user, place in places.items()
        for here in range(1, 5)
    ]
    table = pd.DataFrame(rows, columns=["query_id", "item_id"])
    return table.assign(rating=1 / (table.groupby("query_id").cumcount() + 1))


def said(recommended, truth):
    found = {}
    for metric in (NDCG(10), MAP(10), Recall(10)):
        found |= metric(recommended, truth)
    return ", ".join(f"{name} {value:.2f}" for name, value in found.items())


def ndcg(recommended, truth):
    return NDCG(10)(recommended, truth)["NDCG@10"]


_, ada = LastNSplitter(5).split(log({"ada": ["milk", "bread"] + 5 * ["tea"]}))
first = lists({"ada": 1})
print("pandas:", said(first, ada))
print("polars:", said(pl.from_pandas(first), pl.from_pandas(ada)))
print("dict:", said({"ada": list(zip(first["item_id"], first["rating"]))}, {"ada": list(ada["item_id"])}))
pairs = ["query_id", "item_id"]
print("each item once:", said(first, ada.drop_duplicates(pairs)))

both = pd.concat([ada, log({"ben": ["film"]})])
for what, places in (
    ("best for ada, who repeats, item of ben in place 4", {"ada": 1, "ben": 4}),
    ("best for ben, who doesn't, item of ada in place 4", {"ada": 4, "ben": 1}),
):
    once = ndcg(lists(places), both.drop_duplicates(pairs))
    assert abs(once - (1 + 1 / math.log2(5)) / 2) < 1e-9
    print(f"{what}: NDCG@10 {ndcg(lists(places), both):.2f} (each item once: {once:.2f})")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/repeats.py" 2> "$work/warnings" | tee "$work/output"
[ ! -s "$work/warnings" ]
diff "$work/output" - <<'EXPECTED'
pandas: NDCG@10 0.34, MAP@10 0.20, Recall@10 1.00
polars: NDCG@10 0.34, MAP@10 0.20, Recall@10 1.00
dict: NDCG@10 0.34, MAP@10 0.20, Recall@10 1.00
each item once: NDCG@10 1.00, MAP@10 1.00, Recall@10 1.00
best for ada, who repeats, item of ben in place 4: NDCG@10 0.38 (each item once: 0.72)
best for ben, who doesn't, item of ada in place 4: NDCG@10 0.57 (each item once: 0.72)
EXPECTED

#!/usr/bin/env bash
# rectools 0.19.0, with numpy 1.26.4 and pandas 2.3.3, on Python 3.11.
#
# `Serendipity` is documented as the sum over the first k places, of max(p(i) - pu(i), 0) for each relevant item, "/ k". It
# divides by the length of the list where that is below k: a list that ends after its only hit is worth k times as much as the
# same list filled up, while `Precision`, documented as tp / k, stays as it is. And pu(i), "probability to recommend item with
# rank i to any user", is (n_items + 1 - popularity(i)) / n_items, which spans 0 to 1 if popularity ranks go up to n_items.
# They go up to the number of different counts, as items with one count share a rank and the next count gets the next rank:
# where most items have one of a few low counts, nearly every item is taken for one of the most popular.
#
# Output seen (a catalogue of 100 items; the only hit is in the first place, and in the first four lines the least popular):
#   list of 10: serendipity@10 0.099, precision@10 0.10
#   list of 5: serendipity@10 0.198, precision@10 0.10
#   list of 2: serendipity@10 0.495, precision@10 0.10
#   list of 1: serendipity@10 0.990, precision@10 0.10
#   66 items are more popular, 100 different counts: serendipity@1 0.66
#   66 items are more popular, 3 different counts: serendipity@1 0.02
#   all other items are more popular, 4 different counts: serendipity@1 0.03
#   all other items are more popular, and it has no count at all: serendipity@1 1.00
#
# So a recommender that returns few items, such as one of neighbours, or a filter after it, seems the more serendipitous the
# fewer are left. And the values hang on how many different counts the data has: here an item seen once counts 33 times less
# than one never seen.
#
# What works: per user, the value times the length of the list (at most k) / k, as no place after its end adds anything; for
# popularity, `prev_interactions` in which the item of popularity rank r has n_items + 1 - r rows.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  rectools==0.19.0 numpy==1.26.4 pandas==2.3.3 scipy==1.17.1
cat > "$work/lists.py" <<'PYTHON'
import pandas as pd
from rectools import Columns
from rectools.metrics import Precision, Serendipity

ITEMS = [f"item-{n}" for n in range(1, 101)]
CHOSEN = pd.DataFrame({Columns.User: ["ada"], Columns.Item: ["item-100"]})


def recommended(length):
    items = ["item-100", *ITEMS][:length]
    return pd.DataFrame({Columns.User: "ada", Columns.Item: items, Columns.Rank: range(1, length + 1)})


def before(counts):
    """Earlier interactions, in which each item has as many as counts say."""
    rows = [(f"user-{n}", item) for item, count in zip(ITEMS, counts) for n in range(count)]
    return pd.DataFrame(rows, columns=[Columns.User, Columns.Item])


def serendipity(length, k, counts):
    return Serendipity(k=k).calc(recommended(length), CHOSEN, before(counts), ITEMS)


descending = list(range(100, 0, -1))
for length in (10, 5, 2, 1):
    seen = serendipity(length, 10, descending)
    precision = Precision(k=10).calc(recommended(length), CHOSEN)
    print(f"list of {length}: serendipity@10 {seen:.3f}, precision@10 {precision:.2f}")
    by_hand = (100 / 100 - 1 / 100) / 10  # the hit: first in the list, and the last of 100 in popularity
    assert abs(seen * length / 10 - by_hand) < 1e-9

for what, counts in {
    "66 items are more popular, 100 different counts": [*range(100, 34, -1), *range(33, 0, -1), 34],
    "66 items are more popular, 3 different counts": [3] * 33 + [2] * 33 + [1] * 34,
    "all other items are more popular, 4 different counts": [4] * 33 + [3] * 33 + [2] * 33 + [1],
    "all other items are more popular, and it has no count at all": [4] * 33 + [3] * 33 + [2] * 33 + [0],
}.items():
    above = sum(count > counts[-1] for count in counts)
    assert above == (66 if what.startswith("66") else 99)
    print(f"{what}: serendipity@1 {serendipity(1, 1, counts):.2f}")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/lists.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
list of 10: serendipity@10 0.099, precision@10 0.10
list of 5: serendipity@10 0.198, precision@10 0.10
list of 2: serendipity@10 0.495, precision@10 0.10
list of 1: serendipity@10 0.990, precision@10 0.10
66 items are more popular, 100 different counts: serendipity@1 0.66
66 items are more popular, 3 different counts: serendipity@1 0.02
all other items are more popular, 4 different counts: serendipity@1 0.03
all other items are more popular, and it has no count at all: serendipity@1 1.00
EXPECTED

#!/usr/bin/env bash
# evidently 0.7.23, with pandas 2.3.3, numpy 2.4.6 and scikit-learn 1.9.1, on Python 3.11.
#
# Two metrics for recommendations that are documented as averages, one of the precision at each relevant item, one of the
# cosine distance between each pair of items in a list, are divided by something else. `MAP` takes for the item at place k the
# last row of those with rank k or better. For a user whose list is shorter than k that is the same item over and over, so a
# list of one relevant item is worth 10 at k=10. And it is the last in the order of the rows, not in that of the ranks, so the
# rows have to be sorted by rank; nothing says so, and scores in any order are taken. `Diversity` divides the sum over all
# pairs by the number of items: it grows with the length of the list.
#
# Output seen:
#   all relevant items come first, in a list of 1 and in one of 10: MAP 1.00 at 1, 3.00 at 5, 5.50 at 10
#   relevant at places 1 and 3 of 10, rows sorted by rank: MAP 0.83
#   relevant at places 1 and 3 of 10, rows the other way round: MAP 2.18
#   lists of 2 items with nothing in common: diversity 0.50
#   lists of 3 items with nothing in common: diversity 1.00
#   lists of 10 items with nothing in common: diversity 4.50
#
# So where some users have full lists and others short ones, or a table is ordered by item or time, as tables are, the number
# says nothing about the ranking: it rises if lists get shorter, or rows are shuffled.
#
# What works: for MAP, rows sorted by user and rank, and short lists filled up to k with items that aren't relevant; for
# diversity, lists of one length n, and the value times 2 / (n - 1).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile \
  evidently==0.7.23 pandas==2.3.3 numpy==2.4.6 scikit-learn==1.9.1 scipy==1.17.1
cat > "$work/averages.py" <<'PYTHON'
import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Recsys, Report
from evidently.metrics import MAP, Diversity
from sklearn.metrics import average_precision_score

FEATURES = [f"feature-{n}" for n in range(10)]


def table(lists):
    """A row for each item of each user's list, best first."""
    rows = [
        (user, item, target, 1 - item / 100, *np.eye(10)[item])
        for user, targets in lists.items()
        for item, target in enumerate(targets)
    ]
    return pd.DataFrame(rows, columns=["user", "item", "target", "score", *FEATURES])


def measured(metric, rows):
    columns = Recsys(user_id="user", item_id="item", target="target", prediction="score")
    data = Dataset.from_pandas(rows, DataDefinition(ranking=[columns], numerical_columns=["target", "score", *FEATURES]))
    (found,) = Report([metric]).run(data, None).metric_results.values()
    return found.value


def average_precision(rows, k=10):
    values = measured(MAP(k=k), rows)
    return values.loc[values["rank"] == k, "value"].item()


first = [1] + [0] * 9
short = table({"ada": [1], "ben": first})
seen = ", ".join(f"{average_precision(short, k):.2f} at {k}" for k in (1, 5, 10))
print(f"all relevant items come first, in a list of 1 and in one of 10: MAP {seen}")
assert abs(average_precision(table({"ada": first, "ben": first})) - 1) < 1e-9

two = table({"ada": [1, 0, 1] + [0] * 7})
for how, rows in (("sorted by rank", two), ("the other way round", two[::-1])):
    print(f"relevant at places 1 and 3 of 10, rows {how}: MAP {average_precision(rows):.2f}")
assert abs(average_precision(two) - average_precision_score(two["target"], two["score"])) < 1e-9

for length in (2, 3, 10):
    rows = table({user: [1] + [0] * (length - 1) for user in ("ada", "ben")})
    value = measured(Diversity(k=10, item_features=FEATURES), rows)
    print(f"lists of {length} items with nothing in common: diversity {value:.2f}")
    assert abs(value * 2 / (length - 1) - 1) < 1e-9
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/averages.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
all relevant items come first, in a list of 1 and in one of 10: MAP 1.00 at 1, 3.00 at 5, 5.50 at 10
relevant at places 1 and 3 of 10, rows sorted by rank: MAP 0.83
relevant at places 1 and 3 of 10, rows the other way round: MAP 2.18
lists of 2 items with nothing in common: diversity 0.50
lists of 3 items with nothing in common: diversity 1.00
lists of 10 items with nothing in common: diversity 4.50
EXPECTED

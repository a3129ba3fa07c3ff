#!/usr/bin/env bash
# FairRankTune 0.0.7, with numpy 2.4.6, pandas 2.3.3 and scipy 1.17.1, on Python 3.11.
#
# `IAA` is documented (docs/metrics.md of its repository) as "the difference, via the L1 norm between the cumulative attention
# and cumulative relevance of items in the rankings", which tells "if a series of rankings is individually fair", after Biega,
# Gummadi and Weikum (SIGIR 2018), who amortise because no single ranking can be fair to each item. It takes a table with a
# column for each ranking and returns after the first column: all other rankings are passed in for nothing. `ARP` does read
# them all, but adds up what it documents as the average share of mixed pairs that a group wins, so its `MaxMinDiff`,
# documented as between 0 and 1, grows with the number of rankings.
#
# Output seen (two items of the same relevance, the mean of the attention that the two places get):
#   same order, 2 rankings: IAA 0.37, by the formula 0.74
#   same order, 100 rankings: IAA 0.37, by the formula 36.91
#   taking turns, 2 rankings: IAA 0.37, by the formula 0.00
#   taking turns, 100 rankings: IAA 0.37, by the formula 0.00
#   the first fair, 99 others in the same order: IAA 0.00, by the formula 36.54
#   one ranking, group a wins 3 of 4 mixed pairs: ARP 0.50
#   the same ranking 2 times: ARP 1.00
#   the same ranking 10 times: ARP 5.00
#
# So of the policies that the measure was made to tell apart, one that lets two equal items take turns and one that always shows
# the same one first, it finds no difference, and a fair first ranking hides whatever comes after it.
#
# What works: attention and relevance summed per item over the columns, then the absolute differences; for `ARP`, the value
# divided by the number of rankings with "MaxMinDiff", "MaxAbsDiff" and "MeanAbsDev".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  FairRankTune==0.0.7 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cat > "$work/series.py" <<'PYTHON'
import math
from collections import Counter

import pandas as pd
from FairRankTune import Metrics

MEAN = (1 + 1 / math.log2(3)) / 2  # what each of two items gets if they take turns


def by_the_formula(rankings, relevances):
    apart = Counter()
    for items, values in zip(rankings, relevances):
        for place, (item, value) in enumerate(zip(items, values), start=1):
            apart[item] += 1 / math.log2(place + 1) - value
    return sum(abs(value) for value in apart.values())


def table(columns):
    return pd.DataFrame(dict(enumerate(columns)))


def shown(what, rankings, relevances=None):
    relevances = relevances or [[MEAN, MEAN]] * len(rankings)
    seen = Metrics.IAA(table(rankings), table(relevances))
    print(f"{what}: IAA {seen:.2f}, by the formula {by_the_formula(rankings, relevances):.2f}")
    assert abs(seen - by_the_formula(rankings[:1], relevances[:1])) < 1e-9


for count in (2, 100):
    shown(f"same order, {count} rankings", [["x", "y"]] * count)
for count in (2, 100):
    shown(f"taking turns, {count} rankings", [["x", "y"], ["y", "x"]] * (count // 2))
exact = [1, 1 / math.log2(3)]  # relevances at which the order is fair by itself
shown("the first fair, 99 others in the same order", [["x", "y"]] * 100, [exact] + [[MEAN, MEAN]] * 99)

group = {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}
for count in (1, 2, 10):
    value, shares = Metrics.ARP(table([["a1", "b1", "a2", "b2"]] * count), group, "MaxMinDiff")
    what = "one ranking, group a wins 3 of 4 mixed pairs" if count == 1 else f"the same ranking {count} times"
    print(f"{what}: ARP {value:.2f}")
    assert abs(value / count - (3 / 4 - 1 / 4)) < 1e-9, shares
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/series.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
same order, 2 rankings: IAA 0.37, by the formula 0.74
same order, 100 rankings: IAA 0.37, by the formula 36.91
taking turns, 2 rankings: IAA 0.37, by the formula 0.00
taking turns, 100 rankings: IAA 0.37, by the formula 0.00
the first fair, 99 others in the same order: IAA 0.00, by the formula 36.54
one ranking, group a wins 3 of 4 mixed pairs: ARP 0.50
the same ranking 2 times: ARP 1.00
the same ranking 10 times: ARP 5.00
EXPECTED

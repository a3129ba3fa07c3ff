#!/usr/bin/env bash
# lenskit 2025.8.1, with numpy 2.4.6 and pandas 2.3.3, on Python 3.11.
#
# `lenskit.metrics.reranking` has two measures of what a re-ranker changed in the first n places, 10 by default.
# `rank_biased_overlap` goes down to place n even if the lists end before it, and shares what they have in common among the
# places that they don't have: a list of three items agrees with itself by 0.75, a list of one by 0.40. `least_item_promoted`
# says from how many places below the first n the lowest item was brought up. It counts places in the original list from 0
# but compares them with n, so an item that comes up from place 11 into the first 10 counts as none, and any other as one
# place less than it is.
#
# Output seen:
#   overlap of a list with itself, of length 1: 0.40
#   overlap of a list with itself, of length 3: 0.75
#   overlap of a list with itself, of length 5: 0.90
#   overlap of a list with itself, of length 10: 1.00
#   a re-ranker that swaps the first two of 10: 0.81
#   least item promoted into the first 10, from place 10: 0
#   least item promoted into the first 10, from place 11: 0
#   least item promoted into the first 10, from place 12: 1
#   least item promoted into the first 10, from place 20: 9
#
# So where users have few candidates, a re-ranker that changes nothing seems to change more than one that alters the top of
# every full list, and the mean mostly says how long the lists are. And 0 promoted can mean that one was, from just below the
# cut, whence most are.
#
# What works: for the overlap, an n no larger than the longer of the two lists; for the promotion, the largest place, counted
# from 1, that an item of the first n had before, less n.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check lenskit==2025.8.1 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cat > "$work/rerank.py" <<'PYTHON'
from lenskit.data import ItemList
from lenskit.metrics.reranking import least_item_promoted, rank_biased_overlap


def ranked(items):
    return ItemList(list(items), ordered=True)


for length in (1, 3, 5, 10):
    same = ranked(range(1, length + 1))
    print(f"overlap of a list with itself, of length {length}: {rank_biased_overlap(same, same):.2f}")
    assert abs(rank_biased_overlap(same, same, n=length) - 1) < 1e-9
swapped = ranked([2, 1, *range(3, 11)])
print(f"a re-ranker that swaps the first two of 10: {rank_biased_overlap(ranked(range(1, 11)), swapped):.2f}")
before = range(1, 21)
for place in (10, 11, 12, 20):
    after = [place, *(item for item in before if item != place)]
    found = least_item_promoted(ranked(before), ranked(after))
    print(f"least item promoted into the first 10, from place {place}: {found}")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/rerank.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
overlap of a list with itself, of length 1: 0.40
overlap of a list with itself, of length 3: 0.75
overlap of a list with itself, of length 5: 0.90
overlap of a list with itself, of length 10: 1.00
a re-ranker that swaps the first two of 10: 0.81
least item promoted into the first 10, from place 10: 0
least item promoted into the first 10, from place 11: 0
least item promoted into the first 10, from place 12: 1
least item promoted into the first 10, from place 20: 9
EXPECTED

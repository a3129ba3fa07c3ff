#!/usr/bin/env bash
# ranx 0.3.21 with numpy 2.4.6 and numba 0.68.1.
#
# A run gives each document of a query a score, and ranx sorts by it. Metrics of the first places should not
# depend on documents that score less than all of these. With tied scores they do: ranx's sort isn't stable, and
# which of the tied documents comes first changes with the number of documents below them. Up to 15 documents in
# all, ties stay in the order in which the run names them; from 16 on, that order is any.
#
# Output seen (the relevant document is named first in the run, and ties with nine others):
#   10 tied documents alone: reciprocal rank 1.000, ndcg@5 1.000
#   ... and 5 documents that score less: reciprocal rank 1.000, ndcg@5 1.000
#   ... and 6 documents that score less: reciprocal rank 0.111, ndcg@5 0.000
#   ... and 11 documents that score less: reciprocal rank 1.000, ndcg@5 1.000
#
# So of two recommenders whose scores tie often (counts, rounded scores, rules), ranx may prefer one for where it
# cuts its lists. What works: to make scores distinct before, such as by the place in the list.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ranx==0.3.21 numpy==2.4.6 numba==0.68.1
cat > "$work/ties.py" <<'PYTHON'
import warnings

warnings.filterwarnings("ignore")
from ranx import Qrels, Run, evaluate


def metrics(below: int, distinct: bool = False) -> tuple[float, float]:
    scores = {f"tied-{n}": 1.0 - n * 1e-6 * distinct for n in range(10)}
    scores |= {f"below-{n}": 0.5 - n * 1e-3 for n in range(below)}
    found = evaluate(Qrels({"q": {"tied-0": 1}}), Run({"q": scores}), ["mrr", "ndcg@5"])
    return float(found["mrr"]), float(found["ndcg@5"])


seen = {below: metrics(below) for below in (0, 5, 6, 11)}
for below, (mrr, ndcg) in seen.items():
    what = f"... and {below} documents that score less" if below else "10 tied documents alone"
    print(f"{what}: reciprocal rank {mrr:.3f}, ndcg@5 {ndcg:.3f}")
assert seen[0] == seen[5] == (1, 1), seen
assert seen[6][1] == 0 and seen[6][0] < 0.2, seen
assert all(metrics(below, distinct=True) == (1, 1) for below in range(31))
PYTHON
"$work/venv/bin/python" "$work/ties.py"

#!/usr/bin/env bash
# ir-measures 0.4.3, with pytrec-eval-terrier 0.5.11, numpy 2.4.6 and scipy 1.17.1, on Python 3.11.
#
# `RR` is the reciprocal rank of the first relevant document, and "an optional cutoff can be provided to limit the depth explored".
# Without one it comes from pytrec_eval, which ranks the greater id first where scores are equal; with one it comes from MS MARCO's
# code, and the smaller id is ranked first. `Judged` goes with that one, while P, nDCG, AP, R and Success go with the other. So
# one call makes one table of two rankings. The documentation says nothing of ties; an issue that asks for it (18) is open since 2021.
#
# Output seen (in the last three lines 1,000 queries, 20 candidates numbered as they were found, the one relevant often early):
#   a and b have equal scores, a is relevant: P@1 0.00, nDCG@1 0.00, Success@1 0.00, RR 0.50, RR@1 1.00, RR@2 1.00, Judged@1 1.00
#   a and b have equal scores, b is relevant: P@1 1.00, nDCG@1 1.00, Success@1 1.00, RR 1.00, RR@1 0.00, RR@2 0.50, Judged@1 0.00
#   grades of 0 to 3: RR 0.41, RR@20 0.61, nDCG@20 0.55, Success@1 0.20, RR@1 0.44
#   the same before they were rounded: RR 0.58, RR@20 0.58, nDCG@20 0.68, Success@1 0.41, RR@1 0.41
#   one grade for all: RR 0.08, RR@20 0.39, nDCG@20 0.26, Success@1 0.01, RR@1 0.19
#
# So of a re-ranker that knows few scores, as a language model that gives grades, RR@10 and nDCG@10 tell opposite things: the one
# leaves ties in the order of the first stage and the other turns it round, if ids are in that order. A reciprocal rank above
# nDCG, where one document is relevant, is a sign of it.
#
# What works: runs without ties, such as 1 / place of what is shown in place of the score.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  ir-measures==0.4.3 pytrec-eval-terrier==0.5.11 numpy==2.4.6 scipy==1.17.1
cat > "$work/ties.py" <<'PYTHON'
import ir_measures
import numpy as np
from ir_measures import RR, Judged, P, Success, nDCG

QUERIES, CANDIDATES = 1_000, 20


def said(measures, relevant, run):
    found = ir_measures.calc_aggregate(measures, {query: {name: 1} for query, name in relevant.items()}, run)
    return ", ".join(f"{measure} {found[measure]:.2f}" for measure in measures)


for name in ("a", "b"):
    values = said([P @ 1, nDCG @ 1, Success @ 1, RR, RR @ 1, RR @ 2, Judged @ 1], {"q": name}, {"q": {"a": 1.0, "b": 1.0}})
    print(f"a and b have equal scores, {name} is relevant: {values}")

rng = np.random.default_rng(0)
places = np.minimum(rng.geometric(0.2, QUERIES) - 1, CANDIDATES - 1)
relevant = {f"q{query}": f"{place:02}" for query, place in enumerate(places)}
suits = rng.normal(1, 1, (QUERIES, CANDIDATES)) + 1.5 * (np.arange(CANDIDATES) == places[:, None])
for what, scores in {
    "grades of 0 to 3": np.clip(np.round(suits), 0, 3),
    "the same before they were rounded": suits,
    "one grade for all": np.ones_like(suits),
}.items():
    run = {f"q{query}": {f"{n:02}": float(score) for n, score in enumerate(row)} for query, row in enumerate(scores)}
    print(f"{what}: {said([RR, RR @ CANDIDATES, nDCG @ CANDIDATES, Success @ 1, RR @ 1], relevant, run)}")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/ties.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
a and b have equal scores, a is relevant: P@1 0.00, nDCG@1 0.00, Success@1 0.00, RR 0.50, RR@1 1.00, RR@2 1.00, Judged@1 1.00
a and b have equal scores, b is relevant: P@1 1.00, nDCG@1 1.00, Success@1 1.00, RR 1.00, RR@1 0.00, RR@2 0.50, Judged@1 0.00
grades of 0 to 3: RR 0.41, RR@20 0.61, nDCG@20 0.55, Success@1 0.20, RR@1 0.44
the same before they were rounded: RR 0.58, RR@20 0.58, nDCG@20 0.68, Success@1 0.41, RR@1 0.41
one grade for all: RR 0.08, RR@20 0.39, nDCG@20 0.26, Success@1 0.01, RR@1 0.19
EXPECTED

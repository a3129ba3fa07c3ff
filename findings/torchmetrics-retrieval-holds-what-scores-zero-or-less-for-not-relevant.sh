#!/usr/bin/env bash
# torchmetrics 1.9.0 with torch 2.14.1 and numpy 2.4.6.
#
# Retrieval metrics take a score and a relevance for each document of a query. Adding the same number to all scores
# changes no order, so it should change no metric of one. In four of nine it does: average precision, reciprocal
# rank, precision and recall count a relevant document whose score is zero or less as if it weren't relevant.
# Normalised DCG, hit rate, R-precision, fall-out and AUROC of the same scores stay as they are.
#
# Output seen (relevant, not, relevant, not; scores 2, 1, 0.5, 0.1, then each less 1, then each less 10):
#   RetrievalMAP            0.8333 1.0000 0.0000
#   RetrievalMRR            1.0000 1.0000 0.0000
#   RetrievalPrecision      0.5000 0.2500 0.0000
#   RetrievalRecall         1.0000 0.5000 0.0000
#   RetrievalNormalizedDCG  0.9197 0.9197 0.9197
#   RetrievalHitRate        1.0000 1.0000 1.0000
#   RetrievalRPrecision     0.5000 0.5000 0.5000
#   RetrievalFallOut        1.0000 1.0000 1.0000
#   RetrievalAUROC          0.7500 0.7500 0.7500
#
# So the metrics of a ranker whose scores are log-odds, logits, cosines or negative distances can't be trusted, and
# average precision even rises, since what falls below zero is taken out of what had to be found. What works: any
# positive scores of the same order, such as a sigmoid of them or 1 / place.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.14.1 numpy==2.4.6
cat > "$work/shifted.py" <<'PYTHON'
import torch
from torchmetrics import retrieval

RELEVANT = torch.tensor([True, False, True, False])
SCORES = torch.tensor([2.0, 1.0, 0.5, 0.1])
QUERY = torch.zeros(4, dtype=torch.long)


def measured(name: str, scores: torch.Tensor) -> float:
    metric = getattr(retrieval, name)()
    metric.update(scores, RELEVANT, indexes=QUERY)
    return round(float(metric.compute()), 4)


moved = {
    "RetrievalMAP": [0.8333, 1.0, 0.0],
    "RetrievalMRR": [1.0, 1.0, 0.0],
    "RetrievalPrecision": [0.5, 0.25, 0.0],
    "RetrievalRecall": [1.0, 0.5, 0.0],
}
still = ("NormalizedDCG", "HitRate", "RPrecision", "FallOut", "AUROC")
for name in [*moved, *(f"Retrieval{each}" for each in still)]:
    seen = [measured(name, SCORES - less) for less in (0, 1, 10)]
    print(f"{name:<23}", *(f"{value:.4f}" for value in seen))
    assert seen == moved.get(name, seen[:1] * 3), name
    assert measured(name, torch.sigmoid(SCORES - 10)) == seen[0], name
PYTHON
"$work/venv/bin/python" "$work/shifted.py"

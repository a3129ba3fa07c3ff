#!/usr/bin/env bash
# sentence-transformers 6.2.0, with torch 2.13.0, transformers 5.24.0, scikit-learn 1.9.1 and numpy 2.4.6, on Python 3.11, on a CPU.
#
# `CrossEncoderRerankingEvaluator` tells MAP, MRR and NDCG of a first stage's `documents` and of what a re-ranker makes of them, "to
# measure the improvement of the reranking on top of a first-stage retrieval". With `always_rerank_positives=False`, the "more
# realistic evaluation", scores end below 1 where the first stage missed a relevant document, as the docstring says. That holds
# for the first stage only, to whose list the missed ones are added. For the re-ranker they never existed: the ideal of its NDCG and
# the divisor of its MAP know only what was found. A re-ranker that changes nothing is an improvement.
#
# Output seen (five queries, a relevant document in one of the first five places of ten):
#   nothing missed, order kept: MAP 0.46 -> 0.46, MRR@10 0.46 -> 0.46, NDCG@10 0.59 -> 0.59
#   nothing missed, relevant two places down: MAP 0.46 -> 0.22, MRR@10 0.46 -> 0.22, NDCG@10 0.59 -> 0.40
#   another missed, order kept: MAP 0.32 -> 0.46, MRR@10 0.46 -> 0.46, NDCG@10 0.36 -> 0.59
#   another missed, relevant two places down: MAP 0.32 -> 0.22, MRR@10 0.46 -> 0.22, NDCG@10 0.36 -> 0.40
#
# So of two first stages the one that misses more makes any re-ranker look better, and by NDCG, by which models are kept, even one
# that does harm. A pull request (4054) that mends it is open since September 2026.
#
# What works: to compare with a re-ranker that keeps the order, as here, in place of the base; or, if every candidate's score is
# known, `ndcg_score` over all relevant documents with the missed ones last.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  sentence-transformers==6.2.0 torch==2.13.0 transformers==5.24.0 scikit-learn==1.9.1 numpy==2.4.6
cat > "$work/base.py" <<'PYTHON'
from types import SimpleNamespace

import numpy as np
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator


class InOrder:
    """In place of a cross-encoder: ranks documents as they were found, with what is relevant put down by some places."""

    model_card_data = SimpleNamespace(set_evaluation_metrics=lambda *_: None)

    def __init__(self, down):
        self.down = down

    def predict(self, pairs, **_):
        return np.array([self.score(*document.split()) for _, document in pairs])

    def score(self, kind, place):
        return -float(place) - (self.down + 0.5 if kind == "relevant" and self.down else 0)


def sample(found_at, missed):
    documents = [f"{'relevant' if place == found_at else 'other'} {place}" for place in range(1, 11)]
    return {"query": "query", "positive": [f"relevant {found_at}", *missed], "documents": documents}


for what, missed in {"nothing missed": [], "another missed": ["relevant 11"]}.items():
    samples = [sample(place, missed) for place in range(1, 6)]
    evaluate = CrossEncoderRerankingEvaluator(samples, always_rerank_positives=False, write_csv=False)
    for how, down in {"order kept": 0, "relevant two places down": 2}.items():
        told = evaluate(InOrder(down))
        pairs = (f"{name.upper()} {told[f'base_{name}']:.2f} -> {told[name]:.2f}" for name in ("map", "mrr@10", "ndcg@10"))
        print(f"{what}, {how}: {', '.join(pairs)}")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/base.py" 2> /dev/null | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
nothing missed, order kept: MAP 0.46 -> 0.46, MRR@10 0.46 -> 0.46, NDCG@10 0.59 -> 0.59
nothing missed, relevant two places down: MAP 0.46 -> 0.22, MRR@10 0.46 -> 0.22, NDCG@10 0.59 -> 0.40
another missed, order kept: MAP 0.32 -> 0.46, MRR@10 0.46 -> 0.46, NDCG@10 0.36 -> 0.59
another missed, relevant two places down: MAP 0.32 -> 0.22, MRR@10 0.46 -> 0.22, NDCG@10 0.36 -> 0.40
EXPECTED

#!/usr/bin/env bash
# keras-rs 0.4.0 with keras 3.15.1, torch 2.13.0, jax 0.10.2 and numpy 2.4.6, on Python 3.11, on a CPU.
#
# Its ranking metrics take `shuffle_ties`: "whether to randomly shuffle scores before sorting. This is done to break ties"; without,
# ties should stay in the order of the list. With torch each score is then lowered by a millionth of its place, tied or not: item
# 10,000 loses 0.01. Scores of a softmax over many items are smaller than that, so the list's own order is what is evaluated. With jax,
# nothing is subtracted, but ties are shuffled all the same. With shuffled ties, the default, both backends rank as they should.
#
# Output seen (200 lists; the one relevant item is among the first three by its score, wherever it stands in the list):
#   torch, 1,000 items, logits: NDCG@10 0.69 with shuffled ties, 0.69 without
#   torch, 1,000 items, softmax: NDCG@10 0.69 with shuffled ties, 0.69 without
#   torch, 10,000 items, logits: NDCG@10 0.68 with shuffled ties, 0.68 without
#   torch, 10,000 items, softmax: NDCG@10 0.68 with shuffled ties, 0.18 without
#   torch, ten tied items, the first is relevant, 20 times: 1 different MRR without shuffled ties
#   jax, 1,000 items, logits: NDCG@10 0.69 with shuffled ties, 0.69 without
#   jax, 1,000 items, softmax: NDCG@10 0.69 with shuffled ties, 0.69 without
#   jax, 10,000 items, logits: NDCG@10 0.68 with shuffled ties, 0.68 without
#   jax, 10,000 items, softmax: NDCG@10 0.68 with shuffled ties, 0.68 without
#   jax, ten tied items, the first is relevant, 20 times: more than one different MRR without shuffled ties
#
# So whoever asks for numbers that don't change from run to run loses three quarters of NDCG with torch, without a word, and the more
# items are ranked the more. A pull request (205) that mends both is open since September 2026.
#
# What works: shuffled ties and a `seed`; or logits, which lie further apart, in place of probabilities.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  keras-rs==0.4.0 keras==3.15.1 torch==2.13.0 jax==0.10.2 numpy==2.4.6
cat > "$work/ties.py" <<'PYTHON'
import keras
import keras_rs
import numpy as np

LISTS = 200
BACKEND = keras.backend.backend()
rng = np.random.default_rng(0)


def measured(metric, scores, relevant, shuffle):
    metric = metric(k=10, shuffle_ties=shuffle, seed=0 if shuffle else None)
    metric.update_state(relevant.astype("float32"), scores.astype("float32"))
    return float(metric.result())


for items in (1_000, 10_000):
    logits = rng.normal(size=(LISTS, items))
    relevant = np.zeros_like(logits)
    best = np.argsort(-logits, axis=1)
    relevant[np.arange(LISTS), best[np.arange(LISTS), rng.integers(0, 3, LISTS)]] = 1
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for what, scores in {"logits": logits, "softmax": softmax}.items():
        found = [measured(keras_rs.metrics.NDCG, scores, relevant, shuffle) for shuffle in (True, False)]
        print(f"{BACKEND}, {items:,} items, {what}: NDCG@10 {found[0]:.2f} with shuffled ties, {found[1]:.2f} without")
tied, first = np.full((1, 10), 0.5), np.eye(1, 10)
found = {measured(keras_rs.metrics.MeanReciprocalRank, tied, first, False) for _ in range(20)}
many = 1 if len(found) == 1 else "more than one"
print(f"{BACKEND}, ten tied items, the first is relevant, 20 times: {many} different MRR without shuffled ties")
PYTHON
for backend in torch jax; do
  OMP_NUM_THREADS=1 KERAS_BACKEND=$backend KERAS_HOME="$work" "$work/venv/bin/python" -W ignore "$work/ties.py"
done | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
torch, 1,000 items, logits: NDCG@10 0.69 with shuffled ties, 0.69 without
torch, 1,000 items, softmax: NDCG@10 0.69 with shuffled ties, 0.69 without
torch, 10,000 items, logits: NDCG@10 0.68 with shuffled ties, 0.68 without
torch, 10,000 items, softmax: NDCG@10 0.68 with shuffled ties, 0.18 without
torch, ten tied items, the first is relevant, 20 times: 1 different MRR without shuffled ties
jax, 1,000 items, logits: NDCG@10 0.69 with shuffled ties, 0.69 without
jax, 1,000 items, softmax: NDCG@10 0.69 with shuffled ties, 0.69 without
jax, 10,000 items, logits: NDCG@10 0.68 with shuffled ties, 0.68 without
jax, 10,000 items, softmax: NDCG@10 0.68 with shuffled ties, 0.68 without
jax, ten tied items, the first is relevant, 20 times: more than one different MRR without shuffled ties
EXPECTED

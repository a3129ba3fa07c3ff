#!/usr/bin/env bash
# recbole 1.2.1, with numpy 2.4.6, scipy 1.17.1 and scikit-learn 1.9.1, on Python 3.11. Only its module of metrics is
# loaded, without torch, which these metrics don't call; `Evaluator` with torch 2.14.1 gives the same numbers.
#
# `ShannonEntropy` is documented as the entropy of the items that are shown, -sum p log p, and as a measure of diversity of which more is
# better. Here the sum is divided by the number of different items shown. So from the third item on, each further one lowers it if all are
# shown equally often: the list that is the same for everyone is the most diverse of all, and `valid_metric: ShannonEntropy@10` prefers
# models that show fewer items. (A pull request of 2025, still open when last seen, takes the sum: RUCAIBox/RecBole 2165.)
#
# `TailPercentage` is documented as the share of the items that are seldom in training. Its tail is taken from the items that training
# has: one without an interaction counts as one of the head does, though it is ranked like any other. And if items with equally many
# interactions lie across the border, the lower internal ids, which are those that the data name first, are the tail. No issue was found.
#
# Output seen (1000 users, lists of ten; training has 10 items with 100 interactions, 980 with one; 10 items have none):
#   the same ten items for all: entropy 0.230, by its formula 2.303
#   100 items, as often each: entropy 0.046, by its formula 4.605
#   all 1000 items, as often each: entropy 0.007, by its formula 6.908
#   tail of 10%, items with 100 interactions: 0.00
#   tail of 10%, the first items with one: 1.00
#   tail of 10%, the last items with one: 0.00
#   tail of 10%, items with none: 0.00
#   tail of up to 5 interactions, items with 100 interactions: 0.00
#   tail of up to 5 interactions, the first items with one: 1.00
#   tail of up to 5 interactions, the last items with one: 1.00
#   tail of up to 5 interactions, items with none: 0.00
#
# So a re-ranker that makes room for the tail lowers the entropy, and one that makes room for new items doesn't raise the share of the tail.
#
# What works: the entropy times the number of different items shown, or `GiniIndex`; a `tail_ratio` above 1, which is a number of
# interactions and knows no ties; and a count of one's own of the items without any.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
pip --no-deps recbole==1.2.1
cat > "$work/tail.py" <<'PYTHON'
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

home = Path(importlib.util.find_spec("recbole").origin).parent
for name in ("recbole", "recbole.evaluator", "recbole.utils", "torch"):  # packages without what they import
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [str(home.parent.joinpath(*name.split(".")))]
sys.modules["torch"].Tensor = object
sys.modules["recbole.utils"].EvaluatorType = importlib.import_module("recbole.utils.enum_type").EvaluatorType
metrics = importlib.import_module("recbole.evaluator.metrics")

USERS, K = 1000, 10
assert metrics.ShannonEntropy.smaller is False


def settings(**others):
    return {"topk": [K], "metric_decimal_place": 4, **others}


def formula(shown):
    p = np.unique(shown, return_counts=True)[1] / shown.size
    return -np.sum(p * np.log(p))


for what, items in {
    "the same ten items for all": 10,
    "100 items, as often each": 100,
    "all 1000 items, as often each": 1000,
}.items():
    shown = 1 + np.arange(USERS * K).reshape(USERS, K) % items
    entropy = metrics.ShannonEntropy(settings()).get_entropy(shown)
    print(f"{what}: entropy {entropy:.3f}, by its formula {formula(shown):.3f}")

training = {item: 100 if item <= 10 else 1 for item in range(1, 991)}
for tail, ratio in {"10%": 0.1, "up to 5 interactions": 5}.items():
    metric = metrics.TailPercentage(settings(tail_ratio=ratio))
    for what, first in {
        "items with 100 interactions": 1,
        "the first items with one": 11,
        "the last items with one": 981,
        "items with none": 991,
    }.items():
        shown = np.tile(np.arange(first, first + K), (USERS, 1))
        share = metric.topk_result("tail", metric.metric_info(metric.get_tail(shown, training)))["tail@10"]
        print(f"tail of {tail}, {what}: {share:.2f}")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/tail.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
the same ten items for all: entropy 0.230, by its formula 2.303
100 items, as often each: entropy 0.046, by its formula 4.605
all 1000 items, as often each: entropy 0.007, by its formula 6.908
tail of 10%, items with 100 interactions: 0.00
tail of 10%, the first items with one: 1.00
tail of 10%, the last items with one: 0.00
tail of 10%, items with none: 0.00
tail of up to 5 interactions, items with 100 interactions: 0.00
tail of up to 5 interactions, the first items with one: 1.00
tail of up to 5 interactions, the last items with one: 1.00
tail of up to 5 interactions, items with none: 0.00
EXPECTED

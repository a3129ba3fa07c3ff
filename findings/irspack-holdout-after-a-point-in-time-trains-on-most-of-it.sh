#!/usr/bin/env bash
# irspack 0.5.2, with numpy 2.4.6, pandas 3.1.1 and scipy 1.17.1, on Python 3.11.
#
# `holdout_specific_interactions` holds out what an indicator names. Its docstring says what for: one may "split the dataframe by a
# certain timepoint, and ensure that no information after that timepoint contaminates the training set". But users who have something
# to be held out are parted in three, and those for training keep all of it: by default three fifths of what came after is trained on.
#
# Output seen (1,000 users; at the time of the cut everyone turns from 1,000 old items to 20 new ones, which nobody had before; what
# came after is held out, and items are recommended to the users of the test by popularity in training):
#   by default, 0.2 for validation and 0.2 for the test: trained on 59% of what came after, recall@10 0.48
#   0.4 and 0.4: trained on 20% of what came after, recall@10 0.37
#   0.5 and 0.5: trained on 0% of what came after, recall@10 0.00
#
# So a model of popularity knows the new items, and a test that was meant to be of the future finds half of what could not be known.
#
# What works: `validatable_user_ratio_val` and `validatable_user_ratio_test` that sum to 1, so that nothing after the cut is left for
# training; or the log cut by time first.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check irspack==0.5.2 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1
cat > "$work/holdout.py" <<'PYTHON'
import numpy as np
import pandas as pd
import scipy.sparse as sps
from irspack import Evaluator, TopPopRecommender
from irspack.split import holdout_specific_interactions

USERS, OLD, NEW, CUT = 1_000, 1_000, 20, 90
rng = np.random.default_rng(0)
rows = []
for user in range(USERS):
    times, old, new = rng.integers(0, 100, 20), rng.permutation(OLD), rng.permutation(NEW)
    rows += [(user, OLD + n if time >= CUT else o, time) for time, o, n in zip(times, old, new)]
log = pd.DataFrame(rows, columns=["user", "item", "time"])
after = (log.time >= CUT).to_numpy()
later = set(zip(log.user[after], log.item[after]))
assert log.item[after].min() > log.item[~after].max()

for what, val, test in (
    ("by default, 0.2 for validation and 0.2 for the test", 0.2, 0.2),
    ("0.4 and 0.4", 0.4, 0.4),
    ("0.5 and 0.5", 0.5, 0.5),
):
    items, parts = holdout_specific_interactions(log, "user", "item", after, val, test, random_state=0)
    train, tested = parts["train"], parts["test"]
    users, columns = train.X_train.nonzero()
    trained = sum((train.user_ids[user], items[column]) in later for user, column in zip(users, columns))
    model = TopPopRecommender(sps.vstack([train.X_train, tested.X_train], format="csr")).learn()
    recall = Evaluator(tested.X_test, offset=train.n_users, cutoff=10, n_threads=1).get_score(model)["recall"]
    print(f"{what}: trained on {trained / len(later):.0%} of what came after, recall@10 {recall:.2f}")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/holdout.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
by default, 0.2 for validation and 0.2 for the test: trained on 59% of what came after, recall@10 0.48
0.4 and 0.4: trained on 20% of what came after, recall@10 0.37
0.5 and 0.5: trained on 0% of what came after, recall@10 0.00
EXPECTED

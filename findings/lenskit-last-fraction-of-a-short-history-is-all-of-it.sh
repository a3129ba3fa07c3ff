#!/usr/bin/env bash
# lenskit 2025.8.1, with numpy 2.4.6 and pandas 2.3.3, on Python 3.11.
#
# `LastFrac(0.1)` holds out the last tenth of what each user did, rounded. A tenth of five or fewer rounds to 0, and the last
# 0 rows are taken by a slice, `[-0:]`, which is all of them: the whole history of such a user goes to the test, and nothing
# stays for training. Of a user with six interactions, one goes. Nothing warns of it. `SampleFrac`, the same at random, takes
# none where the share rounds to 0, and does warn.
#
# Output seen (users with 1 to 8 interactions, and how many of these are held out at a tenth):
#   interactions: 1 2 3 4 5 6 7 8
#   LastFrac:     1 2 3 4 5 1 1 1
#   SampleFrac:   0 0 0 0 0 1 1 1
#   1,000 users with a median of 6 interactions, a tenth asked for:
#   LastFrac:     held out 26% of the interactions; 476 of 1000 users have none left in training
#   SampleFrac:   held out 9% of the interactions; 0 of 1000 users have none left in training
#
# So where most histories are short, half of the users that a recommender is tested on are strangers to it, though a split
# within each user's history is meant to rule that out, and of two recommenders the one that serves strangers better wins.
# What works: to leave users with no more than 0.5 / fraction interactions out of the split, or `LastN(1)` for all with two
# or more (`LastN(n)` takes everything from users with n or fewer as well).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check lenskit==2025.8.1 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cat > "$work/histories.py" <<'PYTHON'
import numpy as np
import pandas as pd
from lenskit.data import from_interactions_df
from lenskit.splitting import LastFrac, SampleFrac, crossfold_users

METHODS = {"LastFrac": LastFrac(0.1), "SampleFrac": SampleFrac(0.1, rng=0)}


def held_out(lengths, method):
    """How many interactions of each user are in the test, and how many are left for training."""
    user = np.repeat(np.arange(len(lengths)), lengths)
    item = np.concatenate([np.arange(length) for length in lengths])
    data = from_interactions_df(pd.DataFrame({"user_id": user, "item_id": item, "timestamp": np.arange(len(user))}))
    (split,) = crossfold_users(data, 1, method, rng=0)
    tested = pd.Series({key.user_id: len(items) for key, items in split.test}).sort_index()
    kept = split.train.interaction_table(format="pandas", original_ids=True)["user_id"].value_counts()
    return tested.to_numpy(), kept.reindex(tested.index, fill_value=0).to_numpy()


print("interactions:", *range(1, 9))
for name, method in METHODS.items():
    print(f"{name + ':':<13}", *held_out(np.arange(1, 9), method)[0])
lengths = np.random.default_rng(0).geometric(0.13, 1_000)
print(f"1,000 users with a median of {np.median(lengths):.0f} interactions, a tenth asked for:")
for name, method in METHODS.items():
    tested, kept = held_out(lengths, method)
    assert (tested + kept == lengths).all()
    share = f"held out {tested.sum() / lengths.sum():.0%} of the interactions"
    print(f"{name + ':':<13} {share}; {(kept == 0).sum()} of {len(kept)} users have none left in training")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/histories.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
interactions: 1 2 3 4 5 6 7 8
LastFrac:     1 2 3 4 5 1 1 1
SampleFrac:   0 0 0 0 0 1 1 1
1,000 users with a median of 6 interactions, a tenth asked for:
LastFrac:     held out 26% of the interactions; 476 of 1000 users have none left in training
SampleFrac:   held out 9% of the interactions; 0 of 1000 users have none left in training
EXPECTED

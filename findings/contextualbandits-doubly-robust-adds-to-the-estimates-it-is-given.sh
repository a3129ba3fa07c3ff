#!/usr/bin/env bash
# contextualbandits 0.3.30, with numpy 2.4.6, pandas 3.1.1 and scikit-learn 1.9.1, on Python 3.11; it needs a C++ compiler.
#
# `evaluateDoublyRobust` takes an array of estimated rewards, one column for the actions of the new policy and one for those
# that were logged, and corrects the first column by what was seen. It does so in the caller's array. The number it returns is
# right once; whoever calls it again with the same array gets the correction on top of the last one, every time. So does
# everything else that is done with these estimates afterwards. Nothing warns of it.
#
# Output seen (20,000 rows, logged at 50% each; every action of the new policy pays 0.3, and is estimated to pay 0.2):
#   one array, no probability below any of the bounds:
#   pmin=0.01: 0.297
#   pmin=0.02: 0.395
#   pmin=0.05: 0.492
#   pmin=0.1: 0.589
#   a copy of the array for each call:
#   pmin=0.01: 0.297
#   pmin=0.02: 0.297
#   pmin=0.05: 0.297
#   pmin=0.1: 0.297
#   mean of the estimates before and after a call: 0.200, 0.297
#
# So a look at how the value hangs on the clipping shows a trend that isn't there, and the estimate by the model alone, if it is
# taken from the same column afterwards, agrees with the doubly robust one to the last digit.
#
# What works: `estimates.copy()` for each call. With `estimates.flags.writeable = False` the call fails rather than write.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  contextualbandits==0.3.30 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 scipy==1.17.1
cat > "$work/twice.py" <<'PYTHON'
import numpy as np
from contextualbandits.evaluation import evaluateDoublyRobust

ROWS = 20_000
rng = np.random.default_rng(0)
features = rng.normal(size=(ROWS, 2))
logged = rng.integers(0, 2, ROWS)
reward = (rng.random(ROWS) < np.where(logged == 1, 0.3, 0.1)).astype(float)
probability = np.full(ROWS, 0.5)
new = np.ones(ROWS, dtype=int)
estimates = np.column_stack([np.full(ROWS, 0.2), np.where(logged == 1, 0.2, 0.1)])
by_hand = np.mean(0.2 + (logged == new) * (reward - 0.2) / 0.5)


def value(given, pmin=1e-5):
    return evaluateDoublyRobust(new, features, logged, reward, probability, given, pmin=pmin)


print("one array, no probability below any of the bounds:")
shared = estimates.copy()
for pmin in (0.01, 0.02, 0.05, 0.1):
    print(f"pmin={pmin}: {value(shared, pmin):.3f}")
print("a copy of the array for each call:")
for pmin in (0.01, 0.02, 0.05, 0.1):
    found = value(estimates.copy(), pmin)
    print(f"pmin={pmin}: {found:.3f}")
    assert abs(found - by_hand) < 1e-9
before = estimates[:, 0].mean()
value(estimates)
print(f"mean of the estimates before and after a call: {before:.3f}, {estimates[:, 0].mean():.3f}")
estimates.flags.writeable = False
try:
    value(estimates)
except ValueError as error:
    assert "read-only" in str(error)
else:
    raise AssertionError("written to an array that can't be")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/twice.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
one array, no probability below any of the bounds:
pmin=0.01: 0.297
pmin=0.02: 0.395
pmin=0.05: 0.492
pmin=0.1: 0.589
a copy of the array for each call:
pmin=0.01: 0.297
pmin=0.02: 0.297
pmin=0.05: 0.297
pmin=0.1: 0.297
mean of the estimates before and after a call: 0.200, 0.297
EXPECTED

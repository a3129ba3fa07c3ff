#!/usr/bin/env bash
# mabwiser 2.7.4, with numpy 2.4.6, pandas 3.1.1, scikit-learn 1.9.1 and scipy 1.17.1, on Python 3.11.
#
# The upper bound of `LinUCB` is documented as x b + alpha sqrt(x (X'X + l2_lambda I)^-1 x). An arm without data has X = 0 and
# b = 0, so its bound should be alpha |x| / sqrt(l2_lambda): the weaker the regularisation, the less is known of it and the
# larger the bonus. Until an arm has its first row, l2_lambda I is used where its inverse belongs, and the bonus is
# alpha |x| sqrt(l2_lambda). That holds for arms of `add_arm` and for those of which `fit` saw no row. The samples of `LinTS` for
# such arms are spread in the same way. With the default l2_lambda, 1, both are the same.
#
# Output seen (alpha 1 and |x| 1, an arm just added):
#   l2_lambda 0.01: bound 0.10, by the formula 10.00; LinTS is spread by 0.1, not by 10.0
#   l2_lambda 1: bound 1.00, by the formula 1.00; LinTS is spread by 1.0, not by 1.0
#   l2_lambda 100: bound 10.00, by the formula 0.10; LinTS is spread by 10.0, not by 0.1
#   two arms that pay 0.2 and 0.1, then one is added that pays 0.6; how often of 1,500 times LinUCB chooses it:
#   l2_lambda 0.01: never
#   l2_lambda 0.01, after a row of zeros: more than nine times of ten
#
# So where items come and go, weak regularisation, which is meant to trust the data, hides every new item for good as soon as
# the bounds of the old ones are above alpha |x| sqrt(l2_lambda): no row of the new one ever comes that would mend it.
#
# What works: l2_lambda=1, with contexts scaled instead; or, with scale=False, one `partial_fit` of each new arm with a context
# of zeros and a reward of 0, which adds nothing but makes the inverse.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  mabwiser==2.7.4 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 scipy==1.17.1
cat > "$work/new_arm.py" <<'PYTHON'
import numpy as np
from mabwiser.mab import MAB, LearningPolicy

PAYS = {"old": 0.2, "older": 0.1, "new": 0.6}
X = np.array([[0.6, 0.8]])


def contexts(rng, rows):
    angle = rng.uniform(0, np.pi / 2, rows)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def learned(policy, seed=0):
    """A bandit that knows two arms from 200 rows, and has just got a third."""
    rng = np.random.default_rng(seed)
    arms = rng.choice(["old", "older"], 200)
    rewards = np.array([float(rng.random() < PAYS[arm]) for arm in arms])
    bandit = MAB(["old", "older"], policy, seed=seed)
    bandit.fit(arms, rewards, contexts(rng, 200))
    bandit.add_arm("new")
    return bandit, rng


def row_of_zeros(bandit):
    bandit.partial_fit(["new"], [0], np.zeros_like(X))


def bound(bandit):
    return bandit.predict_expectations(X)["new"]


def spread(bandit):
    return np.std([each["new"] for each in bandit.predict_expectations(np.repeat(X, 20_000, axis=0))])


def chosen(strength, zeros):
    times = 0
    for seed in range(5):
        bandit, rng = learned(LearningPolicy.LinUCB(alpha=1, l2_lambda=strength), seed)
        if zeros:
            row_of_zeros(bandit)
        for x in contexts(rng, 300)[:, None]:
            arm = bandit.predict(x)
            bandit.partial_fit([arm], [float(rng.random() < PAYS[arm])], x)
            times += arm == "new"
    return times


for strength in (0.01, 1, 100):
    due = np.sqrt(X @ np.linalg.inv(strength * np.eye(2)) @ X.T).item()
    ucb, _ = learned(LearningPolicy.LinUCB(alpha=1, l2_lambda=strength))
    ts, _ = learned(LearningPolicy.LinTS(alpha=1, l2_lambda=strength))
    what = f"bound {bound(ucb):.2f}, by the formula {due:.2f}"
    print(f"l2_lambda {strength}: {what}; LinTS is spread by {spread(ts):.1f}, not by {due:.1f}")
    row_of_zeros(ucb)
    row_of_zeros(ts)
    assert abs(bound(ucb) - due) < 1e-9
    assert abs(spread(ts) / due - 1) < 0.05
print("two arms that pay 0.2 and 0.1, then one is added that pays 0.6; how often of 1,500 times LinUCB chooses it:")
print("l2_lambda 0.01:", chosen(0.01, zeros=False) or "never")
often = chosen(0.01, zeros=True)
print("l2_lambda 0.01, after a row of zeros:", "more than nine times of ten" if often > 1_350 else often)
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/new_arm.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
l2_lambda 0.01: bound 0.10, by the formula 10.00; LinTS is spread by 0.1, not by 10.0
l2_lambda 1: bound 1.00, by the formula 1.00; LinTS is spread by 1.0, not by 1.0
l2_lambda 100: bound 10.00, by the formula 0.10; LinTS is spread by 10.0, not by 0.1
two arms that pay 0.2 and 0.1, then one is added that pays 0.6; how often of 1,500 times LinUCB chooses it:
l2_lambda 0.01: never
l2_lambda 0.01, after a row of zeros: more than nine times of ten
EXPECTED

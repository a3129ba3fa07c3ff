#!/usr/bin/env bash
# obp 0.5.7, with numpy 2.4.6.
#
# Self-normalised importance sampling divides by the sum of the weights, which varies from log to log together with the sum
# of the weighted rewards. `SelfNormalizedInverseProbabilityWeighting.estimate_interval` divides once, by the mean weight of
# the log at hand, and resamples what comes out, so that the sum of the weights varies in no resample. Its interval is that
# of plain importance sampling, and too wide if rewards are far from 0. If every reward is 1, the estimate is 1 for any log:
# the interval should be a point, and ends above 1, which no reward is.
#
# Output seen (a target of 10% and 90%, logged at 50% each, 1,400 rows):
#   every reward is 1: estimate 1.00, interval 0.96 to 1.04
#   9 of 10 rewards are 1: interval more than 1.5 times as wide as that which holds 95% of the estimates of other logs
#
# What works: resample rows, and divide each resample by its own sum of weights; or take the influence of each row,
# w (r - estimate) / mean(w), and a normal interval.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 seaborn==0.13.2 pyyaml==6.0.3 tqdm==4.70.1 torch==2.13.0
pip --no-deps --ignore-requires-python obp==0.5.7  # it asks for Python below 3.11, but runs on later ones
cat > "$work/interval.py" <<'PYTHON'
import numpy as np
from obp.ope import SelfNormalizedInverseProbabilityWeighting

LOGGED, TARGET, ROWS = np.array([0.5, 0.5]), np.array([0.1, 0.9]), 1_400
snips = SelfNormalizedInverseProbabilityWeighting()
rng = np.random.default_rng(0)


def log(chance):
    action = rng.choice(2, ROWS, p=LOGGED)
    dist = np.broadcast_to(TARGET[None, :, None], (ROWS, 2, 1))
    reward = (rng.random(ROWS) < chance).astype(float)
    return {"reward": reward, "action": action, "pscore": LOGGED[action], "action_dist": dist}


def interval(given):
    found = snips.estimate_interval(**given, n_bootstrap_samples=2_000, random_state=0)
    return found["95.0% CI (lower)"], found["95.0% CI (upper)"]


ones = log(1.0)
low, high = interval(ones)
print(f"every reward is 1: estimate {snips.estimate_policy_value(**ones):.2f}, interval {low:.2f} to {high:.2f}")
estimates = [snips.estimate_policy_value(**log(0.9)) for _ in range(1_000)]
low, high = interval(log(0.9))
ratio = (high - low) / np.subtract(*np.quantile(estimates, [0.975, 0.025]))
times = "more than 1.5 times" if ratio > 1.5 else f"{ratio:.1f} times"
print(f"9 of 10 rewards are 1: interval {times} as wide as that which holds 95% of the estimates of other logs")
PYTHON
"$work/venv/bin/python" "$work/interval.py" 2> /dev/null | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
every reward is 1: estimate 1.00, interval 0.96 to 1.04
9 of 10 rewards are 1: interval more than 1.5 times as wide as that which holds 95% of the estimates of other logs
EXPECTED

#!/usr/bin/env bash
# river 0.26.1, with numpy 2.4.6 and scipy 1.17.1, on Python 3.11.
#
# The `reward_obj` of a bandit is "used to measure the performance of each arm. This can be a metric, a statistic, or a
# distribution". `UCB` adds its bonus to statistics and metrics only: of a distribution it takes the mode, alone, whatever `delta`
# is, so each arm is pulled once and then the best of those so far. `ThompsonSampling` takes "any probability distribution", and
# "a Gaussian distribution is meant to be used with continuous rewards". A Gaussian is that of the rewards, which never gets narrow,
# where Thompson sampling draws from what is known of their mean, which does (Chapelle and Li, 2011, the reference given). And
# before the first reward it draws 0: where all arms pay more, the first one that is pulled is pulled for good.
#
# Output seen (20 runs):
#   UCB, three arms pay 1 in 30%, 40% and 50% of 1,000 pulls:
#   stats.Mean, delta 1: 0.64 of pulls are of the best arm, which 0 runs pull less than ten times
#   stats.Mean, delta 0: 0.40 of pulls are of the best arm, which 12 runs pull less than ten times
#   proba.Beta, delta 1: 0.35 of pulls are of the best arm, which 12 runs pull less than ten times
#   proba.Beta, delta 10: 0.35 of pulls are of the best arm, which 12 runs pull less than ten times
#   ThompsonSampling with proba.Gaussian, two arms pay 5 and 6 on average, with a standard deviation of 1, 5,000 pulls:
#   as it is: the best arm gets 0.00 of the first thousand, 0.00 of the last
#   burn_in 10: the best arm gets 0.76 of the first thousand, 0.77 of the last
#   burn_in 10, the mean drawn: the best arm gets 0.99 of the first thousand, 1.00 of the last
#
# So whoever moves from a mean to a distribution, to know more of each arm, has no exploration left, or exploration for ever.
#
# What works: `stats.Mean` for UCB; for Thompson sampling `proba.Beta` with rewards of 0 and 1, which is what is known of the chance,
# and else a mean that is drawn as here, after a burn-in.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check river==0.26.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/arms.py" <<'PYTHON'
import random

from river import bandit, proba, stats

RUNS = 20


def pulled(policy, rewards, times, seed):
    rng, arms = random.Random(seed), []
    for _ in range(times):
        arm = policy.pull(range(len(rewards)))
        policy.update(arm, rewards[arm](rng))
        arms.append(arm)
    return arms


def share(runs, arm):
    return sum(run.count(arm) for run in runs) / sum(map(len, runs))


class OfTheMean(bandit.ThompsonSampling):
    def _pull(self, arm_ids):
        known = {arm: self._rewards[arm] for arm in arm_ids}
        drawn = {arm: self._rng.gauss(one.mu, one.sigma / one.n_samples**0.5) for arm, one in known.items()}
        return max(drawn, key=drawn.get)


print("UCB, three arms pay 1 in 30%, 40% and 50% of 1,000 pulls:")
rewards = [lambda rng, chance=chance: float(rng.random() < chance) for chance in (0.3, 0.4, 0.5)]
for what, reward_obj, delta in (
    ("stats.Mean", stats.Mean(), 1),
    ("stats.Mean", stats.Mean(), 0),
    ("proba.Beta", proba.Beta(), 1),
    ("proba.Beta", proba.Beta(), 10),
):
    runs = [pulled(bandit.UCB(delta, reward_obj, seed=seed), rewards, 1_000, seed) for seed in range(RUNS)]
    few = sum(run.count(2) < 10 for run in runs)
    print(f"{what}, delta {delta}: {share(runs, 2):.2f} of pulls are of the best arm, which {few} runs pull less than ten times")

print("ThompsonSampling with proba.Gaussian, two arms pay 5 and 6 on average, with a standard deviation of 1, 5,000 pulls:")
rewards = [lambda rng, mean=mean: rng.gauss(mean, 1) for mean in (5, 6)]
for what, policy, burn_in in (
    ("as it is", bandit.ThompsonSampling, 0),
    ("burn_in 10", bandit.ThompsonSampling, 10),
    ("burn_in 10, the mean drawn", OfTheMean, 10),
):
    runs = [pulled(policy(proba.Gaussian(), burn_in, seed=seed), rewards, 5_000, seed) for seed in range(RUNS)]
    first, last = ([run[part] for run in runs] for part in (slice(1_000), slice(-1_000, None)))
    print(f"{what}: the best arm gets {share(first, 1):.2f} of the first thousand, {share(last, 1):.2f} of the last")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/arms.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
UCB, three arms pay 1 in 30%, 40% and 50% of 1,000 pulls:
stats.Mean, delta 1: 0.64 of pulls are of the best arm, which 0 runs pull less than ten times
stats.Mean, delta 0: 0.40 of pulls are of the best arm, which 12 runs pull less than ten times
proba.Beta, delta 1: 0.35 of pulls are of the best arm, which 12 runs pull less than ten times
proba.Beta, delta 10: 0.35 of pulls are of the best arm, which 12 runs pull less than ten times
ThompsonSampling with proba.Gaussian, two arms pay 5 and 6 on average, with a standard deviation of 1, 5,000 pulls:
as it is: the best arm gets 0.00 of the first thousand, 0.00 of the last
burn_in 10: the best arm gets 0.76 of the first thousand, 0.77 of the last
burn_in 10, the mean drawn: the best arm gets 0.99 of the first thousand, 1.00 of the last
EXPECTED

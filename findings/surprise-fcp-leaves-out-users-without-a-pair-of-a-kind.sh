#!/usr/bin/env bash
# scikit-surprise 1.1.5, with numpy 2.4.6 and scipy 1.17.1, on Python 3.11; it is compiled if there is no wheel for the machine.
#
# `accuracy.fcp`, the fraction of concordant pairs, is documented as that of Koren and Sill (IJCAI 2013), section 5.2: concordant and
# discordant pairs of items are each added up over all users, and the first sum is divided by both. It is made of two means instead:
# of concordant pairs over those users who have any, and of discordant ones over those who have any. A user without a discordant
# pair doesn't lower the second mean, so it says how wrong the model is where it errs, and not how often. No issue tells of it.
#
# Output seen (users who rated two items, one pair each):
#   the better item first for 100 of 100 users: FCP 1.00, by the paper 1.00
#   the better item first for 99 of 100 users: FCP 0.50, by the paper 0.99
#   the better item first for 50 of 100 users: FCP 0.50, by the paper 0.50
#   the better item first for 1 of 100 users: FCP 0.50, by the paper 0.01
#   users who rated five items, ten pairs each:
#   nine of ten pairs in order for every user: FCP 0.90, by the paper 0.90
#   all pairs in order for 90 of 100 users, four of ten for the others: FCP 0.61, by the paper 0.94
#
# So where users have few ratings in the test, any model gets about one half, and of two models the one may win that makes more
# errors, if it spreads them evenly.
#
# What works: both kinds of pairs counted over all users, as here.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check scikit-surprise==1.1.5 numpy==2.4.6 scipy==1.17.1
cat > "$work/pairs.py" <<'PYTHON'
from itertools import combinations

from surprise import accuracy
from surprise.prediction_algorithms.predictions import Prediction

RATINGS = [1, 2, 3, 4, 5]


def predictions(orders):
    """For each user the estimates of items that they rated 1, 2 and so on."""
    return [
        Prediction(user, item, RATINGS[item], estimate, {})
        for user, estimates in enumerate(orders)
        for item, estimate in enumerate(estimates)
    ]


def by_paper(orders):
    pairs = [a < b for estimates in orders for a, b in combinations(estimates, 2)]
    return sum(pairs) / len(pairs)


def show(what, orders):
    print(f"{what}: FCP {accuracy.fcp(predictions(orders), verbose=False):.2f}, by the paper {by_paper(orders):.2f}")


for right in (100, 99, 50, 1):
    show(f"the better item first for {right} of 100 users", [[1, 2]] * right + [[2, 1]] * (100 - right))
print("users who rated five items, ten pairs each:")
show("nine of ten pairs in order for every user", [[2, 1, 3, 4, 5]] * 100)
show("all pairs in order for 90 of 100 users, four of ten for the others", [RATINGS] * 90 + [[5, 1, 4, 2, 3]] * 10)
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/pairs.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
the better item first for 100 of 100 users: FCP 1.00, by the paper 1.00
the better item first for 99 of 100 users: FCP 0.50, by the paper 0.99
the better item first for 50 of 100 users: FCP 0.50, by the paper 0.50
the better item first for 1 of 100 users: FCP 0.50, by the paper 0.01
users who rated five items, ten pairs each:
nine of ten pairs in order for every user: FCP 0.90, by the paper 0.90
all pairs in order for 90 of 100 users, four of ten for the others: FCP 0.61, by the paper 0.94
EXPECTED

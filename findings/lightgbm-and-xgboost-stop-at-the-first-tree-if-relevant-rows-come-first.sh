#!/usr/bin/env bash
# lightgbm 4.7.0 and xgboost 3.2.0, with numpy 1.26.4 and scipy 1.17.1, on Python 3.11. xgboost 3.4.1 on Python 3.13 does the same.
#
# Both offer NDCG of held-out queries to stop at the best number of trees. Rows of a query may come in any order, which "has no
# particular meaning when bias estimation is NOT used" (lambdarank_obj.h of xgboost). But equal scores are ranked in the order of
# the rows. A small tree knows few scores, so it ties most items; if the rows of each query are sorted by relevance, as tables
# of clicks often are, all ties are put right. Further trees only part them, NDCG falls, and training stops at one tree. No
# documentation tells; LightGBM's issue 2091 and XGBoost's 3050 ask about ties. scikit-learn's `ndcg_score` takes the mean over them.
#
# Output seen (trees of 7 and 8 leaves, up to 300, patience 30; 100 queries of 40 items each to train and to stop by):
#   lightgbm, a feature that is the same for all items: NDCG@10 1.00 with relevant rows first, 0.00 with relevant rows last
#   lightgbm, rows in any order: more than 20 trees, NDCG@10 0.7 as it says, 0.7 on new queries
#   lightgbm, relevant rows first: 1 tree, NDCG@10 0.7 as it says, 0.5 on new queries
#   xgboost, a feature that is the same for all items: NDCG@10 1.00 with relevant rows first, 0.00 with relevant rows last
#   xgboost, rows in any order: more than 20 trees, NDCG@10 0.7 as it says, 0.7 on new queries
#   xgboost, relevant rows first: 1 tree, NDCG@10 0.7 as it says, 0.5 on new queries
#
# So the number looks as good as that of the better model, and a comparison of settings by it picks the smallest trees.
#
# What works: rows of each query in random order, at least in what training stops by.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip lightgbm==4.7.0 numpy==1.26.4 scipy==1.17.1
pip --no-deps xgboost==3.2.0  # without a library for several GPUs, which it doesn't need here
cat > "$work/rows.py" <<'PYTHON'
import lightgbm as lgb
import numpy as np
import xgboost as xgb

ITEMS, RELEVANT, FEATURES, ROUNDS = 40, 4, 6, 300
DISCOUNTS = 1 / np.log2(np.arange(2, 12))


def queries(rng, number):
    """Of the items of a query the four that suit best are relevant, which features say in part."""
    x = rng.normal(size=(number, ITEMS, FEATURES))
    suits = x[..., 0] + 0.7 * np.sin(2 * x[..., 1]) + 0.5 * x[..., 2] * x[..., 3] + rng.normal(size=(number, ITEMS))
    return x, (np.argsort(np.argsort(-suits)) < RELEVANT).astype(float)


def by_relevance(x, y, sign):
    order = np.argsort(sign * y, axis=1, kind="stable")
    return np.take_along_axis(x, order[..., None], axis=1), np.take_along_axis(y, order, axis=1)


def ndcg(scores, y):
    """NDCG@10 where items are in random order, so equal scores are as well."""
    order = np.argsort(-scores.reshape(y.shape), axis=1, kind="stable")[:, :10]
    return (np.take_along_axis(y, order, axis=1) @ DISCOUNTS / DISCOUNTS[:RELEVANT].sum()).mean()


def of_lightgbm(train, valid):
    settings = {"objective": "lambdarank", "num_leaves": 7, "metric": "ndcg", "eval_at": [10], "num_threads": 1, "verbose": -1}
    data = [lgb.Dataset(x.reshape(-1, FEATURES), y.ravel(), group=[ITEMS] * len(y)) for x, y in (train, valid)]
    stop = lgb.early_stopping(30, verbose=False)
    model = lgb.train(settings, data[0], ROUNDS, valid_sets=[data[1]], callbacks=[stop])
    return model.best_iteration, model.best_score["valid_0"]["ndcg@10"], model.predict


def of_xgboost(train, valid):
    settings = {"objective": "rank:ndcg", "max_depth": 3, "eval_metric": "ndcg@10", "nthread": 1}
    data = [xgb.DMatrix(x.reshape(-1, FEATURES), y.ravel()) for x, y in (train, valid)]
    for matrix, (_, y) in zip(data, (train, valid)):
        matrix.set_group([ITEMS] * len(y))
    model = xgb.train(settings, data[0], ROUNDS, evals=[(data[1], "valid")], early_stopping_rounds=30, verbose_eval=False)
    trees = model.best_iteration + 1
    return trees, model.best_score, lambda x: model.predict(xgb.DMatrix(x), iteration_range=(0, trees))


rng = np.random.default_rng(0)
train, valid, (new, relevance) = (queries(rng, number) for number in (100, 100, 1_000))
first, last = by_relevance(*valid, sign=-1), by_relevance(*valid, sign=1)
for trained in (of_lightgbm, of_xgboost):
    name = trained.__name__.removeprefix("of_")
    blind = [trained((np.zeros_like(train[0]), train[1]), (np.zeros_like(x), y))[1] for x, y in (first, last)]
    same = f"{blind[0]:.2f} with relevant rows first, {blind[1]:.2f} with relevant rows last"
    print(f"{name}, a feature that is the same for all items: NDCG@10 {same}")
    for what, rows in {"rows in any order": valid, "relevant rows first": first}.items():
        trees, said, predict = trained(train, rows)
        many = "more than 20 trees" if trees > 20 else "1 tree" if trees == 1 else f"{trees} trees"
        on_new = ndcg(predict(new.reshape(-1, FEATURES)), relevance)
        print(f"{name}, {what}: {many}, NDCG@10 {said:.1f} as it says, {on_new:.1f} on new queries")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore "$work/rows.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
lightgbm, a feature that is the same for all items: NDCG@10 1.00 with relevant rows first, 0.00 with relevant rows last
lightgbm, rows in any order: more than 20 trees, NDCG@10 0.7 as it says, 0.7 on new queries
lightgbm, relevant rows first: 1 tree, NDCG@10 0.7 as it says, 0.5 on new queries
xgboost, a feature that is the same for all items: NDCG@10 1.00 with relevant rows first, 0.00 with relevant rows last
xgboost, rows in any order: more than 20 trees, NDCG@10 0.7 as it says, 0.7 on new queries
xgboost, relevant rows first: 1 tree, NDCG@10 0.7 as it says, 0.5 on new queries
EXPECTED

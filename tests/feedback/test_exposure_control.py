"""A process that holds a share of the first places for the tail."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tailrank.data.splits import Split
from tailrank.feedback.exposure_control import ExposureControl
from tailrank.metrics.popularity import tail_items
from tailrank.policy.exposure_price import ExposurePrice
from tailrank.policy.tail import TailBoost
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker


def requests(split: Split, n: int) -> list[Request]:
    rng, ids = np.random.default_rng(0), split.full_train.items["item_id"].to_list()
    return [
        Request(rng.choice(ids, 20).tolist(), rng.choice(ids, 100, replace=False).tolist()) for _ in range(n)
    ]


def test_rankings_hold_the_share_and_explain_the_step(reranker: Reranker, movielens_split: Split) -> None:
    asked = requests(movielens_split, 600)
    tail = tail_items(movielens_split.full_train.counts)
    rare = {
        name
        for name, is_tail in zip(movielens_split.full_train.items["item_id"], tail, strict=True)
        if is_tail
    }
    control = ExposureControl(reranker, start := ExposurePrice(target=0.9, max_loss=1.0))
    shares = [np.mean([each in rare for each in control.rank(one).item_ids[:10]]) for one in asked]
    plain = [each in rare for one in asked[:200] for each in reranker.rank(one).item_ids[:10]]
    assert np.mean(plain) < 0.87 < np.mean(shares[100:])
    missing = sum(0.9 - share for share in shares)
    assert np.isclose(start.rate * missing, control.price.asked - start.asked)
    assert control.requests == 600
    assert np.isclose(control.share, np.mean(shares))
    assert 0 < control.loss < 0.5
    explained = [
        found.contributions
        for one in asked[:20]
        if (found := control.rank(Request(one.history, one.candidates, explain=True)))
    ]
    assert any(found and "exposure" in found.names for found in explained)


def test_steps_of_the_request_come_first(reranker: Reranker, movielens_split: Split) -> None:
    [asked] = requests(movielens_split, 1)
    control = ExposureControl(reranker, ExposurePrice(target=0.0))
    boosted = Request(asked.history, asked.candidates, policy=[TailBoost(0.5)])
    assert control.rank(boosted).item_ids == reranker.rank(boosted).item_ids


def test_threads_lose_no_ranking(reranker: Reranker, movielens_split: Split) -> None:
    control = ExposureControl(reranker, ExposurePrice(target=0.6))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(control.rank, requests(movielens_split, 60)))
    assert control.requests == 60


def test_nothing_is_learned_from_no_candidates(reranker: Reranker) -> None:
    control = ExposureControl(reranker, ExposurePrice())
    assert not control.rank(Request(["1"], []))
    assert (control.requests, control.share, control.loss) == (0, 0.0, 0.0)
    assert control.price == ExposurePrice()

"""Own lists judged: the order that another system gave its candidates, against that of tailrank."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from tailrank.arrays import Doubles
from tailrank.data.dataset import Dataset
from tailrank.data.lists import Lists
from tailrank.evaluation.list_checks import (
    NAMED,
    check_choices,
    check_learning,
    check_plan,
    doubts,
    unknown_users,
)
from tailrank.evaluation.list_meter import ListMeter
from tailrank.evaluation.list_reranking import MERGED, OURS, WITH_SCORES
from tailrank.evaluation.occasions import Occasion, Plan, plan
from tailrank.evaluation.results import Evaluation
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.ranking.upstream import Choice, shares
from tailrank.reporting import Progress, silent

OWN: Final = "own order"


def judge(
    lists: Lists,
    dataset: Dataset,
    vectors: ItemVectors | Mapping[str, ItemVectors] | None,
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Re-rank the lists of another system, and measure by what users chose what each order is worth.

    tailrank is fitted on what was known before the lists that are measured. How much the scores of the lists
    count is learned from earlier lists, or those of other users, by a model that doesn't know what was chosen
    from them either; see `occasions.plan`.

    Parameters
    ----------
    lists
        See `Lists.from_frame`.
    dataset
        Items, and events to learn from.
    vectors
        As for `Reranker.fit`.
    settings
        How tailrank is fitted; the seed is also that of halves and intervals.
    progress
        Is told how far fitting and ranking are.

    Raises
    ------
    DataError
        If fewer than 20 lists can be measured, clicked lists lack times, or nothing can be learned from.
    """
    settings = settings or Settings()
    planned = plan(lists, dataset, settings.seed)
    check_plan(lists, planned, dataset)
    if lists.scores:
        check_learning(lists, planned)
    reranker = Reranker.fit(planned.late, vectors, settings, progress)
    if lists.scores:
        same = planned.early is planned.late
        earlier = reranker if same else Reranker.fit(planned.early, vectors, settings, progress)
        learned = earlier.learn_upstream(_choices(lists, planned.learning))
        reranker = replace(reranker, upstream=learned.upstream)
    orders, milliseconds = _orders(lists, planned.measured, reranker, progress)
    counts, users = planned.late.counts, [lists.users[o.row] for o in planned.measured]
    found = ListMeter(users, planned.measured, planned.late, settings.seed).ground(orders, milliseconds)
    about = {
        "lists": _described(lists, planned, dataset) | {"weights": dict(reranker.upstream)},
        **vars(settings),
        "sequence": reranker.about["sequence"],
        "tail_emphasis": reranker.fusion.tail_emphasis,
        "new_lift": reranker.fusion.new_lift,
    }
    return Evaluation(dataset.name, f"lists of {lists.name}", about, counts, found, fusion=reranker.fusion)


def _described(lists: Lists, planned: Plan, dataset: Dataset) -> dict[str, object]:
    """Say what was measured, and what no order can change."""
    measured = [(lists.items[occasion.row], occasion.chosen) for occasion in planned.measured]
    unknown = sorted({name for items, _ in measured for name in items} - dataset.item_index.keys())
    users = unknown_users(lists, dataset)
    return {
        "lists": len(lists),
        "measured": len(measured),
        "not_measured": {why: n for why, n in planned.unmeasured.items() if n},
        "learned_from": len(planned.learning) if lists.scores else 0,
        "items_per_list": float(np.mean([len(items) for items, _ in measured])),
        "ceiling": float(np.mean([not chosen.isdisjoint(items) for items, chosen in measured])),
        "own_order": lists.order,
        "chosen": planned.chosen,
        "unknown_items": len(unknown),
        "unknown_examples": unknown[:NAMED],
        "users": len(set(lists.users)),
        "unknown_users": len(users),
        "unknown_user_examples": users[:NAMED],
        "doubts": doubts(lists, dataset),
    }


def with_upstream(
    reranker: Reranker,
    lists: Lists,
    dataset: Dataset,
    vectors: ItemVectors | Mapping[str, ItemVectors] | None,
    progress: Progress = silent,
) -> Reranker:
    """Let a fitted model know how much the scores of lists count.

    They are learned from the latest half of the lists, by a model like this one that was fitted on what was
    known before.

    Parameters
    ----------
    reranker
        Fitted on the data set.
    lists
        With scores.
    dataset, vectors, progress
        As for `judge`.

    Raises
    ------
    DataError
        As `judge` does.
    """
    planned = plan(lists, dataset, reranker.settings.seed)
    check_plan(lists, planned, dataset)
    check_choices(lists, planned.measured)
    outcome = reranker.about["sequence"]
    epochs = outcome["epochs"] if isinstance(outcome, dict) and outcome["kept"] else 0
    settings = replace(reranker.settings, sequence_epochs=epochs)
    earlier = Reranker.fit(planned.late, vectors, settings, progress)
    learned = earlier.learn_upstream(_choices(lists, planned.measured))
    return replace(reranker, upstream=learned.upstream)


def check_lists(lists: Lists, dataset: Dataset, seed: int) -> None:
    """Check soon that something can be learned from lists; parameters and errors are as for `judge`."""
    planned = plan(lists, dataset, seed)
    check_plan(lists, planned, dataset)
    check_choices(lists, planned.measured)


def _choices(lists: Lists, occasions: Iterable[Occasion]) -> list[Choice]:
    """Give each chosen item of each list as a choice to learn from."""
    return [
        Choice(
            o.history, lists.items[o.row], {name: s[o.row].tolist() for name, s in lists.scores.items()}, item
        )
        for o in occasions
        for item in sorted(o.chosen.intersection(lists.items[o.row]))
    ]


def _orders(
    lists: Lists, occasions: Sequence[Occasion], reranker: Reranker, progress: Progress
) -> tuple[dict[str, list[Sequence[str]]], dict[str, float]]:
    """Order each list in every way; gives also the milliseconds that tailrank takes for a list."""
    orders: dict[str, list[Sequence[str]]] = {}
    spent: dict[str, float] = {}
    progress("rank lists", 0, len(occasions))
    for done, occasion in enumerate(occasions, 1):
        ids = lists.items[occasion.row]
        scores = {name: each[occasion.row] for name, each in lists.scores.items()}
        request = Request(occasion.history, list(ids))
        ways = (
            {WITH_SCORES: replace(request, scores={n: s.tolist() for n, s in scores.items()})}
            if scores
            else {}
        )
        for name, way in {**ways, OURS: request}.items():
            start = time.perf_counter()
            orders.setdefault(name, []).append(reranker.rank(way).item_ids)
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
        orders.setdefault(OWN, []).append(ids)
        for name, order in _their_orders(lists, ids, scores).items():
            orders.setdefault(name, []).append(order)
        progress("rank lists", done, len(occasions))
    return orders, {name: 1e3 * seconds / len(occasions) for name, seconds in spent.items()}


def _their_orders(
    lists: Lists, ids: Sequence[str], scores: Mapping[str, Doubles]
) -> dict[str, Sequence[str]]:
    """Order a list by each recommender's scores, what it gave none at the end, and by their sum."""
    by: dict[str, Doubles] = {
        f"by {name}": s for name, s in scores.items() if lists.order != f"the scores of {name}"
    }
    if len(scores) > 1:
        given = {name: s.tolist() for name, s in scores.items()}
        by[MERGED] = np.sum(list(shares(given, {}, 1.0).values()), axis=0)
    return {
        name: [ids[at] for at in np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")]
        for name, values in by.items()
    }

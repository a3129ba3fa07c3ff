"""Whether scores are chances, by how well items are known: what fusion expects of each group, and what came.

Fusion's scores are log-odds over the list, so a softmax over the catalogue says how likely each item is to be
chosen next. Added up over a group of items, and averaged over test queries, that should be the share of the
targets in the group. Weights that were moved toward the tail expect too much of it, on purpose.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
import typer
from scipy.special import softmax

from bench import study
from bench.grounds import fair_splits
from bench.study import Json
from tailrank.data.candidates import Scorer
from tailrank.data.splits import Split
from tailrank.metrics.full_ranking import scored
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

OF: Final = ("tail80", "cold", "count=0", "count=1-5", "count=6-20", "count>20")


def main(data: study.Data, name: study.Name, seed: Annotated[int, typer.Option()] = 0) -> None:
    """Fit without the sequence model, and store what was expected on each ground."""
    dataset, vectors, about = study.encoded(name, data)
    grounds = []
    for title, split in fair_splits(dataset, seed).items():
        reranker = Reranker.fit(split, vectors, Settings(seed=seed, sequence_epochs=0))
        emphasis = reranker.fusion.tail_emphasis
        grounds.append({"title": title, "tail_emphasis": emphasis, "rows": rows(reranker, split)})
        print(grounds[-1], flush=True)
    study.store(f"{name}/calibration.json", about | {"seed": seed, "grounds": grounds})


def rows(scorer: Scorer, split: Split) -> list[Json]:
    """Compare, for each group that has items on fair ground, what was expected of it with what came.

    The difference has a 95% interval over users.
    """
    test, known = split.test.take(split.fair_items[split.test.targets]), split.fair_items
    groups = target_groups(split.full_train.counts, split.cold)
    chosen = {group: groups[group] & known for group in OF if group in groups and groups[group][known].any()}
    members = np.stack(list(chosen.values()), axis=1).astype(np.float64)
    expected = np.concatenate(
        [
            softmax(np.where(known, scores, -np.inf).astype(np.float64), axis=1) @ members
            for _, scores in scored(scorer, test, split)
        ]
    )
    came = members[test.targets]
    found = []
    for at, group in enumerate(chosen):
        pair = paired_bootstrap(expected[:, at], came[:, at], test.users)
        assert pair is not None  # noqa: S101 - there are queries
        shares = {"expected": float(expected[:, at].mean()), "came": float(came[:, at].mean())}
        found.append({"group": group, **shares, "mean": pair.mean, "ci95": [pair.low, pair.high]})
    return found

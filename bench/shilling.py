"""What made-up users do to rankings, how many of them are found, and what leaving them out mends."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from typing import Final

import numpy as np

from bench.attackers import ATTACKS, Attack, attacked
from bench.study import RESULTS, Data, Json, Name, Seeds, numbers, path_of, store, timed
from tailrank.cli.options import load
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.feedback.bots import find_anomalies, without_users
from tailrank.metrics.ranking import TOP
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

SHARES: Final = (0.01, 0.05)
ASKED: Final = 2_000
"""Real users whose rankings are looked at."""

AT_ONCE: Final = 100


def fitted(dataset: Dataset) -> Reranker:
    """Fit without a language model."""
    return Reranker.fit(dataset, None, Settings())


def exposure(model: Reranker, target: int, users: Histories) -> Json:
    """Say where the target ranks in the catalogue, for users who didn't choose it."""
    everything = Candidates.everything(len(model.catalogue.items))
    ranks = []
    for at in range(0, len(users), AT_ONCE):
        batch = users.cut(users.offsets[:-1][at : at + AT_ONCE], users.offsets[1:][at : at + AT_ONCE])
        scores = model.score(batch, everything)
        own = scores[:, [target]]
        scores[batch.owners, batch.items] = -np.inf
        ranks.append(1 + (scores > own).sum(axis=1))
    found = np.concatenate(ranks)
    return {"top10": float((found <= TOP).mean()), "mean_rank": float(found.mean())}


def asked(dataset: Dataset, target: int, seed: int) -> Histories:
    """Draw users who didn't choose the target; gives their latest events."""
    h = dataset.histories
    others = np.setdiff1d(np.arange(len(h)), h.owners[h.items == target])
    drawn = np.random.default_rng(seed).permutation(others)[:ASKED]
    return h.cut(h.offsets[drawn], h.offsets[drawn + 1]).latest(Settings().max_history)


def clean(dataset: Dataset) -> Json:
    """Say what looking finds if there is nothing to find, and how long it takes."""
    found, seconds = timed(lambda: find_anomalies(dataset))
    kinds = Counter(each.kind for each in found.suspicions)
    return {"users": dataset.n_users, "flagged": len(found.users), "kinds": kinds, "seconds": seconds}


def row(real: Dataset, before: Reranker, attack: Attack, share: float, seed: int) -> Json:
    """Attack a log: who is found, and where the target ranks before, with and without the defence."""
    made = attacked(real, attack, share, seed)
    found = find_anomalies(made.dataset)
    caught = set(found.users) & set(made.users)
    users = asked(real, made.target, seed)
    models = {"before": before, "undefended": fitted(made.dataset)}
    left_out = [] if found.too_many else found.users
    models["defended"] = fitted(without_users(made.dataset, left_out)) if left_out else models["undefended"]
    return {
        "attack": attack,
        "share": share,
        "seed": seed,
        "made_up": len(made.users),
        "audience": int(real.counts[made.target]),
        "recall": len(caught) / len(made.users),
        "false_alarms": (len(found.users) - len(caught)) / real.n_users,
        **{name: exposure(model, made.target, users) for name, model in models.items()},
    }


def main(data: Data, name: Name, seeds: Seeds = "0") -> None:
    """Attack one data set in every way, and store what came of it; start again to resume."""
    dataset, file = load(path_of(name, data)), RESULTS / name / "shilling.json"
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []
    done = {(row["attack"], row["share"], row["seed"]) for row in rows}
    missing = [key for key in product(ATTACKS, SHARES, numbers(seeds)) if key not in done]
    if not missing:
        return
    before, nothing = fitted(dataset), clean(dataset)
    for attack, share, seed in missing:
        rows.append(row(dataset, before, attack, share, seed))
        print(rows[-1], flush=True)
        store(f"{name}/shilling.json", {"dataset": name, "clean": nothing, "rows": rows})

"""Whether what a user seems to be after helps to rank: fusion's weights move with intents.

No set here says what a user was after, and none has search queries, carts or gifts: intents are read off
the latest events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final, TypeAlias

import numpy as np
import typer

from bench import scale, study
from bench.intent_model import Intents
from bench.intent_weights import Way
from tailrank.arrays import Bools, Codes, Doubles, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.data.public import fetch
from tailrank.data.splits import Split, leave_one_out, temporal
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.popularity import tail_items
from tailrank.metrics.ranking import ndcg, target_ranks
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.evidence import Evidence
from tailrank.ranking.fitting import FittedSignals, fit_before, with_template
from tailrank.ranking.fusion import Fusion, count_levels, history_buckets
from tailrank.ranking.fusion_objective import SampledCandidates
from tailrank.ranking.sampled_candidates import Drawing, draw_candidates, with_empty_histories
from tailrank.ranking.settings import Settings
from tailrank.ranking.tail_emphasis import query_importances
from tailrank.ranking.weighing import halves
from tailrank.signals.registry import refit_signals

LARGE: Final = "complete-journey"
SETS: Final = ("movielens-100k", "amazon-scientific", LARGE)
PER_USER: Final = 30
TESTED: Final = 4_000
"""Test queries at most."""

SETTINGS: Final = Settings(queries=4_000)
TENTHS: Final = 3
"""Of the households of complete-journey, and what they bought."""

Score: TypeAlias = Callable[[Histories], list[Floats]]
WITHOUT: Final = "no intents"
Allowed: TypeAlias = Callable[[Queries], Bools]


def gains(
    ways: Mapping[str, Way], intents: Intents, score: Score, levels: Codes, allowed: Allowed, queries: Queries
) -> study.Values:
    """Rank all items that are allowed; gives ndcg@10 of each query, by way."""
    found: dict[str, list[Doubles]] = {name: [] for name in ways}
    for batch in queries.batches(len(levels)):
        histories, rows = batch.histories.latest(SETTINGS.max_history), np.arange(len(batch))
        signals, known, hidden = score(histories), intents(histories), ~allowed(batch)
        hidden[rows, batch.targets] = False
        total = ways[WITHOUT].fusion.fuse(signals, levels, history_buckets(histories.lengths)).total
        for name, way in ways.items():
            scores = way.score(signals, total, known)
            ranks = target_ranks(np.where(hidden, -np.inf, scores), batch.targets)
            found[name].append(ndcg(ranks))
    return {name: np.concatenate(values) for name, values in found.items()}


@dataclass(frozen=True)
class Trial:
    """Ways of ranking one split, learned on its validation queries.

    Attributes
    ----------
    split, vectors, settings
        What is learned from, and how; vectors are the encoder's.
    """

    split: Split
    vectors: ItemVectors
    settings: Settings

    def validated(self) -> study.Values:
        """Learn on one half of the validation queries; gives ndcg@10 of the other, on fair ground."""
        early, late = halves(self.split, self._fitted.data.validation)
        evidence, judged = self._evidence, self._fitted.data.validation.take(late)
        judged = judged.take(evidence.learnable(judged))
        given = self._intents, evidence.score, evidence.levels, evidence.candidates, judged
        return gains(self.ways(early), *given) | _about(judged, evidence.tail)

    def tested(self) -> study.Values:
        """Learn on all of them; gives ndcg@10 of the test queries, on fair ground."""
        signals, split = refit_signals(self._fitted.before, self._fitted.data), self.split
        counts, everything = split.full_train.counts, Candidates.everything(split.full_train.n_items)

        def score(histories: Histories) -> list[Floats]:
            return [signal.score(histories, everything) for signal in signals]

        def allowed(queries: Queries) -> Bools:
            may = np.repeat(split.fair_items[None], len(queries), axis=0)
            if not split.repeats:
                may[queries.full_histories.owners, queries.full_histories.items] = False
            return may

        asked = split.test.take(split.fair_items[split.test.targets])
        found = gains(self.ways(slice(None)), self._intents, score, count_levels(counts), allowed, asked)
        return found | _about(asked, tail_items(counts))

    def ways(self, rows: slice) -> dict[str, Way]:
        """Fit every way on some of the queries."""
        asked, pool = self._asked.take(rows), self._pool.take(rows)
        known = self._intents(asked.histories.latest(self.settings.max_history))
        importance, _ = query_importances(self._evidence, asked)
        names = tuple(signal.name for signal in self._evidence.signals)
        fusion = Fusion.fit(names, pool, importance=importance)
        ways = {WITHOUT: Way((), fusion, np.zeros((0, len(names)), np.float32))}
        for way, intents in self._intents.ways.items():
            ways[way] = Way.fit(intents, fusion, pool, known, importance, self.settings.shrinkage)
        return ways

    @cached_property
    def _fitted(self) -> FittedSignals:
        return fit_before(self.split, self.vectors, with_template(self.settings, self.split.train))

    @cached_property
    def _evidence(self) -> Evidence:
        rng = np.random.default_rng(self.settings.seed)
        return Evidence.draw(self.split, self._fitted.before, self._fitted.data.texts, rng)

    @cached_property
    def _asked(self) -> Queries:
        return with_empty_histories(self._fitted.data.validation)

    @cached_property
    def _pool(self) -> SampledCandidates:
        evidence, rng = self._evidence, np.random.default_rng(self.settings.seed)
        given = evidence.levels, evidence.candidates, self.settings.max_history
        return draw_candidates(Drawing(evidence.score, self._asked, *given), rng)

    @cached_property
    def _intents(self) -> Intents:
        """Scaled by the queries that every way learns from, whose targets it doesn't read."""
        train, queries = self.split.train, self._fitted.data.validation
        early, _ = halves(self.split, queries)
        histories = queries.take(early).histories.latest(self.settings.max_history)
        timed, vectors = train.clock == "timestamp", study.whitened(self.vectors)
        return Intents.fit(histories, vectors, train.event_types, timed, self.settings.seed)


def _about(queries: Queries, tail: Bools) -> study.Values:
    marks = {"tail": tail[queries.targets], "again": queries.repeated, "users": queries.users}
    return {name: values.astype(np.float64) for name, values in marks.items()}


def rows(seeds: Sequence[study.Values]) -> dict[str, study.Json]:
    """Measure each way on the queries of all seeds, and how far it is ahead of that without intents."""
    joined = {name: np.concatenate([one[name] for one in seeds]) for name in seeds[0]}
    tail, again, users = (joined.pop(name) for name in ("tail", "again", "users"))
    parts = {"all": tail >= 0, "tail80": tail == 1}
    if again.any():
        parts |= {"chosen again": again == 1, "new to the user": again == 0}
    found: dict[str, study.Json] = {}
    for part, chosen in parts.items():
        found[part] = {"queries": int(chosen.sum())}
        for way, values in joined.items():
            one = paired_bootstrap(values, joined[WITHOUT], users.astype(np.int32), chosen)
            found[part][way] = {"ndcg@10": float(values[chosen].mean())}
            if way != WITHOUT and one is not None:
                found[part][way] |= {"difference": one.mean, "ci95": [one.low, one.high]}
    return found


def studied(name: str, data: Path, seeds: Sequence[int]) -> study.Json:
    """Measure every way on one set."""
    dataset, vectors, about = _read(name, data)
    repeats = name == LARGE
    timed = dataset.clock == "timestamp"
    split = (temporal(dataset, PER_USER, repeats=repeats) if timed else leave_one_out(dataset)).sampled(
        TESTED, 0
    )
    found: dict[str, list[study.Values]] = {"validation": [], "test": []}
    for seed in seeds:
        trial = Trial(split, vectors, replace(SETTINGS, seed=seed))
        for part, compute in (("validation", trial.validated), ("test", trial.tested)):
            kept = study.kept_file("intents", dataset, seed, part)
            found[part].append(study.remembered(kept, compute))
    measured = {part: rows(values) for part, values in found.items()}
    return {
        **about,
        "protocol": split.protocol,
        "users": dataset.n_users,
        "seeds": list(seeds),
        "items": dataset.n_items,
        **measured,
    }


def _read(name: str, data: Path) -> tuple[Dataset, ItemVectors, study.Json]:
    """Read a set; of the large one, some of the users, and what they bought."""
    if name != LARGE:
        return study.encoded(name, data)
    with TemporaryDirectory() as folder:
        some = Path(folder, name)
        some.mkdir()
        scale.sampled(fetch(name), TENTHS, some)
        return study.encoded(name, Path(folder))


def main(
    data: study.Data,
    only: Annotated[str, typer.Option(help="Data sets, separated by commas.")] = ",".join(SETS),
    seeds: study.Seeds = "0,1,2",
) -> None:
    """Store what intents are worth; by the first seed alone on the large set."""
    names = study.chosen(only.split(","), SETS)
    all_seeds = study.numbers(seeds)
    sets = [studied(name, data, all_seeds[:1] if name == LARGE else all_seeds) for name in names]
    study.store("intents.json", {"sets": sets})

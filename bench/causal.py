"""Training that corrects for popularity, on targets as they come and as if every item came alike; resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Annotated, ClassVar, Final, NamedTuple

import numpy as np
import typer

from bench import study
from bench.grounds import FAIR, fair_ndcg, fair_splits
from tailrank.arrays import Doubles
from tailrank.data.candidates import Scorer
from tailrank.data.splits import Split
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.popularity import tail_items
from tailrank.metrics.propensity import PopularityPropensity
from tailrank.metrics.significance import ratio_bootstrap
from tailrank.ranking.fitting import FittedSignals, fit_before, fuse, with_template
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.ranking.weighing import halves
from tailrank.signals.covisitation import CoVisitation
from tailrank.signals.registry import refit_signals
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.signal import SequenceSignal
from tailrank.signals.training_data import TrainingData

PLAIN: Final = "neither"
"""What the others are compared with: neither a correction nor weights for the tail."""


@dataclass(frozen=True, kw_only=True)
class DebiasedCoVisitation(CoVisitation):
    """Pairs weigh as much as the later item's propensity is low, on top of the damping that ships."""

    target_damping: ClassVar[float] = CoVisitation.target_damping + 0.5


@dataclass(frozen=True)
class Way:
    """What is corrected.

    Attributes
    ----------
    power
        Of the propensity by which fusion's queries count; 0 counts them alike.
    pairs
        Whether co-visitation's pairs weigh by it, too.
    """

    power: float = 0.0
    pairs: bool = False


WAYS: Final = {
    PLAIN: Way(),
    "fusion, power 0.25": Way(0.25),
    "fusion, power 0.5": Way(0.5),
    "co-visitation": Way(pairs=True),
    "both, power 0.5": Way(0.5, pairs=True),
}
TAIL_COSTS: Final = {"weights for the tail": 0.01, "weights for the tail, cost 0.1": 0.1}
"""What there is without any correction: shares of ndcg@10 on validation that may be given up for the tail."""

AGAINST: Final = (PLAIN, *TAIL_COSTS)
"""What every way is compared with."""


class SequenceWay(NamedTuple):
    """What is corrected where there is a sequence model.

    Attributes
    ----------
    sequence
        Power of the propensity by which its targets count.
    fusion
        That by which fusion's queries count; None ranks by the sequence model alone.
    """

    sequence: float
    fusion: float | None = 0.0


ALONE: Final = "alone"
WHOLE: Final = "whole"
SEQUENCE_WAYS: Final = {
    ALONE: SequenceWay(0.0, None),
    "alone, power 0.25": SequenceWay(0.25, None),
    "alone, power 0.5": SequenceWay(0.5, None),
    WHOLE: SequenceWay(0.0),
    "whole, sequence model 0.25": SequenceWay(0.25),
    "whole, sequence model 0.5": SequenceWay(0.5),
    "whole, fusion 0.25": SequenceWay(0.0, 0.25),
    "whole, both 0.25": SequenceWay(0.25, 0.25),
    "whole, fusion 0.5": SequenceWay(0.0, 0.5),
    "whole, both 0.5": SequenceWay(0.5, 0.5),
}
SEQUENCE_AGAINST: Final = tuple(name for name, way in SEQUENCE_WAYS.items() if not way.sequence)
"""What these ways are compared with: those whose sequence model counts all targets alike."""

HELD_OUT: Final = "validation: "
"""What the names of values on validation start with."""

EVALUATED: Final = (1.0, 100.0)
"""Power and clip of the propensity by which test queries weigh, so that every item counts about alike."""


@dataclass(frozen=True)
class Trials:
    """Rankers of one split, whose signals are fitted once.

    Attributes
    ----------
    split
        What they learn from.
    vectors
        Of the items.
    settings
        How they are fitted, but for what is corrected.
    """

    split: Split
    vectors: ItemVectors
    settings: Settings

    def parts(self) -> dict[str, Callable[[], study.Values]]:
        """Give what computes ndcg@10 of each test query on fair ground, by the name of each way."""
        costs = {name: partial(self.for_tail, cost) for name, cost in TAIL_COSTS.items()}
        ways = {name: partial(self.debiased, way) for name, way in WAYS.items()}
        return {name: partial(self._values, name, fit) for name, fit in (costs | ways).items()}

    def for_tail(self, cost: float) -> Reranker:
        """Fit as it ships, with weights for the tail at a cost."""
        return Reranker.from_fitted(fuse(self._before, replace(self.settings, tail_cost=cost)))

    def debiased(self, way: Way) -> Reranker:
        """Fit fusion, and co-visitation if that is asked for, with weights that correct for popularity."""
        signals = self._before.before
        if way.pairs:
            [pairs] = DebiasedCoVisitation.fit(self._before.data)
            signals = tuple(pairs if isinstance(signal, CoVisitation) else signal for signal in signals)
        settings = replace(self.settings, tail=0.0, debias=way.power)
        return Reranker.from_fitted(fuse(replace(self._before, before=signals), settings))

    @cached_property
    def _before(self) -> FittedSignals:
        return fit_before(self.split, self.vectors, self.settings)

    def _values(self, name: str, fit: Callable[[], Reranker]) -> study.Values:
        return {name: fair_ndcg(fit(), self.split)}


@dataclass(frozen=True)
class SequenceTrials(Trials):
    """Rankers of one split, each with a sequence model, on its test and on a half of its validation.

    The other half says when training of the sequence model stops and, for the values on the first, is all
    that fusion learns from.
    """

    def parts(self) -> dict[str, Callable[[], study.Values]]:
        """Give what computes ndcg@10 of each query, by the name of each way."""
        return {name: partial(self._both, name, way) for name, way in SEQUENCE_WAYS.items()}

    def _both(self, name: str, way: SequenceWay) -> study.Values:
        half = held_out(self.split)
        epochs = SASRecConfig.epochs
        data = replace(self._before.data, sequence_epochs=epochs, sequence_debias=way.sequence)
        data = replace(data, stopping=half.validation)
        if way.sequence not in self._models:
            [self._models[way.sequence]] = SequenceSignal.fit(data)
        pairs = {name: data, f"{HELD_OUT}{name}": replace(data, split=half, validation=half.validation)}
        return {key: fair_ndcg(self._scorer(way, one), one.split) for key, one in pairs.items()}

    def _scorer(self, way: SequenceWay, data: TrainingData) -> Scorer:
        model = self._models[way.sequence]
        if way.fusion is None:
            return refit_signals([model], data)[0]
        settings = replace(self.settings, tail=0.0, debias=way.fusion)
        signals = replace(self._before, before=(*self._before.before, model), data=data)
        return Reranker.from_fitted(fuse(signals, settings))

    @cached_property
    def _models(self) -> dict[float, SequenceSignal]:
        """Trained before validation, by the power of their correction."""
        return {}


def held_out(split: Split) -> Split:
    """Learn from one half of validation, test on the other, with all later events out of reach."""
    asked = split.validation.in_time_order() if split.train.clock == "timestamp" else split.validation
    early, late = (asked.take(rows) for rows in halves(split, asked))
    return replace(split, full_train=split.train, validation=early, test=late)


class Slices:
    """Weights of the test queries of fair ground, by what metrics they make.

    Parameters
    ----------
    split
        Whose test queries are ranked.
    against
        Names of what every way is compared with.
    """

    def __init__(self, split: Split, against: Sequence[str] = AGAINST) -> None:
        self.against = against
        test, counts = split.test.take(split.fair_items[split.test.targets]), split.full_train.counts
        self.users = test.users
        self.weights: dict[str, Doubles] = {
            "ndcg@10": np.ones(len(test)),
            "ndcg@10/unbiased": PopularityPropensity.from_counts(counts, *EVALUATED).weights(test.targets),
            "ndcg@10/tail80": tail_items(counts)[test.targets].astype(np.float64),
        }

    def about(self) -> study.Json:
        """Count the queries, and how many alike ones would say as much (Kish, 1965)."""
        return {name: float(each.sum() ** 2 / (each**2).sum()) for name, each in self.weights.items()}

    def told(self, found: study.Found) -> study.Json:
        """Give the size of each slice, and a row for each way."""
        rows = [{"way": way, **self.row(values, found)} for way, values in found.items()]
        return {"size": self.about(), "rows": rows}

    def row(self, values: Sequence[Doubles], found: study.Found) -> study.Json:
        """Average over queries and seeds, and bound the differences from others by resampling users."""
        told: study.Json = {}
        for metric, weights in self.weights.items():
            means = [float(np.average(each, weights=weights)) for each in values]
            told[metric] = {"mean": float(np.mean(means)), "seeds": means, "difference": {}}
            for name in self.against:
                gain = np.mean(values, axis=0) - np.mean(found[name], axis=0)
                if pair := ratio_bootstrap(weights * gain, weights, self.users):
                    told[metric]["difference"][name] = {"mean": pair.mean, "ci95": [pair.low, pair.high]}
        return told


def main(
    data: study.Data,
    name: study.Name,
    seeds: study.Seeds = "0,1,2",
    sequence: Annotated[bool, typer.Option("--sequence", help="Correct sequence models, too.")] = False,
) -> None:
    """Store what corrections for popularity are worth on one data set."""
    dataset, vectors, about = study.encoded(name, data)
    split, drawn = fair_splits(dataset, 0)[FAIR], study.numbers(seeds)

    def trials(seed: int) -> Trials:
        kind = SequenceTrials if sequence else Trials
        return kind(split, vectors, with_template(Settings(seed=seed), split.train))

    study_name = "causal-sequence" if sequence else "causal"
    found = study.collect(study_name, dataset, drawn, lambda seed: trials(seed).parts())
    about |= {"seeds": drawn, "protocol": split.protocol}
    against = SEQUENCE_AGAINST if sequence else AGAINST
    about |= Slices(split, against).told({way: found[way] for way in found if not way.startswith(HELD_OUT)})
    if sequence:
        held = {way.removeprefix(HELD_OUT): found[way] for way in found if way.startswith(HELD_OUT)}
        about["validation"] = Slices(held_out(split), against).told(held)
    study.store(f"{name}/{study_name}.json", about)

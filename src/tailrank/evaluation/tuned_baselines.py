"""Baselines with settings: what each learns, and the values that its settings are chosen among."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation.baseline_tuning import Learn, Setting, Tuned, tune
from tailrank.evaluation.collaborative import ItemToItem, SessionNeighbours
from tailrank.evaluation.content import StandardisedSum, Vectors, Words
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.settings import Settings
from tailrank.reporting import Progress
from tailrank.signals.covisitation import item_neighbours

Spaces: TypeAlias = Mapping[str, ItemVectors]
"""Vector spaces by name; baselines read `semantic`."""

Prepare: TypeAlias = Callable[[Split, Spaces, Settings], Learn]


@dataclass(frozen=True)
class TunedBaseline:
    """A model to beat, and what of it is tuned beside its fading.

    Attributes
    ----------
    name
        As in `--models`.
    prepare
        Does what all settings share, and gives what learns under one of them.
    grid
        Values of each setting, the first being where the search starts.
    """

    name: str
    prepare: Prepare
    grid: Mapping[str, Sequence[float]]

    def tune(self, split: Split, spaces: Spaces, settings: Settings, progress: Progress) -> Tuned:
        """Choose the settings and fit; see `baseline_tuning.tune`.

        Raises
        ------
        RequestError
            If it needs vectors and there are none, too.
        """
        learn = self.prepare(split, spaces, settings)
        return tune(self.name, learn, self.grid, split, settings, progress)


def semantic_vectors(name: str, spaces: Spaces) -> ItemVectors:
    """Give the encoder's vectors to the model of a name.

    Raises
    ------
    RequestError
        If there are none.
    """
    if "semantic" not in spaces:
        raise RequestError(f"{name} needs an encoder: leave it out of --models, or name one")
    return spaces["semantic"]


def _words(split: Split, settings: Settings) -> Words:
    return Words.from_texts(item_texts(split.full_train.items, settings.template))


def _vectors(name: str, spaces: Spaces, settings: Settings) -> Vectors:
    given = semantic_vectors(name, spaces)
    return Vectors(given.space(settings.dimensions).transform(given.values))


def _tfidf(split: Split, spaces: Spaces, settings: Settings) -> Learn:
    words = _words(split, settings)
    return lambda dataset, setting: words


def _lm(split: Split, spaces: Spaces, settings: Settings) -> Learn:
    vectors = _vectors("lm", spaces, settings)
    return lambda dataset, setting: vectors


def _tfidf_and_lm(split: Split, spaces: Spaces, settings: Settings) -> Learn:
    vectors, words = _vectors("tfidf+lm", spaces, settings), _words(split, settings)

    def learn(dataset: Dataset, setting: Setting) -> StandardisedSum:
        return StandardisedSum.from_share(words, vectors, setting["lm_share"], dataset.n_items)

    return learn


def _item_knn(split: Split, spaces: Spaces, settings: Settings) -> Learn:
    def learn(dataset: Dataset, setting: Setting) -> ItemToItem:
        return ItemToItem(item_neighbours(dataset, int(setting["neighbours"]), setting["shrinkage"]))

    return learn


def _ease(split: Split, spaces: Spaces, settings: Settings) -> Learn:
    return lambda dataset, setting: ItemToItem.ease(dataset, setting["regularisation"])


def _session_knn(split: Split, spaces: Spaces, settings: Settings) -> Learn:
    def learn(dataset: Dataset, setting: Setting) -> SessionNeighbours:
        neighbours, sample = int(setting["neighbours"]), int(setting["sample"])
        return SessionNeighbours.from_dataset(dataset, neighbours, sample, setting["idf_weight"])

    return learn


TUNED: Final = (
    TunedBaseline("item-knn", _item_knn, {"neighbours": (200, 1_000), "shrinkage": (0, 2, 10)}),
    TunedBaseline("tfidf", _tfidf, {}),
    TunedBaseline("lm", _lm, {}),
    TunedBaseline("tfidf+lm", _tfidf_and_lm, {"lm_share": (0.5, 0.2, 0.35, 0.65, 0.8)}),
    TunedBaseline(
        "v-sknn",
        _session_knn,
        {"neighbours": (100, 50, 500, 1_500), "sample": (1_000, 5_000), "idf_weight": (0, 1, 5, 10)},
    ),
    TunedBaseline("ease", _ease, {"regularisation": (100, 10, 30, 300, 1_000)}),
)

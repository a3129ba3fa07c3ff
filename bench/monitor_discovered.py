"""Topics that nobody named: whether groups of unknown newswires find two topics that were held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from bench.monitor_topics import TOPICS, StoredEncoder, texts_of
from bench.study import Json
from tailrank.arrays import Offsets
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.monitor.classified import SURE
from tailrank.tasks.monitor.discovered import Discovered, discovered_topics
from tailrank.tasks.monitor.stream_texts import Text
from tailrank.tasks.settings import ClassifierSettings

HELD_OUT: Final = ("money-fx", "crude", "trade", "interest", "ship")
"""Of the ten most frequent topics, those that are neither half of all texts nor part of another one."""

SAMPLES: Final = 500
"""Of texts, for an interval."""


def discovered(data: Path) -> Json:
    """Hold out two topics, label the test part by the others, and group what fits none."""
    frame = pl.read_parquet(data / "reuters" / "data.parquet").filter(pl.col("topics").list.len() > 0)
    train, test = (frame.filter(pl.col("split") == part) for part in ("TRAIN", "TEST"))
    counts = Counter(topic for row in train["topics"].to_list() for topic in row)
    names = [name for name, _ in counts.most_common(TOPICS)]
    encoder = StoredEncoder(TextEncoder.load())
    pairs = {}
    for held in combinations(HELD_OUT, 2):
        pairs[", ".join(held)] = _pair(held, names, train, test, encoder)
    measured = {
        name: _mean([each[name]["value"] for each in pairs.values()])
        for name in ("ARI", "k-means, ARI", "purity")
    }
    topics = [each for pair in pairs.values() for each in pair["held out"].values()]
    measured["texts in groups mostly of their topic"] = _mean([each["texts in these"] for each in topics])
    return {"pairs": pairs, "all pairs": measured}


def _pair(
    held: Sequence[str], names: Sequence[str], train: pl.DataFrame, test: pl.DataFrame, encoder: StoredEncoder
) -> Json:
    rows = _unknown(held, names, train, test, encoder)
    topics = {text.id: test["topics"][int(text.id)].to_list() for text in rows}
    found = discovered_topics(rows, encoder.encode)
    group = {text.id: at for at, each in enumerate(found) for text in each.texts}
    single = [text for text in rows if len(topics[text.id]) == 1]
    truth = np.unique([topics[text.id][0] for text in single], return_inverse=True)[1]
    ours = np.array([group.get(text.id, len(found) + at) for at, text in enumerate(single)])
    values = encoder.encode([text.text for text in single])
    means = KMeans(max(len(found), 1), n_init=3, random_state=0).fit_predict(values)
    return {
        "texts": len(rows),
        "groups": len(found),
        "in groups": len(group) / len(rows),
        "ARI": _with_interval(adjusted_rand_score, truth, ours),
        "k-means, ARI": _with_interval(adjusted_rand_score, truth, means),
        "purity": _with_interval(_purity, *(each[ours < len(found)] for each in (truth, ours))),
        "held out": {name: _found(found, topics, name) for name in held},
    }


def _unknown(
    held: Sequence[str], names: Sequence[str], train: pl.DataFrame, test: pl.DataFrame, encoder: StoredEncoder
) -> list[Text]:
    """Give the test texts that fit none of the other topics, by their rows."""
    known = [name for name in names if name not in held]
    fit = train.filter(pl.col("topics").list.set_intersection(list(held)).list.len() == 0)
    labels = [[name for name in known if name in row] for row in fit["topics"].to_list()]
    settings = ClassifierSettings(kind="several")
    classifier = TextClassifier.fit(texts_of(fit), labels, encoder, settings)  # type: ignore[arg-type]
    texts = texts_of(test)
    rows = np.flatnonzero((classifier.predict(texts).chances < SURE).all(1)).tolist()
    return [Text(str(at), texts[at], float(at)) for at in rows]


def _found(found: Sequence[Discovered], topics: dict[str, list[str]], name: str) -> Json:
    """Find the groups of which more than half are of a topic, the largest first."""
    n, own = sum(name in each for each in topics.values()), list[Json]()
    for each in found:
        hits = sum(name in topics[text.id] for text in each.texts)
        if 2 * hits > len(each.texts):
            own.append({"texts": len(each.texts), "of it": hits, "words": ", ".join(each.words)})
    return {"texts": n, "texts in these": sum(each["of it"] for each in own) / n, "groups": own}


def _purity(truth: Offsets, groups: Offsets) -> float:
    """Share of the grouped texts whose topic is the most frequent one of their group."""
    return float(sum(np.bincount(truth[groups == one]).max() for one in np.unique(groups)) / len(truth))


def _with_interval(measure: Callable[[Offsets, Offsets], float], truth: Offsets, groups: Offsets) -> Json:
    """Measure, with an interval from half-samples: a bootstrap's repeated texts would agree with themselves.

    The values of halves that are drawn without replacement scatter as those of all texts do (Politis and
    Romano, 1994, with the correction for a finite population).
    """
    rng, values = np.random.default_rng(0), []
    for _ in range(SAMPLES):
        half = rng.permutation(len(truth))[: len(truth) // 2]
        values.append(float(measure(truth[half], groups[half])))
    value, reach = float(measure(truth, groups)), 1.96 * float(np.std(values))
    return {"value": value, "ci95": [value - reach, value + reach]}


def _mean(values: Sequence[float]) -> Json:
    return {"mean": float(np.mean(values)), "least": min(values), "most": max(values)}

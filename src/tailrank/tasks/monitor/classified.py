"""What texts are about, if they don't say it: classifiers of topics, sentiment and reasons, and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.errors import RequestError
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.monitor.stream_texts import SENTIMENTS, Text
from tailrank.tasks.monitor.subscriptions import ExampleTopic
from tailrank.tasks.monitor.summaries import Vectors

UNKNOWN: Final = "unknown"
"""Topic of texts that no topic fits."""

SURE: Final = 0.5
"""Chance from which on a text has a topic."""


@dataclass(frozen=True)
class Classified:
    """Labels texts; what they say of themselves stays.

    Attributes
    ----------
    topics
        One topic a text, or several; texts that it is unsure of are `unknown`.
    sentiment
        Of labels `negative`, `neutral` and `positive`, or of some of them.
    reasons
        Of complaints.
    vectors
        Of texts, for `examples`; None if there are none.
    examples
        Topics of subscriptions.

    Raises
    ------
    RequestError
        If a classifier reads entities, or has another encoder than the others, or `sentiment` other labels.
    """

    topics: TextClassifier | None = None
    sentiment: TextClassifier | None = None
    reasons: TextClassifier | None = None
    vectors: Vectors | None = None
    examples: Sequence[ExampleTopic] = ()

    def __post_init__(self) -> None:
        if self.sentiment is not None and not set(self.sentiment.labels) <= set(SENTIMENTS):
            other = next(each for each in self.sentiment.labels if each not in SENTIMENTS)
            known = ", ".join(SENTIMENTS)
            raise RequestError(f"the task of sentiments has a label {other!r}: label texts {known}")
        if len({(each.encoder.sha256, each.template) for each in self._classifiers()}) > 1:
            raise RequestError(
                "the classifiers have several encoders: train them with one, as texts are read once"
            )

    def __call__(self, texts: Sequence[Text]) -> list[Text]:
        """Label texts; classifiers read each once."""
        found = list(texts)
        lacking = [at for at, text in enumerate(texts) if self._is_read(text)]
        if lacking:
            classifier = self._classifiers()[0]
            written = classifier.kind.texts([texts[at].text for at in lacking], None, classifier.template)
            vectors = classifier.encoder.encode(written)
            labelled = self._labelled([texts[at] for at in lacking], written, vectors)
            for at, new in zip(lacking, labelled, strict=True):
                found[at] = new
        if self.examples and self.vectors is not None and texts:
            values = self.vectors([text.text for text in texts])
            for topic in self.examples:
                for at in np.flatnonzero(topic.matches(values)).tolist():
                    found[at] = replace(found[at], topics=tuple(sorted({*found[at].topics, topic.name})))
        return found

    def _classifiers(self) -> list[TextClassifier]:
        return [each for each in (self.topics, self.sentiment, self.reasons) if each is not None]

    def _is_read(self, text: Text) -> bool:
        wanted = (self.topics, text.topics), (self.sentiment, text.sentiment), (self.reasons, text.reason)
        return any(classifier is not None and not given for classifier, given in wanted)

    def _labelled(self, texts: Sequence[Text], written: Sequence[str], vectors: Floats) -> list[Text]:
        found = list(texts)
        if self.topics is not None:
            for row, chances in enumerate(self.topics.head.chances(vectors, written)):
                names = tuple(self.topics.labels[at] for at in np.flatnonzero(chances >= SURE))
                found[row] = replace(found[row], topics=found[row].topics or names or (UNKNOWN,))
        if self.sentiment is not None:
            for row, at in enumerate(self.sentiment.head.chances(vectors, written).argmax(1).tolist()):
                said = found[row].sentiment or self.sentiment.labels[at]
                found[row] = replace(found[row], sentiment=said)
        if self.reasons is not None:
            for row, at in enumerate(self.reasons.head.chances(vectors, written).argmax(1).tolist()):
                if found[row].is_negative and not found[row].reason:
                    found[row] = replace(found[row], reason=self.reasons.labels[at])
        return found

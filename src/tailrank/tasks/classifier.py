"""`TextClassifier`: an encoder and a head that says which labels a text has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from tailrank.arrays import Floats
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.reporting import Progress, silent
from tailrank.tasks.fitting import LabelledVectors, fit_parts
from tailrank.tasks.kinds import Kind, Labels
from tailrank.tasks.labelling import as_lists, check_counts, names_of, truth_of
from tailrank.tasks.predictions import Predictions
from tailrank.tasks.registry import kind_named
from tailrank.tasks.scope import Scope
from tailrank.tasks.settings import ClassifierSettings, Tune
from tailrank.tasks.task_folder import Encoder, LoadEncoder, load, save
from tailrank.tasks.text_head import TextHead


class LabelledTexts(NamedTuple):
    """Texts of a task, with labels; as `TextClassifier.fit` takes them."""

    texts: Sequence[str]
    labels: Sequence[str] | Labels
    kind: str = "one"
    entities: Sequence[str] | None = None

    def encoded(
        self, encoder: TextEncoder, tune: Tune, progress: Progress, store: VectorStore | None
    ) -> LabelledVectors:
        """Check them, and encode them as the kind writes them."""
        kind, listed = kind_named(self.kind), as_lists(self.labels)
        if len(listed) != len(self.texts) or not len(self.texts):
            raise RequestError(f"{len(self.texts)} texts and {len(listed)} labels: give each text its own")
        names = names_of(listed)
        truth = truth_of(listed, names, kind)
        check_counts(truth, names, kind)
        template = kind.templates[0] if tune == "none" else kind.tuned_template
        written = kind.texts(self.texts, self.entities, template)
        encode = encoder.encode if store is None else partial(store.vectors, encoder=encoder)
        features = kind.features(encode(written, progress=progress), template)
        return LabelledVectors(written, features, truth, names, kind, template)


@dataclass(frozen=True)
class TextClassifier:
    """Says which labels a text has; make one with `fit` or `load`.

    Attributes
    ----------
    kind
        Of the task.
    labels
        Names, sorted.
    encoder
        Reads the texts.
    template
        How the texts are written for it: one of the kind's.
    head
        Calibrated.
    scope
        Says which texts are like those that were learned from.
    tuned
        Whether the encoder is the task's own, and belongs in its folder.
    about
        How it was fitted, and what was measured on texts that were held out. Nothing depends on it.
    """

    kind: Kind
    labels: tuple[str, ...]
    encoder: Encoder = field(repr=False)
    template: str
    head: TextHead = field(repr=False)
    scope: Scope = field(repr=False)
    tuned: bool = False
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: Sequence[str] | Labels,
        encoder: TextEncoder,
        settings: ClassifierSettings | None = None,
        progress: Progress = silent,
        entities: Sequence[str] | None = None,
        store: VectorStore | None = None,
    ) -> Self:
        """Fit a head on vectors of texts and, if asked to, tune a copy of the encoder with it.

        Penalty, epochs, temperature, threshold and the share of words are chosen on a part that is held out;
        then a head on the encoder as it is learns from all texts.

        Parameters
        ----------
        texts
            n texts.
        labels
            The label of each or, if the kind is `several`, the labels of each.
        encoder
            Stays as it is.
        settings
            How to fit.
        progress
            Is told how far it is.
        entities
            What each label is about, if the kind is `entity`; the other texts, if it is `pair`.
        store
            Where the untuned encoder's vectors are kept between runs; None encodes everything now.

        Raises
        ------
        RequestError
            If labels are missing or too rare; it names the row or the label.
        ModelError
            If tuning diverges.
        EncoderError
            If a text can't be encoded.

        Examples
        --------
        >>> texts = ["my card is lost", "I lost my card", "what does it cost", "how much is the fee"] * 3
        >>> encoder = TextEncoder.load()
        >>> classifier = TextClassifier.fit(texts, ["card", "card", "fee", "fee"] * 3, encoder)
        >>> classifier.predict(["where is my card"]).best()[0][0]
        'card'
        """
        settings = settings or ClassifierSettings()
        given = LabelledTexts(texts, labels, settings.kind, entities)
        [found] = cls.fit_together([given], encoder, settings, progress, store)
        return found

    @classmethod
    def fit_together(
        cls,
        tasks: Sequence[LabelledTexts],
        encoder: TextEncoder,
        settings: ClassifierSettings,
        progress: Progress = silent,
        store: VectorStore | None = None,
    ) -> list[Self]:
        """Fit several tasks and, if the encoder is tuned, tune one copy of it on all of them.

        Parameters
        ----------
        tasks
            Texts and labels of each.
        settings
            Of all; each task has a kind of its own.
        encoder, progress, store
            As for `fit`.

        Raises
        ------
        RequestError, ModelError, EncoderError
            As `fit` does.
        """
        given = [task.encoded(encoder, settings.tune, progress, store) for task in tasks]
        found = []
        for task, fitted in zip(given, fit_parts(given, encoder, settings, progress), strict=True):
            about = {"settings": asdict(replace(settings, kind=task.kind.name)), "texts": len(task.truth)}
            parts = fitted.encoder, task.template, fitted.head, fitted.scope, fitted.tuned
            found.append(cls(task.kind, task.names, *parts, about | fitted.about))
        return found

    def predict(self, texts: Sequence[str], entities: Sequence[str] | None = None) -> Predictions:
        """Give the chances of labels, and which texts are out of scope.

        Parameters
        ----------
        texts
            n texts.
        entities
            What to judge in each, if the kind is `entity`; the other texts, if it is `pair`.

        Raises
        ------
        RequestError
            If entities are missing or don't belong.
        EncoderError
            If a text isn't a string.
        """
        written = self.kind.texts(texts, entities, self.template)
        return self.judge(written, self.encoder.encode(written))

    def judge(self, written: Sequence[str], vectors: Floats) -> Predictions:
        """Say what `predict` says, of what the kind writes of its texts and of the vectors, shape (n, d)."""
        features = self.kind.features(vectors, self.template)
        scores, chances = self.scope.scores(features), self.head.chances(features, written)
        return Predictions(self.labels, chances, scores, self.scope.refused(scores))

    def measure(self, predictions: Predictions, labels: Sequence[str] | Labels) -> dict[str, float]:
        """Measure what `predict` said of n texts against their labels; docs/tasks.md names the metrics.

        Raises
        ------
        RequestError
            If a label was not learned, or is missing.
        """
        return self.kind.measure(predictions, truth_of(as_lists(labels), self.labels, self.kind))

    def save(self, folder: Path) -> None:
        """Write a folder, whole or not at all.

        Raises
        ------
        ModelError
            If it can't be written.
        """
        save(folder, self)

    @classmethod
    def load(cls, folder: Path, load_encoder: LoadEncoder = TextEncoder.load) -> Self:
        """Read a folder that `save` wrote; nothing in it can make code run.

        Parameters
        ----------
        folder
            Of a task.
        load_encoder
            `OnnxEncoder.load` reads texts without torch, and single ones faster.

        Raises
        ------
        ModelError
            If it is missing, damaged or of another format, or the encoder has changed since.
        """
        return cls(**load(folder, load_encoder))

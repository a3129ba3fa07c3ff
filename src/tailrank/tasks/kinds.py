"""What kinds of tasks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from tailrank.arrays import Bools, Floats
from tailrank.errors import RequestError
from tailrank.tasks.predictions import Predictions

Labels = Sequence[Sequence[str]]
"""The labels of each text."""


class Kind(Protocol):
    """How the examples of a task become texts with labels, and how answers are measured.

    Attributes
    ----------
    name
        In settings, and on the command line.
    exclusive
        Whether each text has exactly one label, so that chances sum to 1.
    templates
        Ways to write what the encoder reads, the default first.
    tuned_template
        The one for an encoder that is tuned on the texts.
    """

    name: ClassVar[str]
    exclusive: ClassVar[bool]
    templates: ClassVar[tuple[str, ...]]
    tuned_template: ClassVar[str]

    def texts(self, texts: Sequence[str], entities: Sequence[str] | None, template: str) -> list[str]:
        """Write what the encoder reads of each text.

        Raises
        ------
        RequestError
            If entities are missing or don't belong.
        """

    def features(self, vectors: Floats, template: str) -> Floats:
        """Make what the head reads of the vectors of all that `texts` wrote; one row a text."""

    def measure(self, predictions: Predictions, truth: Bools) -> dict[str, float]:
        """Measure answers against labels, shape (texts, labels)."""


class WholeText:
    """Has labels about the whole text."""

    name: ClassVar[str]
    templates: ClassVar[tuple[str, ...]] = ("{text}",)
    tuned_template: ClassVar[str] = "{text}"

    def texts(self, texts: Sequence[str], entities: Sequence[str] | None, template: str) -> list[str]:
        """Give the texts as they are.

        Raises
        ------
        RequestError
            If there are entities.
        """
        if entities is not None:
            raise RequestError(
                f"a task of the kind {self.name!r} reads no entities and no other texts: leave them out, or"
                " use `entity` or `pair`"
            )
        return list(texts)

    def features(self, vectors: Floats, template: str) -> Floats:
        """Give the vectors as they are."""
        return vectors

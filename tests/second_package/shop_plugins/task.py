"""A kind of task: only the first sentence counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tailrank.tasks.one_label import OneLabel


class FirstSentence(OneLabel):
    """Each text has one label, which its first sentence tells."""

    name: ClassVar[str] = "first-sentence"

    def texts(self, texts: Sequence[str], entities: Sequence[str] | None, template: str) -> list[str]:
        """Cut texts after their first full stop."""
        return [text.partition(".")[0] for text in super().texts(texts, entities, template)]


FIRST_SENTENCE = FirstSentence()

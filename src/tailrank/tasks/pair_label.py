"""A label of two texts: whether they belong together, or what one says about the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.errors import RequestError
from tailrank.tasks.one_label import OneLabel

APART: Final = "{text} | {other}"
"""Each text is read by itself: what an encoder does that was made for single texts."""

TOGETHER: Final = "{text} [SEP] {other}"
"""Both are read as one, so that each word sees those of the other text: a cross-encoder, once it is tuned
(Nogueira and Cho, "Passage re-ranking with BERT", 2019). BERT knows the mark, and others learn it."""

LONGEST: Final = 600
"""Characters of either text that are read together: about half of what an encoder reads."""

DISTANCES: Final = np.float32(0.1)
"""Weight of the distances beside the cosine: with more of it, a head learns its pairs by heart."""


class PairLabel(OneLabel):
    """Each text is given with another one; the label is about both."""

    name: ClassVar[str] = "pair"
    templates: ClassVar[tuple[str, ...]] = (APART, TOGETHER)
    tuned_template: ClassVar[str] = TOGETHER

    def texts(self, texts: Sequence[str], entities: Sequence[str] | None, template: str) -> list[str]:
        """Write both texts of each pair as one or, if they are read apart, all first ones before the others.

        Examples
        --------
        >>> PairLabel().texts(["tea", "jam"], ["a drink", "a spread"], TOGETHER)
        ['tea [SEP] a drink', 'jam [SEP] a spread']
        >>> PairLabel().texts(["tea", "jam"], ["a drink", "a spread"], APART)
        ['tea', 'jam', 'a drink', 'a spread']
        """
        if entities is None or len(entities) != len(texts):
            raise RequestError(
                f"a task of the kind {self.name!r} needs another text for each: in `entities` or,"
                " on the command line, in the column that --other names"
            )
        if template == APART:
            return [*texts, *entities]
        return [
            template.format(text=text[:LONGEST], other=other[:LONGEST])
            for text, other in zip(texts, entities, strict=True)
        ]

    def features(self, vectors: Floats, template: str) -> Floats:
        """Compare the vectors of texts that were read apart: their cosine, and distances by dimension.

        As InferSent does (Conneau et al., EMNLP 2017, section 3.1), but for the cosine in place of products.
        """
        if template == TOGETHER:
            return vectors
        half = len(vectors) // 2
        texts, others = vectors[:half], vectors[half:]
        cosines = (texts * others).sum(axis=1, keepdims=True)
        found: Floats = np.hstack([cosines, DISTANCES * np.abs(texts - others)])
        return found

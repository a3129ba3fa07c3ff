"""What fitting learns and a model folder holds, and how items come and go in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from tailrank.arrays import Floats
from tailrank.errors import RequestError, instead_of
from tailrank.language.vectors import VectorSpace
from tailrank.policy.base import Policy
from tailrank.ranking.catalogue import Catalogue, check_strings
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.item_updates import item_updates
from tailrank.ranking.settings import Settings
from tailrank.signals.base import Signal
from tailrank.signals.lexical import Lexical
from tailrank.signals.semantic import SemanticAttention


@dataclass(frozen=True)
class Fitted:
    """Everything learned.

    Attributes
    ----------
    catalogue
        Items and event types, and how often each item occurs.
    signals
        In the order of the fusion's weights.
    fusion
        Learned weights.
    policy
        Steps after the score, for requests that name no others.
    settings
        How it was fitted; `template` is how item texts were written.
    spaces
        By name, how the vector of a new text becomes one that signals compare.
    upstream
        How much the scores of other recommenders count, by their names, if that was learned.
    about
        Anything worth remembering, such as the data and their metrics; nothing depends on it.
    as_of
        When the data learned from were read, in seconds since 1970: what was said of their items before that
        is out of date. 0 if that isn't known.
    first
        Steps that come before all others, and say what may be in a list at all; like `standing`.
    standing
        Steps that come after those of the model or of a request: what whoever serves the model wants of every
        list. They are no part of the model, and not stored with it.
    """

    catalogue: Catalogue
    signals: tuple[Signal, ...]
    fusion: Fusion
    policy: tuple[Policy, ...]
    settings: Settings
    spaces: Mapping[str, VectorSpace] = field(default_factory=dict)
    upstream: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, object] = field(default_factory=dict)
    as_of: float = 0.0
    standing: tuple[Policy, ...] = ()
    first: tuple[Policy, ...] = ()

    def __repr__(self) -> str:
        signals = ", ".join(self.fusion.signals)
        return f"{type(self).__name__}({len(self.catalogue):,} items; signals: {signals})"

    def attention(self, space: str) -> SemanticAttention:
        """Give the signal that compares the vectors of a space.

        Raises
        ------
        RequestError
            If there is no such space.
        """
        for signal in self.signals:
            if isinstance(signal, SemanticAttention) and signal.space == space:
                return signal
        raise RequestError(
            f"the model has no vector space {space!r}: {instead_of(space, {s: s for s in self.spaces})}"
        )

    @property
    def text_signals(self) -> list[str]:
        """Names of the signals that read text: words, or vectors that an encoder made of it."""
        return [
            signal.name
            for signal in self.signals
            if isinstance(signal, Lexical)
            or (isinstance(signal, SemanticAttention) and self.spaces[signal.space].encoder is not None)
        ]

    def steps(self, asked: Sequence[Policy] | None = None) -> tuple[Policy, ...]:
        """List the steps: the first ones, those asked for or else the model's, and the standing ones."""
        return (*self.first, *(self.policy if asked is None else asked), *self.standing)

    def with_items(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        vectors: Mapping[str, Floats] | None = None,
        columns: Sequence[Mapping[str, Any]] | None = None,
    ) -> Self:
        """Take in new items, and new texts of known ones; this model itself stays as it is.

        New items are scored by their texts alone, until a model is trained with what users do with them.
        Known ones keep what was learned from behaviour. The scores of all others don't change.

        Parameters
        ----------
        ids
            Distinct item ids.
        texts
            One an item, written by `settings.template`.
        vectors
            By the name of a space, its encoder's vectors of the items, shape (items, width), not whitened;
            without any, an item counts as one without text there.
        columns
            What policies may ask of each item, such as its brand, by the names that the data use; None leaves
            what was said of known items as it is. Columns that spaces come from aren't kept.

        Raises
        ------
        RequestError
            On repeated ids or ids that are no strings, or unless there is one text, one finite vector of the
            right width and one mapping of columns an item.
        """
        check_strings(ids, "item")
        if len(set(ids)) != len(ids) or len(texts) != len(ids):
            raise RequestError(f"{len(ids)} items with {len(texts)} texts: give each id once, and one text")
        if not all(isinstance(text, str) for text in texts):
            raise RequestError("texts must be strings: empty if an item has none")
        if columns is not None and not _are_columns(columns, len(ids)):
            raise RequestError(f"columns must be a list of {len(ids)} mappings, one an item")
        held = {space.column.name for space in self.spaces.values() if space.column}
        if columns is not None and held:
            columns = [{name: each[name] for name in each if name not in held} for each in columns]
        catalogue = self.catalogue.with_items(ids, columns)
        codes, size = catalogue.codes_of(ids), len(catalogue)
        updates = item_updates(
            self.signals, self.spaces, codes, size, texts, {} if vectors is None else vectors
        )
        signals = tuple(signal.with_items(updates) for signal in self.signals)
        return replace(self, catalogue=catalogue, signals=signals)

    def without_items(self, ids: Sequence[str]) -> Self:
        """Forget items: they are unknown from then on; ids that are unknown already are passed over.

        Raises
        ------
        RequestError
            On ids that are no strings.
        """
        check_strings(ids, "item")
        return replace(self, catalogue=self.catalogue.without_items(ids))


def _are_columns(columns: object, n_items: int) -> bool:
    return (
        isinstance(columns, Sequence)
        and len(columns) == n_items
        and all(isinstance(each, Mapping) for each in columns)
    )

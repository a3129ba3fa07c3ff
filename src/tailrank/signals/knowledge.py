"""What candidates and recent items have in common by what is known of them: people, places, makers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import polars as pl

from tailrank.data.columns import Columns
from tailrank.signals.base import ItemUpdates
from tailrank.signals.decay_choice import fit_recency_decay
from tailrank.signals.recency_decay import stored_recency_decay
from tailrank.signals.shared_terms import SharedTerms
from tailrank.signals.sparse import SparseRows
from tailrank.signals.stored import StoredArrays
from tailrank.signals.strongest import strongest
from tailrank.signals.training_data import TrainingData

if TYPE_CHECKING:
    import scipy.sparse as sp

SECOND: Final = 0.5
"""Weight of what is two steps away, beside what is one step away."""

MOST: Final = 200
"""Entities that are kept of an item, the weightiest."""

MOST_ENTITIES: Final = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Knowledge(SharedTerms):
    """Five times the cosine of what items are linked with in a knowledge graph, summed over the history.

    An item is linked with itself, with the entities of its triples, and with those linked with these, at half
    the weight, shared out over the ways there: so a maker of many says less than one of few. Each
    entity is weighted by its rarity among items, log((1 + items) / (1 + items linked)) (Spärck Jones, "A
    statistical interpretation of term specificity", Journal of Documentation 1972), so what is true of all
    says nothing. Relations count alike, in both directions.

    `rows` are the unit vectors of the items. What comes after training has none, until a model is trained
    with its triples.
    """

    name: ClassVar[str] = "knowledge"

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Link the items, then choose the recency decay; none if the data hold no triples."""
        triples = data.split.train.triples
        if triples is None:
            return []
        rows = SparseRows.from_scipy(linked(data.split.train.item_ids, triples))
        return [fit_recency_decay(cls(rows=rows), data)]

    def refit(self, data: TrainingData) -> Self:
        """Stay as it is: more events change nothing that is known."""
        return self

    def with_items(self, updates: ItemUpdates) -> Self:
        """Know nothing of new items; what is known of the others stays."""
        n_items = max(updates.n_items, len(self.rows.starts))
        return replace(self, rows=self.rows.padded(n_items, self.rows.width))

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the rows and the recency decay."""
        rows = SparseRows.from_arrays(arrays, arrays.whole_number("width", 0, MOST_ENTITIES))
        return cls(rows=rows, recency_decay=stored_recency_decay(arrays))


def linked(item_ids: Sequence[str], triples: pl.DataFrame) -> sp.csr_array:
    """Weigh what each item is linked with; unit rows, shape (items, entities that several share).

    Examples
    --------
    >>> films, actors = ["alien", "aliens", "heat"], ["weaver", "weaver", "pacino"]
    >>> found = linked(films, pl.DataFrame({"head": films, "relation": "actor", "tail": actors}))
    >>> ((found @ found.T).toarray() > 0).tolist()
    [[True, True, False], [True, True, False], [False, False, False]]
    """
    import scipy.sparse as sp

    n_items, ends = len(item_ids), [triples[Columns.HEAD], triples[Columns.TAIL]]
    names = pl.concat([pl.Series(item_ids, dtype=pl.String), *ends]).unique(maintain_order=True)
    head, tail = (end.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64) for end in ends)
    ways = np.concatenate([head, tail]), np.concatenate([tail, head])
    graph = sp.csr_array((np.ones(2 * len(head), np.float32), ways), shape=(len(names), len(names)))
    graph.data[:] = 1
    near = graph[:n_items]
    shares = sp.diags_array(1 / np.maximum(graph.sum(axis=1), 1)).astype(np.float32)
    links = near + sp.eye_array(n_items, len(names), dtype=np.float32) + SECOND * (near @ (shares @ graph))
    several = np.bincount(links.indices, minlength=len(names))
    rarity = np.log((1 + n_items) / (1 + several)) * (several > 1)
    weighed = strongest(sp.csr_array(links @ sp.diags_array(rarity.astype(np.float32))), MOST)
    weighed.eliminate_zeros()
    norms = np.sqrt(weighed.multiply(weighed).sum(axis=1))
    return sp.csr_array(sp.diags_array((1 / np.where(norms > 0, norms, 1)).astype(np.float32)) @ weighed)

"""What the data say of items, for the policies that ask."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Codes
from tailrank.errors import RequestError, instead_of
from tailrank.ranking.layers import no_layers, with_layer, without


@dataclass(frozen=True)
class ItemAttributes:
    """The columns of items: those learned from, and what was said of items since.

    Attributes
    ----------
    items
        Those learned from; row numbers are item codes.
    later
        Of items that came or changed since, all columns that were given, by item id: what isn't given of such
        an item isn't known.
    """

    items: pl.DataFrame
    later: ChainMap[str, Mapping[str, Any]] = field(default_factory=no_layers)
    _found: dict[str, npt.NDArray[Any]] = field(default_factory=dict, compare=False, repr=False)

    def of(self, name: str, ids: Sequence[str], codes: Codes) -> npt.NDArray[np.object_]:
        """Look a column up, shape (ids,); None where nothing is said, or the item is unknown.

        Raises
        ------
        RequestError
            If there is no such column.
        """
        found = np.full(len(ids), None, np.object_)
        if name in self.items.columns:
            trained = (codes >= 0) & (codes < len(self.items))
            found[trained] = self.column(name)[codes[trained]]
        elif not any(name in columns for columns in self.later.values()):
            known = {column: column for column in self.items.columns}
            raise RequestError(f"items have no column `{name}`: {instead_of(name, known)}")
        if self.later and not self.later.keys().isdisjoint(ids):
            for at, item in enumerate(ids):
                if item in self.later:
                    found[at] = self.later[item].get(name)
        return found

    def with_items(self, columns: Mapping[str, Mapping[str, Any]]) -> Self:
        """Add what is said of items, in place of what was said of them before."""
        return replace(self, later=with_layer(self.later, columns))

    def without_items(self, ids: Collection[str]) -> Self:
        """Forget what was said of items since."""
        return replace(self, later=without(self.later, ids))

    def column(self, name: str) -> npt.NDArray[np.object_]:
        """Give a column of the items learned from."""
        values = self.items[name]
        return self.once(f"column {name}", lambda: np.fromiter(values.to_list(), np.object_, len(values)))

    def once(self, name: str, find: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Find out something of the items learned from when it is first asked for, and remember it."""
        if name not in self._found:
            self._found[name] = find()
        return self._found[name]

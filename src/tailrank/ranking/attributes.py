"""What the data say of items, for the policies that ask."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Codes
from tailrank.data.columns import Columns
from tailrank.errors import RequestError, instead_of
from tailrank.policy.base import Reader, plain
from tailrank.ranking.layers import no_layers, with_layer, without

LaterRows: TypeAlias = dict[str, tuple[Mapping[str, Any] | None, npt.NDArray[Any]]]
"""By item id, what was said of it, and what follows from that."""

MOST_LATER: Final = 100_000
"""Items whose rows are remembered, of those that weren't learned from: unknown ids may be anything.

As many cells are remembered as they were written for people."""


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
    _found: dict[Hashable, npt.NDArray[Any]] = field(default_factory=dict, compare=False, repr=False)
    _found_later: dict[str, LaterRows] = field(default_factory=dict, compare=False, repr=False)
    _written: dict[int, dict[str, str]] = field(default_factory=dict, compare=False, repr=False)

    def of(
        self, name: str, ids: Sequence[str], codes: Codes, read: Reader = plain
    ) -> npt.NDArray[np.object_]:
        """Look a column up, shape (ids,), as it is read; of an unknown item, nothing is said: None is read.

        Raises
        ------
        RequestError
            If there is no such column.
        """
        names = self.items.columns
        if name not in names and not any(name in columns for columns in self.later.values()):
            known = {each: each for each in names}
            raise RequestError(f"items have no column `{name}`: {instead_of(name, known)}")
        found = self.column(name, read).take(np.minimum(codes, len(self.items)))
        if self._changed(ids):
            for at, item in enumerate(ids):
                if item in self.later:
                    found[at] = read([self.later[item].get(name)])[0]
        return found

    def derived(
        self, name: str, find: Callable[[pl.DataFrame], npt.NDArray[Any]], ids: Sequence[str], codes: Codes
    ) -> npt.NDArray[Any]:
        """Look up what follows from the columns of each item, shape (ids, ...).

        It is found out once for the items learned from, and again for those that changed. Of an unknown item
        nothing but its id is said.

        Parameters
        ----------
        name
            Of what `find` finds out.
        find
            Takes items as a frame with the columns of those learned from; gives a row for each.
        ids, codes
            Of the items, and -1 for those that are unknown.
        """
        learned = self.once(name, lambda: find(self.items))
        trained = (codes >= 0) & (codes < len(self.items))
        if self._changed(ids):
            trained &= np.fromiter((item not in self.later for item in ids), bool, len(ids))
        if trained.all():
            return learned.take(codes, axis=0)
        found = np.empty((len(ids), *learned.shape[1:]), learned.dtype)
        found[trained] = learned[codes[trained]]
        others = (~trained).nonzero()[0]
        found[others] = self._derived_later(name, find, [ids[at] for at in others.tolist()])
        return found

    def written(
        self, longest: int, texts: Sequence[str], write: Callable[[Sequence[str]], list[str]]
    ) -> list[str]:
        """Write cells of a column for people; those of lately come from memory.

        Parameters
        ----------
        longest
            Characters of what is written, at most.
        texts
            What stands in the cells.
        write
            Writes each by itself.
        """
        if len(texts) > MOST_LATER:
            return write(texts)
        known = self._written.setdefault(longest, {})
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if len(known) + len(new) > MOST_LATER:
            known = self._written[longest] = {}  # another thread may be reading the old one
            new = list(dict.fromkeys(texts))
        if new:
            known.update(zip(new, write(new), strict=True))
        return [known[text] for text in texts]

    def _changed(self, ids: Sequence[str]) -> bool:
        """Whether something was said of one of them since."""
        return any(not layer.keys().isdisjoint(ids) for layer in self.later.maps)

    def _derived_later(
        self, name: str, find: Callable[[pl.DataFrame], npt.NDArray[Any]], ids: Sequence[str]
    ) -> list[npt.NDArray[Any]]:
        """Find out the same of items that changed, or are unknown, unless that was done before."""
        known = self._found_later.setdefault(name, {})
        new = [item for item in ids if item not in known or known[item][0] is not self.later.get(item)]
        if new:
            if len(known) > MOST_LATER:
                known.clear()
                new = list(ids)
            rows = find(self._frame(new))
            known.update((item, (self.later.get(item), row)) for item, row in zip(new, rows, strict=True))
        return [known[item][1] for item in ids]

    def _frame(self, ids: Sequence[str]) -> pl.DataFrame:
        """Give what is said of items since as the columns of those learned from."""
        said = [{**self.later.get(item, {}), Columns.ITEM: item} for item in ids]
        return pl.DataFrame(
            [
                _as_column(name, [columns.get(name) for columns in said], kind)
                for name, kind in self.items.schema.items()
            ]
        )

    def with_items(self, columns: Mapping[str, Mapping[str, Any]]) -> Self:
        """Add what is said of items, in place of what was said of them before."""
        return replace(self, later=with_layer(self.later, columns))

    def without_items(self, ids: Collection[str]) -> Self:
        """Forget what was said of items since."""
        return replace(self, later=without(self.later, ids))

    def column(self, name: str, read: Reader = plain) -> npt.NDArray[np.object_]:
        """Read a column of the items learned from and, last, None; only None if it came since."""

        def find() -> npt.NDArray[np.object_]:
            known = name in self.items.columns
            values = self.items[name].to_list() if known else [None] * len(self.items)
            return np.fromiter(read([*values, None]), np.object_, len(values) + 1)

        return self.once((name, read), find)

    def once(self, name: Hashable, find: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Find out something of the items learned from when it is first asked for, and remember it."""
        if name not in self._found:
            self._found[name] = find()
        return self._found[name]


def _as_column(name: str, values: list[Any], kind: pl.DataType) -> pl.Series:
    """Make values those of a column; what can't be one of it counts as missing."""
    if isinstance(kind, pl.List):
        values = [each if each is None or isinstance(each, list) else [each] for each in values]
    try:
        column = pl.Series(name, values, kind, strict=False)
        if column.dtype == kind:
            return column
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        pass
    if len(values) == 1:
        return pl.Series(name, [None], kind)
    return pl.concat([_as_column(name, [each], kind) for each in values])

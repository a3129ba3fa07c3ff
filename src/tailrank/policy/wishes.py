"""What a user asks for now: bounds of prices, brands to leave out, genres to see more of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from msgspec import Meta

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.bounds import MAX_TEXT, check_bounds
from tailrank.errors import RequestError, instead_of
from tailrank.policy.base import Listing, Scored
from tailrank.policy.values import categories

MOST: Final = MAX_TEXT // 2
"""Wishes of one step, and values of one wish."""

BOUNDS: Final = {"above": np.greater, "least": np.greater_equal, "below": np.less, "most": np.less_equal}
"""Limits of a number, and how it compares with them."""

Value = str | float


@dataclass(frozen=True)
class Wish:
    """What a user wants of one column of the items: values, a range, or both.

    Attributes
    ----------
    column
        Of the items; `item_id` is one.
    values
        An item meets the wish if the column says one of them; none stands for any.
    above, least, below, most
        Limits of the column's number: beyond, from, short of, and up to which.
    unmet
        Whether it is wanted that an item does not meet this. One of which the column says nothing does not.
    by
        Log-odds for items as wanted, less for each that is not if it is below 0; None takes the others away.

    Raises
    ------
    RequestError
        If it wants nothing, on limits that leave nothing, and on values of other types.

    Examples
    --------
    >>> Wish("price", below=20.0).words
    'price below 20'
    >>> Wish("brand", ["Acme"], unmet=True).words
    'brand not Acme'
    """

    column: str
    values: Sequence[Value] = ()
    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    unmet: bool = False
    by: Annotated[float, Meta(ge=-10, le=10)] | None = None

    def __post_init__(self) -> None:
        check_bounds(self)
        if not isinstance(self.values, list | tuple) or len(self.values) > MOST:
            raise RequestError(f"values must be a list of at most {MOST}, not {self.values!r}")
        if not all(isinstance(each, str | int | float) for each in self.values):
            raise RequestError(f"values must be text or numbers, not {self.values!r}")
        object.__setattr__(self, "values", tuple(self.values))
        if not isinstance(self.unmet, bool):
            raise RequestError(f"unmet must be true or false, not {self.unmet!r}")
        if not self.values and not self.limits:
            raise RequestError(
                "a wish needs `values`, or a limit: " + ", ".join(f"`{name}`" for name in BOUNDS)
            )
        low = max(self.limits.get(name, -math.inf) for name in ("above", "least"))
        high = min(self.limits.get(name, math.inf) for name in ("below", "most"))
        if low > high:
            raise RequestError(f"no number is {self._range}")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that there are, by name."""
        return {name: limit for name in BOUNDS if (limit := getattr(self, name)) is not None}

    @property
    def words(self) -> str:
        """What it wants, for people."""
        wanted = " or ".join(map(str, self.values))
        said = " ".join(part for part in (wanted, self._range) if part)
        return f"{self.column} {'not ' if self.unmet else ''}{said}"

    @property
    def _range(self) -> str:
        names = {"least": "at least", "most": "at most"}
        return " and ".join(f"{names.get(name, name)} {limit:.15g}" for name, limit in self.limits.items())

    def wanted(self, listing: Listing) -> Bools:
        """Say which candidates are as wanted, shape (candidates,).

        Raises
        ------
        RequestError
            If the items have no such column, or a limit is of one that holds texts.
        """
        if self.column == "item_id":
            met = np.isin(np.array(listing.ids, object), list(self.values))
            return ~met if self.unmet else met
        met = np.ones(len(listing.ids), bool)
        if self.values:
            said = listing.attribute(self.column, categories)
            any_of = set(map(str, self.values))
            met &= np.fromiter((not any_of.isdisjoint(each) for each in said), bool, len(said))
        if self.limits:
            number = self._numbers(listing)
            for name, limit in self.limits.items():
                met &= BOUNDS[name](number, limit)
        return ~met if self.unmet else met

    def _numbers(self, listing: Listing) -> Doubles:
        found: Doubles = listing.attribute(self.column, numbers).astype(np.float64)
        if np.isnan(found).all() and any(isinstance(said, str) for said in listing.attribute(self.column)):
            unfit = ", ".join(self.limits)
            raise RequestError(f"`{self.column}` holds texts, no numbers: give `values` in place of {unfit}")
        return found


@dataclass(frozen=True)
class Wishes:
    """Takes away what a user doesn't want, and raises what the user would rather have.

    It looks at the candidates alone, so that a request may bring wishes of its own; rules of the shop, which
    look at all items, come from a file.

    Attributes
    ----------
    wishes
        Also as mappings of their fields.
    rarity
        Log-odds for an item that nobody chose in training, in proportion less for others; below 0, items are
        lowered that few chose.

    Raises
    ------
    RequestError
        On a mistake in a wish, or too many.
    """

    wishes: Sequence[Wish] = ()
    rarity: Annotated[float, Meta(ge=-10, le=10)] = 0.0

    name: ClassVar[str] = "wishes"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)
        if not isinstance(self.wishes, list | tuple) or len(self.wishes) > MOST:
            raise RequestError(f"wishes must be a list of at most {MOST}, not {self.wishes!r}")
        wishes = tuple(each if isinstance(each, Wish) else read_wish(each) for each in self.wishes)
        object.__setattr__(self, "wishes", wishes)

    def check(self, listing: Listing) -> None:
        """Check that the items have the columns.

        Raises
        ------
        RequestError
            If one is missing.
        """
        for wish in self.wishes:
            wish.wanted(listing)

    def apply(self, scored: Scored) -> Scored:
        """Take and raise."""
        if not self.wishes and not self.rarity:
            return scored
        listing = scored.listing_for(self.name)
        added: Floats = np.float32(self.rarity) * scored.rarity
        for wish in self.wishes:
            wanted = wish.wanted(listing)
            if wish.by is None:
                scored = scored if wanted.all() else scored.without(f"wish {wish.words}", ~wanted)
            else:
                added = added + (np.float32(wish.by) * wanted).astype(np.float32)
        return scored.plus(self.name, added) if added.any() else scored


def numbers(values: Sequence[Any]) -> list[float]:
    """Read a column of numbers, one an item; NaN where nothing is said, or something else.

    Examples
    --------
    >>> numbers([3, "4", None, True])
    [3, nan, nan, nan]
    """
    return [each if type(each) in (int, float) else math.nan for each in values]


def read_wish(described: Any) -> Wish:
    """Make a wish of a mapping of its fields.

    Raises
    ------
    RequestError
        On an unknown field, a missing one, or anything that makes no sense.
    """
    known = {field.name: field.name for field in fields(Wish)}
    if not isinstance(described, Mapping):
        raise RequestError(f"a wish is described by its fields, not by {described!r}")
    for key in described:
        if key not in known:
            raise RequestError(f"a wish has no field `{key}`: {instead_of(str(key), known)}")
    if "column" not in described:
        raise RequestError("a wish needs the field `column`")
    return Wish(**described)

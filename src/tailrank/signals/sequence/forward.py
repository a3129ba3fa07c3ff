"""The network in NumPy: what torch trained, rearranged so that a request costs few and small products.

The result is the same but for rounding. Of layer normalisation only the division by the deviation is left to
do: its centring, scale and shift are linear, so they are part of the matrices that follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.signals.base import Arrays
from tailrank.signals.stored import StoredArrays

EPSILON: Final = 1e-5
"""What torch adds to a variance."""

LARGEST_WEIGHT: Final = 1e3
"""What no weight of a model folder exceeds, so that the products of all layers stay finite."""


def _layers(width: int, *names: str) -> dict[str, tuple[int | None, ...]]:
    """Name the parts of normalisations, and their shapes."""
    return {f"{name}.{part}": (width,) for name in names for part in ("weight", "bias")}


def inverse_deviations(x: Floats) -> Floats:
    """One over the standard deviation of each vector; shape (..., d) to (..., 1)."""
    d = x.shape[-1]
    squares = np.einsum("...d,...d->...", x, x)
    sums = x @ np.ones(d, np.float32)
    inverse: Floats = 1 / np.sqrt((squares - sums * sums / d) / d + np.float32(EPSILON))
    return inverse[..., None]


def _divided(x: Floats) -> Floats:
    """Divide each vector by its standard deviation."""
    y: Floats = x * inverse_deviations(x)
    return y


def normalise(x: Floats, scale: Floats, shift: Floats) -> Floats:
    """Layer normalisation over the last axis, in full and in place."""
    d = x.shape[-1]
    x -= x @ np.full((d, 1), 1 / d, np.float32)
    x *= inverse_deviations(x)
    x *= scale
    x += shift
    return x


@dataclass(frozen=True)
class Transformer:
    """The network without its items.

    Attributes
    ----------
    weights
        By name: `start` (d,), `positions` (1 + longest history, d), `types` (event types, d), `untyped` (d,)
        for an event without a known type, `gaps` (buckets, d), and of the blocks as
        `blocks.0.queries.weight` and so on.
    heads
        Attention heads.
    """

    weights: Arrays
    heads: int

    @classmethod
    def from_arrays(cls, arrays: StoredArrays, width: int, n_gaps: int, heads: int) -> Self:
        """Take stored weights.

        Raises
        ------
        ModelError
            If they are no such network of this width.
        """
        if width % heads:
            raise arrays.error("heads", f"{heads} don't divide a width of {width}")
        shapes: dict[str, tuple[int | None, ...]] = {
            **{"start": (width,), "positions": (None, width)},
            **{"types": (arrays.n_types, width), "gaps": (n_gaps, width)},
            **_layers(width, "entry", "exit"),
        }
        if "untyped" in arrays:
            shapes["untyped"] = (width,)
        blocks = max(1, len({name.split(".")[1] for name in arrays.arrays if name.startswith("blocks.")}))
        for prefix in (f"blocks.{n}." for n in range(blocks)):
            shapes |= _layers(width, f"{prefix}before", f"{prefix}after")
            wide = arrays.floats(f"{prefix}wide.bias", None).size
            sizes = {"queries": (width, width), "pairs": (2 * width, width), "out": (width, width)}
            sizes |= {"wide": (wide, width), "narrow": (width, wide)}
            for name, (rows, columns) in sizes.items():
                shapes[f"{prefix}{name}.weight"] = rows, columns
                shapes[f"{prefix}{name}.bias"] = (rows,)
        bounds = {"least": -LARGEST_WEIGHT, "largest": LARGEST_WEIGHT}
        weights = {name: arrays.floats(name, *shape, **bounds) for name, shape in shapes.items()}
        if not len(weights["positions"]):
            raise arrays.error("positions", "of no history, not even an empty one")
        return cls(weights, heads)

    @property
    def length(self) -> int:
        """Events of a history that it sees at most."""
        return len(self.weights["positions"]) - 1

    def forward(self, items: Floats, types: Codes, gaps: Codes) -> Floats:
        """Predict what comes after histories of equal length; (histories, d).

        Parameters
        ----------
        items
            Vectors of their items, shape (histories, length, d), which are overwritten.
        types, gaps
            Codes, shape (histories, length).
        """
        w, (n, length, d) = self.weights, items.shape
        x = np.empty((n, length + 1, d), np.float32)
        x[:, 0] = w["start"]
        events = normalise(items, w["entry.weight"], w["entry.bias"])
        events += self._types.take(types, axis=0)
        events += w["gaps"].take(gaps, axis=0)
        x[:, 1:] = events
        x += w["positions"][: length + 1]
        mask = self._mask[: length + 1, : length + 1]
        for block in self._blocks[:-1]:
            x = block.everywhere(x, mask)
        # Only the latest position is asked for.
        return normalise(self._blocks[-1].latest(x), w["exit.weight"], w["exit.bias"])

    @cached_property
    def _types(self) -> Floats:
        """By code, `UNTYPED` last; without `untyped`, as in an older model, that is the mean of all types."""
        types = self.weights["types"]
        return np.vstack([types, self.weights.get("untyped", types.mean(axis=0))])

    @cached_property
    def _blocks(self) -> list[Block]:
        names = {name.split(".")[1] for name in self.weights if name.startswith("blocks.")}
        return [Block.of(self.weights, f"blocks.{name}.", self.heads) for name in sorted(names, key=int)]

    @cached_property
    def _mask(self) -> Floats:
        """Minus infinity for what comes after a position, shape (1 + longest history,) * 2."""
        return np.triu(np.full((len(self.weights["positions"]),) * 2, -np.inf, np.float32), 1)


@dataclass(frozen=True)
class Block:
    """A pre-norm transformer block, its normalisations folded into the products.

    Attributes
    ----------
    inward
        To queries, keys and values, shape (d, 3 d). Queries are scaled already.
    query
        Bias of the queries, shape (d,). A bias of the keys shifts all logits of a query alike, and attention
        doesn't see that; one of the values ends up in `outward` as it is, since attention sums to one.
    outward, wide, narrow
        Matrix and bias of the other products.
    heads
        Attention heads.
    """

    inward: Floats
    query: Floats
    outward: tuple[Floats, Floats]
    wide: tuple[Floats, Floats]
    narrow: tuple[Floats, Floats]
    heads: int

    @classmethod
    def of(cls, weights: Arrays, prefix: str, heads: int) -> Self:
        """Rearrange the weights whose names start with `prefix`."""
        w = {name.removeprefix(prefix): a for name, a in weights.items() if name.startswith(prefix)}
        queries, query = _folded(w, "before", "queries")
        pairs, pair = _folded(w, "before", "pairs")
        d = len(queries)
        scale = np.float32((d // heads) ** -0.5)
        out, outward = np.ascontiguousarray(w["out.weight"].T), w["out.bias"]
        return cls(
            inward=np.concatenate([queries * scale, pairs], axis=1),
            query=query * scale,
            outward=(out, outward + pair[d:] @ out),
            wide=_folded(w, "after", "wide"),
            narrow=(np.ascontiguousarray(w["narrow.weight"].T), w["narrow.bias"]),
            heads=heads,
        )

    def everywhere(self, x: Floats, mask: Floats) -> Floats:
        """Attend from each position to those before it and itself; (n, length, d) to the same.

        `mask` is minus infinity above its diagonal, else 0; shape (length, length).
        """
        d = x.shape[-1]
        z: Floats = _divided(x) @ self.inward
        queries = self._split(z[..., :d] + self.query)
        keys, values = self._split(z[..., d : 2 * d]), self._split(z[..., 2 * d :])
        attention = _softmax(queries @ keys.swapaxes(-1, -2) + mask)
        mixed = (attention @ values).swapaxes(1, 2).reshape(x.shape)
        return self._onward(x, mixed)

    def latest(self, x: Floats) -> Floats:
        """Attend from the latest position alone; (n, length, d) to (n, d).

        Keys and values are never computed: ``q . (W x) = (W^T q) . x`` takes one product for each head in
        place of one for each position, and so does ``sum_j a_j W x_j = W sum_j a_j x_j``.
        """
        d, last, inverse = x.shape[-1], x[:, -1], inverse_deviations(x)
        query: Floats = last @ self.inward[:, :d]
        query *= inverse[:, -1]
        query += self.query
        keys, values = self._heads
        asked: Floats = (self._by_head(query) @ keys).swapaxes(0, 1)
        across = inverse.swapaxes(-1, -2)
        attention = _softmax(asked @ x.swapaxes(-1, -2) * across)
        attention *= across
        pooled: Floats = attention @ x
        mixed: Floats = pooled.swapaxes(0, 1) @ values
        return self._onward(last, mixed.swapaxes(0, 1).reshape(len(x), d))

    def _onward(self, x: Floats, mixed: Floats) -> Floats:
        """Add what attention gave, then what two layers make of the sum."""
        y = mixed @ self.outward[0]
        y += self.outward[1]
        y += x
        hidden = _divided(y) @ self.wide[0]
        hidden += self.wide[1]
        y += np.maximum(hidden, 0, out=hidden) @ self.narrow[0]
        y += self.narrow[1]
        return y

    def _split(self, x: Floats) -> Floats:
        """Shape (n, length, d) to (n, heads, length, d / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    def _by_head(self, x: Floats) -> Floats:
        """Shape (n, d) to (heads, n, d / heads)."""
        return x.reshape(len(x), self.heads, -1).swapaxes(0, 1)

    @cached_property
    def _heads(self) -> tuple[Floats, Floats]:
        """Matrices of each head: back from keys, (heads, d / heads, d); to values, (heads, d, d / heads)."""
        d = len(self.inward)
        keys, values = (self._by_head(self.inward[:, at : at + d]) for at in (d, 2 * d))
        return np.ascontiguousarray(keys.swapaxes(1, 2)), np.ascontiguousarray(values)


def _folded(weights: Arrays, norm: str, name: str) -> tuple[Floats, Floats]:
    """Take the product `name` together with all of the normalisation before it but the division.

    ``((x - mean x) / dev * scale + shift) W + b  =  x / dev (C diag(scale) W) + (shift W + b)``, with C
    the symmetric matrix that subtracts a vector's mean.
    """
    product = weights[f"{name}.weight"].T
    matrix = weights[f"{norm}.weight"][:, None] * product
    matrix -= matrix.mean(axis=0)
    return np.ascontiguousarray(matrix), weights[f"{norm}.bias"] @ product + weights[f"{name}.bias"]


def _softmax(logits: Floats) -> Floats:
    """Over the last axis, in place."""
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return logits

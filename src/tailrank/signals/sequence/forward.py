"""The network in NumPy: what torch trained, rearranged so that a request costs few and small products.

The result is the same but for rounding. Of layer normalisation only the division by the deviation is left to
do: scale and shift are linear, so they are part of the matrices that follow; and all that is added to a
vector on its way through the blocks is centred beforehand, so that its mean stays zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
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


def _centred(x: Floats) -> Floats:
    """Subtract the mean of each vector."""
    y: Floats = x - x @ _averaging(x.shape[-1])  # in a third of the time of `mean`
    return y


@lru_cache
def _averaging(d: int) -> Floats:
    return np.full((d, 1), 1 / d, np.float32)


def _normed(x: Floats) -> Floats:
    """Divide vectors of mean zero by their standard deviation, times the root of d: to about length one."""
    squares = np.einsum("...d,...d->...", x, x)
    squares += np.float32(EPSILON * x.shape[-1])
    np.sqrt(squares, out=squares)
    y: Floats = x / squares[..., None]
    return y


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
            Vectors of their items, shape (histories, length, d).
        types, gaps
            Codes, shape (histories, length).
        """
        return self.trace(items, types, gaps)[0]

    def trace(self, items: Floats, types: Codes, gaps: Codes) -> tuple[Floats, list[Floats]]:
        """Do the same, and keep what attention looks at in each block; (histories, 1 + length, d) each."""
        n, length, d = items.shape
        x = np.empty((n, length + 1, d), np.float32)
        x[:, 0] = _centred(self.weights["start"] + self.weights["positions"][0])
        x[:, 1:] = self._events(items, types, gaps, 1)
        mask = self._mask[: length + 1, : length + 1]
        *blocks, last = self._blocks
        seen = []
        for block in blocks:
            seen.append(_normed(x))
            x = block.everywhere(x, seen[-1], mask)
        seen.append(_normed(x))
        # Only the latest position is asked for.
        return self._exit(last.latest(x[:, -1], seen[-1])), seen

    def extend(self, seen: list[Floats], at: int, item: Floats, types: Codes, gaps: Codes) -> Floats:
        """Predict what comes after one more event, by what `trace` kept; only its position is computed.

        Parameters
        ----------
        seen
            Of one history, with room for one more position, which is written.
        at
            That position: how many were seen before.
        item, types, gaps
            The event: its item's vector, shape (1, 1, d), and codes, shape (1, 1).

        Returns
        -------
        Floats
            Shape (1, d).
        """
        x: Floats = self._events(item, types, gaps, at)[:, 0]
        for block, rows in zip(self._blocks, seen, strict=True):
            rows[:, at] = _normed(x)
            x = block.latest(x, rows[:, : at + 1])
        return self._exit(x)

    def _events(self, items: Floats, types: Codes, gaps: Codes, first: int) -> Floats:
        """Turn events into what the first block reads; the first of them is at this position."""
        w = self.weights
        x = _normed(_centred(items))
        x *= self._scales[0]
        x += self._types.take(types, axis=0)
        x += w["gaps"].take(gaps, axis=0)
        x += self._places[first : first + items.shape[1]]
        return _centred(x)

    def _exit(self, x: Floats) -> Floats:
        x = _normed(x)
        x *= self._scales[1]
        x += self.weights["exit.bias"]
        return x

    @cached_property
    def _places(self) -> Floats:
        """Of each position, with the shift of every event; shape (1 + longest history, d)."""
        return self.weights["positions"] + self.weights["entry.bias"]

    @cached_property
    def _scales(self) -> tuple[Floats, Floats]:
        """Of the normalisations at entry and exit; each of shape (d,)."""
        entry, leave = self.weights["entry.weight"], self.weights["exit.weight"]
        root = np.float32(len(entry) ** 0.5)
        return entry * root, leave * root

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
        out = np.ascontiguousarray(_centred(w["out.weight"].T))
        return cls(
            inward=np.concatenate([queries * scale, pairs], axis=1),
            query=query * scale,
            outward=(out, _centred(w["out.bias"]) + pair[d:] @ out),
            wide=_folded(w, "after", "wide"),
            narrow=(np.ascontiguousarray(_centred(w["narrow.weight"].T)), _centred(w["narrow.bias"])),
            heads=heads,
        )

    def everywhere(self, x: Floats, seen: Floats, mask: Floats) -> Floats:
        """Attend from each position to those before it and itself; (n, length, d) to the same.

        `seen` is `_normed(x)`. `mask` is minus infinity above its diagonal, else 0; shape (length, length).
        """
        d = x.shape[-1]
        z: Floats = seen @ self.inward
        queries = self._split(z[..., :d] + self.query)
        keys, values = self._split(z[..., d : 2 * d]), self._split(z[..., 2 * d :])
        attention = _softmax(queries @ keys.swapaxes(-1, -2) + mask)
        mixed: Floats = attention @ values
        attended: Floats = mixed.swapaxes(1, 2).reshape(x.shape) @ self.outward[0]
        return self._onward(x, attended)

    def latest(self, x: Floats, seen: Floats) -> Floats:
        """Attend from the latest position alone, (n, d), to all of `seen`, (n, length, d); gives (n, d).

        Keys and values are never computed: ``q . (W x) = (W^T q) . x`` takes one product for each head in
        place of one for each position, and so does ``sum_j a_j W x_j = W sum_j a_j x_j``.
        """
        asking, shift, answering = self._heads
        asked: Floats = seen[:, -1] @ asking
        asked += shift
        logits: Floats = asked.reshape(len(x), self.heads, -1) @ seen.swapaxes(-1, -2)
        pooled: Floats = _softmax(logits) @ seen
        attended: Floats = pooled.reshape(len(x), -1) @ answering
        return self._onward(x, attended)

    def _onward(self, x: Floats, y: Floats) -> Floats:
        """Add what attention gave, `y`, which is overwritten, then what two layers make of the sum."""
        y += self.outward[1]
        y += x
        hidden = _normed(y) @ self.wide[0]
        hidden += self.wide[1]
        y += np.maximum(hidden, 0, out=hidden) @ self.narrow[0]
        y += self.narrow[1]
        return y

    def _split(self, x: Floats) -> Floats:
        """Shape (n, length, d) to (n, heads, length, d / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    @cached_property
    def _heads(self) -> tuple[Floats, Floats, Floats]:
        """What heads look for, (d, heads * d), its shift, and what they answer, (heads * d, d).

        Queries and keys are one matrix here, and so are values and what follows them.
        """
        d, h = len(self.inward), self.heads
        queries, keys, values = self.inward.reshape(d, 3, h, -1).transpose(1, 2, 0, 3)
        asking = queries @ keys.swapaxes(1, 2)
        shift = self.query.reshape(h, 1, -1) @ keys.swapaxes(1, 2)
        answering = values @ self.outward[0].reshape(h, -1, d)
        return asking.swapaxes(0, 1).reshape(d, -1), shift.ravel(), answering.reshape(-1, d)


def _folded(weights: Arrays, norm: str, name: str) -> tuple[Floats, Floats]:
    """Take the product `name` together with the normalisation before it, but for what `_normed` does.

    ``(x / dev * scale + shift) W + b  =  x / (dev √d) (√d diag(scale) W) + (shift W + b)``
    """
    product = weights[f"{name}.weight"].T
    scale = weights[f"{norm}.weight"] * np.float32(len(product) ** 0.5)
    matrix = np.ascontiguousarray(scale[:, None] * product)
    return matrix, weights[f"{norm}.bias"] @ product + weights[f"{name}.bias"]


def _softmax(logits: Floats) -> Floats:
    """Over the last axis, in place."""
    logits -= np.maximum.reduce(logits, axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= np.add.reduce(logits, axis=-1, keepdims=True)
    return logits

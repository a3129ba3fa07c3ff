"""The network as torch trains it; `SequenceModel` computes the same from its weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tailrank.arrays import Floats, Offsets
from tailrank.metrics.popularity import count_buckets
from tailrank.signals.appendable import VectorTable
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.forward import Transformer
from tailrank.signals.sequence.model import GAPS, SequenceModel


class Network(nn.Module):
    """A causal transformer whose items are made of their texts' vectors and a residual.

    Parameters
    ----------
    n_items
        How many items there are.
    type_shares
        How often each event type occurs, shape (types,). An event without a known type counts as their mean.
    vectors
        Whitened vectors, shape (items, dimensions), which stay as they are; None learns items by id alone.
    config
        Its size and dropout.
    half
        Type in which vectors are mapped while it trains, such as bfloat16.
    """

    text_vectors: Tensor | None
    rounded_vectors: Tensor | None
    type_shares: Tensor

    def __init__(
        self,
        n_items: int,
        type_shares: Floats,
        vectors: Floats | None,
        config: SASRecConfig,
        half: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.heads, self.dropout, width = config.heads, config.dropout, config.width
        text_vectors = None if vectors is None else torch.from_numpy(vectors)
        self.register_buffer("text_vectors", text_vectors, persistent=False)
        rounded = None if text_vectors is None else text_vectors.to(half)
        self.register_buffer("rounded_vectors", rounded, persistent=False)
        self.map = None if vectors is None else nn.Linear(vectors.shape[1], width, bias=False)
        spread = 0.0 if self.map else 0.02
        self.residual = nn.Parameter(torch.randn(n_items, width) * spread)
        self.start = nn.Parameter(torch.randn(width) * 0.02)
        self.positions = nn.Parameter(torch.randn(config.length + 1, width) * 0.02)
        self.types = nn.Parameter(torch.zeros(len(type_shares), width))
        self.register_buffer("type_shares", torch.from_numpy(type_shares), persistent=False)
        self.gaps = nn.Parameter(torch.zeros(GAPS, width))
        self.entry, self.exit = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, self.heads, self.dropout) for _ in range(config.blocks))
        if self.map:
            nn.init.normal_(self.map.weight, 0, 0.1)

    def vectors(self, codes: Tensor | None = None) -> Tensor:
        """Put together the vectors of items, by default of all; the shape of `codes`, then width."""
        # Bracketed look-ups add up their gradients in an order that changes from run to run.
        own = self.residual if codes is None else functional.embedding(codes, self.residual)
        text_vectors = self.rounded_vectors if self.training else self.text_vectors
        if self.map is None or text_vectors is None:
            return own
        if codes is not None:
            text_vectors = functional.embedding(codes, text_vectors)
        mapped = functional.linear(text_vectors, self.map.weight.to(text_vectors.dtype))
        return own + mapped.to(own.dtype)

    def forward(self, items: Tensor, types: Tensor, gaps: Tensor) -> Tensor:
        """Predict at the start and after each event; (n, length + 1, width) out.

        Parameters
        ----------
        items
            Vectors, shape (n, length, width).
        types, gaps
            Codes, shape (n, length). Events are padded at their end: a causal network doesn't see that
            from where it predicts.
        """
        table = torch.cat([self.types, self._untyped()[None]])
        x = self.entry(items)
        x = x + functional.embedding(types % table.shape[0], table) + functional.embedding(gaps, self.gaps)
        x = torch.cat([self.start.expand(x.shape[0], 1, -1), x], dim=1) + self.positions[: x.shape[1] + 1]
        x = dropped(x, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        return self.exit(x)  # type: ignore[no-any-return]

    def _untyped(self) -> Tensor:
        """Give the vector of an event without a known type; shape (width,)."""
        return (self.type_shares[:, None] * self.types).sum(dim=0)

    def frozen(self, counts: Offsets | None = None) -> SequenceModel:
        """Copy the weights into what ranks; by `counts`, the least known items tell where new items go."""
        weights = {name: _frozen(value) for name, value in self.state_dict().items()}
        weights["untyped"] = _frozen(self._untyped())
        residual, mapping = weights.pop("residual"), weights.pop("map.weight", None)
        buckets = count_buckets(np.zeros(len(residual), np.int64) if counts is None else counts)
        cold_residual = residual[buckets == buckets.min()].mean(axis=0)
        with torch.no_grad():
            table = VectorTable.from_array(_frozen(self.vectors()))
        mapping = None if mapping is None else np.ascontiguousarray(mapping.T)
        network = Transformer(weights, self.heads)
        return SequenceModel(table, network, cold_residual, mapping, slack=network.length // 3)


def dropped(x: Tensor, share: float, training: bool) -> Tensor:
    """Set a share of the numbers to zero while training, and scale the rest.

    Each random number decides for four of them: torch's own dropout takes longer than the products between.

    Examples
    --------
    >>> dropped(torch.ones(1000), 0.5, training=True).unique()
    tensor([0., 2.])
    """
    if not training or not share:
        return x
    drawn = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(1 << 63), None)
    kept = drawn.view(torch.int16)[: x.numel()].view(x.shape) >= round(share * (1 << 16)) - (1 << 15)
    return x * kept.to(x.dtype).mul_(1 / (1 - share))


def _frozen(value: Tensor) -> Floats:
    return np.array(value.detach().float().cpu().numpy())


class Block(nn.Module):
    """One pre-norm transformer block with causal attention."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries, self.pairs = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, length, width) in and out."""
        seen = self.before(x)
        keys, values = self.pairs(seen).chunk(2, dim=-1)
        queries, keys, values = map(self._split, (self.queries(seen), keys, values))
        lost = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True, dropout_p=lost)
        x = x + self._drop(self.out(mixed.transpose(1, 2).flatten(2)))
        hidden = functional.relu(self.wide(self.after(x)))
        return x + self._drop(self.narrow(self._drop(hidden)))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _drop(self, x: Tensor) -> Tensor:
        return dropped(x, self.dropout, self.training)

"""RecTools' extension point for item features, filled with text vectors."""

from __future__ import annotations

from functools import cache
from typing import Any, Self


@cache
def text_item_net() -> type:
    """Make the class of a network that embeds items by a learned linear map of fixed text vectors.

    RecTools embeds categories and leaves dense features out; blocks of other kinds derive from its
    `ItemNetBase` and are named in `item_net_block_types`. A function, as deriving needs RecTools.
    """
    import torch
    from rectools.models.nn.item_net import ItemNetBase

    class TextItemNet(ItemNetBase):
        """`vectors` are of shape (1 + items, d), the padding first, as zeros."""

        def __init__(self, vectors: torch.Tensor, n_factors: int) -> None:
            super().__init__()
            self.register_buffer("vectors", vectors)
            self.project = torch.nn.Linear(vectors.shape[1], n_factors, bias=False)

        @classmethod
        def from_dataset(cls, dataset: Any, n_factors: int, dropout_rate: float, **kwargs: Any) -> Self:
            return cls(torch.from_numpy(dataset.item_features.values).float(), n_factors)

        def forward(self, items: torch.Tensor) -> torch.Tensor:
            embedded: torch.Tensor = self.project(self.vectors[items])
            return embedded

        @property
        def out_dim(self) -> int:
            return self.project.out_features

    return TextItemNet

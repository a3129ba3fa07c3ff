"""Layers that don't learn, run once: their activations of every text, on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor, nn

from tailrank.arrays import Codes, Offsets
from tailrank.data.histories import ranges
from tailrank.errors import EncoderError
from tailrank.files import written_file
from tailrank.reporting import Progress

LAYER_PATHS: Final = ("encoder.layer", "transformer.layer", "layers", "encoder.layers")
"""Where models of the transformers library keep their layers: BERT and its kin, DistilBERT, ModernBERT."""

BATCH: Final = 32
"""Texts encoded together, of similar length, so that little is padding."""


class Activations:
    """The upper layers of a model, on what the lower ones gave for each text.

    Parameters
    ----------
    model
        A bidirectional model of the transformers library; its embeddings and lower layers are removed.
    layers
        Number of upper layers that stay.
    lengths
        Tokens of each text, shape (texts,); 0 leaves a text out.
    file
        Where the activations are kept: float16, shape (all tokens, width).

    Raises
    ------
    EncoderError
        If the model isn't built that way, or has fewer layers.
    """

    def __init__(self, model: Any, layers: int, lengths: Offsets, file: Path) -> None:
        self.model, self.file, self.lengths = model, file, lengths
        self.path = _path_of_layers(model)
        self.layers: nn.ModuleList = model.get_submodule(self.path)
        if layers > len(self.layers):
            raise EncoderError(
                f"the encoder has {len(self.layers)} layers, so not {layers} of them can learn"
            )
        self.lower, self.upper = self.layers[:-layers], self.layers[-layers:]
        self.embeddings, self.stored = model.embeddings, _Stored()
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])

    def prepare(
        self, features: Callable[[Codes], Mapping[str, Any]], bfloat16: bool, progress: Progress
    ) -> None:
        """Run the lower layers on every text, unless the file exists; then remove them from the model.

        Raises
        ------
        EncoderError
            If the disk is full or can't be written.
        """
        if not self.file.exists():
            try:
                with self._put_in(self.embeddings, self.lower), written_file(self.file) as new:
                    self._write(new, features, bfloat16, progress)
            except OSError as why:
                raise EncoderError(
                    f"{self.file.parent}: activations of {self.offsets[-1]:,} tokens can't be kept there "
                    f"({why.strerror or why}): free some space, or set TAILRANK_CACHE to another folder"
                ) from None
        self.values = np.load(self.file, mmap_mode="r")
        self._put(self.stored, self.upper)

    def select(self, items: Codes) -> None:
        """Let the model's next run start from the activations of some texts."""
        rows, columns, at = self._tokens(items)
        padded = np.zeros((len(items), int(self.lengths[items].max()), self.values.shape[1]), np.float32)
        padded[rows, columns] = self.values[at]
        self.stored.activations = torch.from_numpy(padded).to(self.model.device)

    def all_layers(self) -> AbstractContextManager[None]:
        """Put embeddings and lower layers back for a while."""
        return self._put_in(self.embeddings, self.layers)

    def _tokens(self, items: Codes) -> tuple[Offsets, Offsets, Offsets]:
        """Give, of each token of some texts, the text's row, its column, and its row in the file."""
        starts, lengths = self.offsets[items], self.lengths[items]
        at = ranges(starts, lengths)
        rows = np.repeat(np.arange(len(items)), lengths)
        return rows, at - starts[rows], at

    def _put(self, embeddings: nn.Module, layers: nn.ModuleList) -> None:
        self.model.embeddings = embeddings
        self.model.set_submodule(self.path, layers)

    @contextmanager
    def _put_in(self, embeddings: nn.Module, layers: nn.ModuleList) -> Iterator[None]:
        before = self.model.embeddings, self.model.get_submodule(self.path)
        self._put(embeddings, layers)
        try:
            yield
        finally:
            self._put(*before)

    def _write(
        self, file: Path, features: Callable[[Codes], Mapping[str, Any]], bfloat16: bool, progress: Progress
    ) -> None:
        shape = (int(self.offsets[-1]), self.model.config.hidden_size)
        _reserve(file, 2 * shape[0] * shape[1])
        values = open_memmap(file, "w+", np.float16, shape)
        self.model.eval()
        order = np.argsort(-self.lengths, kind="stable")
        items = order[: int((self.lengths > 0).sum())].astype(np.int32)
        for at in range(0, len(items), BATCH):
            batch = items[at : at + BATCH]
            with torch.no_grad(), torch.autocast(self.model.device.type, torch.bfloat16, enabled=bfloat16):
                tensors = {k: v for k, v in features(batch).items() if isinstance(v, Tensor)}
                found = self.model(**tensors).last_hidden_state.to(torch.float16).cpu().numpy()
            rows, columns, tokens = self._tokens(batch)
            values[tokens] = found[rows, columns]
            progress("lower layers", at + len(batch), len(items))
        values.flush()


class _Stored(nn.Module):
    """Stands in for the embeddings, and gives what the lower layers made of them."""

    activations: Tensor

    def forward(self, *_: object, **__: object) -> Tensor:
        """Give the activations of the selected texts, whatever the arguments."""
        return self.activations


def _path_of_layers(model: Any) -> str:
    """Find the path of a model's layers among its modules."""
    modules = dict(model.named_modules())
    for path in LAYER_PATHS if "embeddings" in modules else ():
        if isinstance(modules.get(path), nn.ModuleList):
            return path
    raise EncoderError(
        f"last-layers doesn't know where a {type(model).__name__} keeps its layers: choose lora or full"
    )


def _reserve(file: Path, size: int) -> None:
    """Claim the space first, as writing to a mapped file that finds no space kills the process."""
    with file.open("wb") as opened:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(opened.fileno(), 0, size + 4096)

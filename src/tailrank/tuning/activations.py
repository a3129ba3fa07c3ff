"""Layers that don't learn, run once: what they give for every text, on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.lib.format import open_memmap
from rich.progress import Progress
from torch import Tensor, nn

from tailrank.arrays import Codes, Offsets
from tailrank.data.histories import ranges
from tailrank.errors import EncoderError
from tailrank.files import written_file

STACKS: Final = ("encoder.layer", "transformer.layer", "layers", "encoder.layers")
"""Where models of the transformers library keep their layers: BERT and its kin, DistilBERT, ModernBERT."""

PART: Final = 32
"""Texts encoded together, of similar length, so that little is padding."""


class Activations:
    """The upper layers of a model, on what the lower ones gave for each text.

    Parameters
    ----------
    model
        A bidirectional model of the transformers library; its embeddings and lower layers are taken out.
    layers
        Number of upper layers that stay.
    lengths
        Tokens of each text, shape (texts,); 0 leaves a text out.
    file
        Where the activations are, or are to be kept: float16, shape (all tokens, width).

    Raises
    ------
    EncoderError
        Where the model isn't built that way, or has fewer layers.
    """

    def __init__(self, model: Any, layers: int, lengths: Offsets, file: Path) -> None:
        self.model, self.file, self.lengths = model, file, lengths
        self.holder, self.name = _stack(model)
        self.every: nn.ModuleList = getattr(self.holder, self.name)
        if layers > len(self.every):
            raise EncoderError(f"the encoder has {len(self.every)} layers, so not {layers} of them can learn")
        self.lower, self.upper = self.every[:-layers], self.every[-layers:]
        self.embeddings, self.shown = model.embeddings, _Shown()
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])

    def prepare(
        self,
        features: Callable[[Codes], Mapping[str, Any]],
        half: bool,
        progress: Progress | None,
    ) -> None:
        """Run the lower layers on every text, unless the file is there; then take them out of the model.

        Raises
        ------
        EncoderError
            Where the disk is full or can't be written.
        """
        if not self.file.exists():
            self._write(features, half, progress)
        self.kept = np.load(self.file, mmap_mode="r")
        self._put(self.shown, self.upper)

    def show(self, items: Codes) -> None:
        """Let the model's next run start from the activations of some texts."""
        rows, columns, at = self._places(items)
        shown = np.zeros((len(items), int(self.lengths[items].max()), self.kept.shape[1]), np.float32)
        shown[rows, columns] = self.kept[at]
        self.shown.activations = torch.from_numpy(shown).to(self.model.device)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Put embeddings and lower layers back for a while."""
        self._put(self.embeddings, self.every)
        try:
            yield
        finally:
            self._put(self.shown, self.upper)

    def _places(self, items: Codes) -> tuple[Offsets, Offsets, Offsets]:
        """Say of each token of some texts: the text's row, its column, and its place in the file."""
        starts, lengths = self.offsets[items], self.lengths[items]
        places = ranges(starts, lengths)
        rows = np.repeat(np.arange(len(items)), lengths)
        return rows, places - starts[rows], places

    def _put(self, embeddings: nn.Module, layers: nn.ModuleList) -> None:
        self.model.embeddings = embeddings
        setattr(self.holder, self.name, layers)

    def _write(
        self, features: Callable[[Codes], Mapping[str, Any]], half: bool, progress: Progress | None
    ) -> None:
        self._put(self.embeddings, self.lower)
        training = self.model.training
        self.model.eval()
        try:
            with written_file(self.file) as new:
                _reserve(new, int(self.offsets[-1]) * self.model.config.hidden_size * 2)
                self._run(features, half, new, progress)
        except OSError as why:
            raise EncoderError(
                f"{self.file.parent}: activations of {self.offsets[-1]:,} tokens can't be kept there "
                f"({why.strerror or why}): free some space, or set TAILRANK_CACHE to another folder"
            ) from None
        finally:
            self.model.train(training)
            self._put(self.embeddings, self.every)

    def _run(
        self,
        features: Callable[[Codes], Mapping[str, Any]],
        half: bool,
        file: Path,
        progress: Progress | None,
    ) -> None:
        shape, kind = (int(self.offsets[-1]), self.model.config.hidden_size), self.model.device.type
        kept = open_memmap(file, "w+", np.float16, shape)
        order = np.argsort(-self.lengths, kind="stable")
        told = order[: int((self.lengths > 0).sum())]
        bar = None if progress is None else progress.add_task("lower layers", total=len(told))
        for at in range(0, len(told), PART):
            part = told[at : at + PART].astype(np.int32)
            with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=half):
                given = {k: v for k, v in features(part).items() if isinstance(v, Tensor)}
                found = self.model(**given).last_hidden_state.to(torch.float16).cpu().numpy()
            rows, columns, places = self._places(part)
            kept[places] = found[rows, columns]
            if progress is not None and bar is not None:
                progress.advance(bar, len(part))
        kept.flush()


class _Shown(nn.Module):
    """Stands where the embeddings were, and gives what the lower layers made of them."""

    activations: Tensor

    def forward(self, *_: object, **__: object) -> Tensor:
        """Give the activations of the texts shown, whatever is asked for."""
        return self.activations


def _stack(model: Any) -> tuple[Any, str]:
    """Find the module that holds a model's layers, and the layers' name in it."""
    for path in STACKS if hasattr(model, "embeddings") else ():
        *above, name = path.split(".")
        holder = model
        for step in above:
            holder = getattr(holder, step, None)
        if isinstance(getattr(holder, name, None), nn.ModuleList):
            return holder, name
    raise EncoderError(
        f"last-layers doesn't know where a {type(model).__name__} keeps its layers: take lora or full instead"
    )


def _reserve(file: Path, size: int) -> None:
    """Claim the space first, as writing to a mapped file that finds no space kills the process."""
    with file.open("wb") as opened:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(opened.fileno(), 0, size + 4096)

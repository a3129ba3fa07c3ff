"""`TextEncoder`: a pretrained language model that turns texts into unit vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Floats
from tailrank.devices import has_bfloat16
from tailrank.errors import EncoderError
from tailrank.language import adapters
from tailrank.language.loading import load_model
from tailrank.language.sources import find_encoder
from tailrank.reporting import Progress, silent

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_TOKENS: Final = 256

# Tokens in a batch: about 1,000 fill a core's caches, an accelerator wants far more (docs/encoders.md).
CPU_TOKENS: Final = 1_024
_ACCELERATOR_TOKENS: Final = 32_768

BLOCK: Final = 1_024
"""Number of texts that are sorted by length together."""


@dataclass(frozen=True)
class TextEncoder:
    """A pretrained encoder; make one with `TextEncoder.load`.

    Attributes
    ----------
    name
        Name that it was loaded by, such as `default`.
    sha256
        Sha256 of the weights.
    fingerprint
        Changes whenever the vectors may change: weights, configuration, tokenizer, pooling, length.
    dimension
        Width of the vectors.
    """

    name: str
    sha256: str
    fingerprint: str
    dimension: int
    model: SentenceTransformer = field(repr=False)

    @classmethod
    def load(
        cls, name: str = "default", device: str | None = None, max_tokens: int = MAX_TOKENS
    ) -> TextEncoder:
        """Load an encoder without touching the network, unless `name` is a hub id.

        Parameters
        ----------
        name
            See `tailrank.language.sources.find_encoder`.
        device
            `cpu`, `cuda`, `mps`, …; None chooses the best available.
        max_tokens
            Longer texts are cut; an encoder's own lower limit stays, and one without limit reads all.

        Raises
        ------
        EncoderError
            If the encoder can't be found, verified or loaded.
        """
        if max_tokens < 1:
            raise EncoderError(f"max_tokens must be at least 1, not {max_tokens}")
        source = find_encoder(name)
        base = adapters.find_base(source.path)
        model = load_model(str((base or source).path), device)
        if base is not None:
            adapters.attach(model, source.path)
        own = model.max_seq_length
        if own is None or max_tokens < own < np.inf:
            model.max_seq_length = max_tokens
        fingerprint = hashlib.sha256(f"{source.fingerprint} {model.max_seq_length}".encode()).hexdigest()
        width = model.get_embedding_dimension()
        if width is None:
            raise EncoderError(
                f"{source.path}: the encoder doesn't declare its width: add a pooling module to it"
            )
        return cls(name, source.sha256, fingerprint, width, model)

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Floats:
        """Encode texts; equal texts are encoded once.

        Parameters
        ----------
        texts
            n strings. A blank one gets a zero vector, so that it is similar to nothing.
        progress
            Is told how many distinct texts are encoded.

        Returns
        -------
        Floats
            Unit vectors in the order of `texts`, shape (n, dimension); zero if a text is
            blank or the encoder knows none of its tokens.

        Raises
        ------
        EncoderError
            If a text isn't a string, or the encoder yields something else than finite numbers.
        """
        distinct = distinct_texts(texts)
        vectors = np.zeros((len(distinct) + 1, self.dimension), dtype=np.float32)
        rows: dict[str, int] = {}
        for batch in self._batches(distinct):
            start = len(rows)
            vectors[start : start + len(batch)] = self._encode_batch(batch)
            rows.update(zip(batch, range(start, start + len(batch)), strict=True))
            progress("encoding", len(rows), len(distinct))
        return vectors[[rows.get(text, -1) for text in texts]]

    def _batches(self, texts: list[str]) -> Iterator[list[str]]:
        """Cut texts into batches of about the same cost, each of similar lengths, so with little padding."""
        budget = CPU_TOKENS if self.model.device.type == "cpu" else _ACCELERATOR_TOKENS
        for block in (texts[i : i + BLOCK] for i in range(0, len(texts), BLOCK)):
            mask = self.model.preprocess(block).get("attention_mask")
            lengths = np.ones(len(block), int) if mask is None else mask.sum(dim=1).numpy()
            for rows in batch_rows(lengths, budget):
                yield [block[i] for i in rows]

    def _encode_batch(self, batch: Sequence[str]) -> Floats:
        """Encode one batch, in half precision if the processor multiplies it natively."""
        import torch

        device = self.model.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cpu" and has_bfloat16()):
            tensor = self.model.encode(
                list(batch), batch_size=len(batch), convert_to_tensor=True, show_progress_bar=False
            )
        return unit_vectors(tensor.float().cpu().numpy(), self.name)


def distinct_texts(texts: Sequence[str]) -> list[str]:
    """List the distinct texts that aren't blank, longest first.

    Raises
    ------
    EncoderError
        As `check_texts` does.
    """
    check_texts(texts)
    return sorted({text for text in texts if text.strip()}, key=lambda text: (-len(text), text))


def batch_rows(lengths: npt.NDArray[np.integer], budget: int) -> Iterator[npt.NDArray[np.intp]]:
    """Cut texts of these lengths, longest first, into batches of about `budget` tokens; yield their rows."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def unit_vectors(vectors: Floats, name: str) -> Floats:
    """Scale vectors, shape (n, d), to length one; zero ones stay zero.

    Raises
    ------
    EncoderError
        If one isn't finite; it names the encoder.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all():
        raise EncoderError(f"encoder {name!r} yields NaN or infinite vectors: its weights are damaged")
    scaled: Floats = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return scaled


def check_texts(texts: Sequence[str]) -> None:
    """Refuse anything but a sequence of proper strings.

    Raises
    ------
    EncoderError
        Naming the first position that isn't one.

    Examples
    --------
    >>> check_texts(["tea", None])
    Traceback (most recent call last):
    tailrank.errors.EncoderError: text 1 is None, not a string: give missing texts as ''
    """
    if isinstance(texts, str):
        raise EncoderError("texts must be a list of strings, not one string")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise EncoderError(f"text {position} is {text!r}, not a string: give missing texts as ''")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise EncoderError(
                f"text {position} is not valid Unicode (a lone surrogate): decode it again"
            ) from None

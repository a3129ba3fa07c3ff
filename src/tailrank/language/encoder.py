"""`TextEncoder`: a pretrained language model that turns texts into unit vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Floats
from tailrank.devices import chosen_device, has_bfloat16
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

CHARACTERS_A_TOKEN: Final = 100
"""At most, in text that people write; what is further behind the last token is not even looked at."""

READ_CHARACTERS: Final = 1_200
"""About as many characters of a text as `MAX_TOKENS` leave: what lies behind them costs nothing."""

Encoded: TypeAlias = tuple[npt.NDArray[np.intp], Floats]
"""Rows of a block of texts, shape (n,), and their unit vectors, shape (n, d)."""


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
            `cpu`, `cuda`, `mps`, …; None takes that of `devices.use_device`, or the best available.
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
        model = load_model(str((base or source).path), device or chosen_device())
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
            Is told how many distinct texts are encoded, as if all were of average length.

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
        import torch

        device = self.model.device.type
        half = device == "cpu" and has_bfloat16()
        # Autocast keeps the weights that it has converted until it ends, but not in inference mode.
        with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16, enabled=half):
            return encode_distinct(texts, self.dimension, self._encode_block, progress)

    def _encode_block(self, texts: list[str]) -> Iterator[Encoded]:
        """Encode in batches of about the same cost."""
        from sentence_transformers.util import batch_to_device

        model, device = self.model.eval(), self.model.device
        prompt = model.prompts.get(model.default_prompt_name or "")
        limit, side = model.max_seq_length, getattr(model.tokenizer, "truncation_side", "right")
        if limit is not None and np.isfinite(limit):
            texts = [text[: readable(int(limit), side)] for text in texts]
        mask = model.preprocess(texts, prompt).get("attention_mask")
        lengths = np.ones(len(texts), int) if mask is None else mask.sum(dim=1).numpy()
        for rows in batch_rows(lengths, CPU_TOKENS if device.type == "cpu" else _ACCELERATOR_TOKENS):
            batch = model.preprocess([texts[row] for row in rows], prompt)
            vectors = model(batch_to_device(batch, device))["sentence_embedding"][:, : self.dimension]
            yield rows, unit_vectors(vectors.float().cpu().numpy(), self.name)


def readable(max_tokens: int, side: str) -> int | None:
    """Bound the characters that a tokenizer looks at, since it reads a text to its end before it cuts.

    None is all: where the beginning is cut off.

    Examples
    --------
    >>> readable(256, "right"), readable(256, "left")
    (25600, None)
    """
    return CHARACTERS_A_TOKEN * max_tokens if side == "right" else None


def encode_distinct(
    texts: Sequence[str],
    dimension: int,
    encode_block: Callable[[list[str]], Iterator[Encoded]],
    progress: Progress = silent,
) -> Floats:
    """Encode each distinct text once, those of similar lengths together; for what encoders have in common.

    Parameters
    ----------
    texts, progress
        As for `TextEncoder.encode`.
    dimension
        Width of the vectors.
    encode_block
        Encodes at most `BLOCK` texts, batch by batch.

    Raises
    ------
    EncoderError
        As `distinct_texts` does.
    """
    distinct, done = distinct_texts(texts), 0
    told = milestones(distinct)
    vectors = np.zeros((len(distinct) + 1, dimension), dtype=np.float32)
    progress("encoding", 0, len(distinct))
    for start in range(0, len(distinct), BLOCK):
        for rows, encoded in encode_block(distinct[start : start + BLOCK]):
            vectors[start + rows] = encoded
            done += len(rows)
            progress("encoding", told[done], len(distinct))
    rows_of = {text: row for row, text in enumerate(distinct)}
    return vectors[[rows_of.get(text, -1) for text in texts]]


def distinct_texts(texts: Sequence[str]) -> list[str]:
    """List the distinct texts that aren't blank, longest first.

    Raises
    ------
    EncoderError
        Naming the first position that isn't a proper string.

    Examples
    --------
    >>> distinct_texts(["tea", "", "jam jar", "tea"])
    ['jam jar', 'tea']
    >>> distinct_texts(["tea", None])
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
    return sorted({text for text in texts if text.strip()}, key=lambda text: (-len(text), text))


def milestones(texts: Sequence[str]) -> list[int]:
    """Say how far encoding is before each text and after the last, in texts of average length.

    The longest come first, so that a count of texts would promise far more time than the rest needs.

    Examples
    --------
    >>> milestones(["a jar of plum jam", "tea", "jam", "mug"])
    [0, 2, 3, 3, 4]
    """
    cost = np.cumsum([0, *(min(len(text), READ_CHARACTERS) for text in texts)])
    steps: list[int] = (len(texts) * cost // max(cost[-1], 1)).tolist()
    return steps


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

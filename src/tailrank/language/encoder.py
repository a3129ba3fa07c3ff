"""`TextEncoder`: a pretrained language model that turns texts into unit vectors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.devices import chosen_device, has_bfloat16
from tailrank.errors import EncoderError
from tailrank.language import adapters
from tailrank.language.batches import (
    CPU_TOKENS,
    Encoded,
    batch_rows,
    encode_distinct,
    readable,
    unit_vectors,
)
from tailrank.language.loading import load_model
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.language.reading import MAX_TOKENS, Prefixes, Reading, fingerprint_of
from tailrank.language.sources import find_encoder
from tailrank.reporting import Progress, silent

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_ACCELERATOR_TOKENS: Final = 32_768
"""An accelerator wants far more tokens in a batch than a core (docs/encoders.md)."""


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
    reading
        What was chosen of how it reads.
    prefixes
        What it puts before texts.
    network
        What encodes: torch, or an ONNX graph.
    """

    name: str
    sha256: str
    fingerprint: str
    dimension: int
    reading: Reading
    prefixes: Prefixes
    network: SentenceTransformer | OnnxEncoder = field(repr=False)

    @classmethod
    def load(
        cls,
        name: str = "default",
        device: str | None = None,
        max_tokens: int = MAX_TOKENS,
        dimensions: int | None = None,
        query: str | None = None,
        passage: str | None = None,
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
        dimensions
            Keep the first numbers of each vector, scaled to length one again: for encoders that were trained
            so that these say most (Kusupati et al. 2022, "Matryoshka Representation Learning").
        query, passage
            Put before a user's words, and before an item's text, such as `query: ` and `passage: `; by
            default what the encoder's files say.

        Raises
        ------
        EncoderError
            If the encoder can't be found, verified or loaded, or has fewer dimensions.
        """
        reading = Reading(max_tokens, dimensions, query, passage)
        source = find_encoder(name)
        if source.graph is not None:
            if (device or chosen_device() or "cpu") != "cpu":
                raise EncoderError(
                    f"{source.graph}: an ONNX graph runs on the processor: leave the device out"
                )
            graph = OnnxEncoder.load(name, threads=os.cpu_count() or 1, **asdict(reading))
            return cls(name, graph.sha256, graph.fingerprint, graph.dimension, reading, graph.prefixes, graph)
        base = adapters.find_base(source.path)
        model = load_model(str((base or source).path), device or chosen_device())
        if base is not None:
            adapters.attach(model, source.path)
        own = model.max_seq_length
        if own is None or max_tokens < own < np.inf:
            model.max_seq_length = max_tokens
        own_width = model.get_embedding_dimension()
        if own_width is None:
            raise EncoderError(
                f"{source.path}: the encoder doesn't declare its width: add a pooling module to it"
            )
        prefixes = reading.prefixes(model.prompts, model.default_prompt_name)
        width = reading.width(own_width, name)
        cut_to = width if width < own_width else None
        fingerprint = fingerprint_of(source.fingerprint, model.max_seq_length, prefixes, cut_to)
        return cls(name, source.sha256, fingerprint, width, reading, prefixes, model)

    @property
    def model(self) -> SentenceTransformer:
        """The network in torch.

        Raises
        ------
        EncoderError
            If the encoder is an ONNX graph.
        """
        if isinstance(self.network, OnnxEncoder):
            raise EncoderError(
                f"encoder {self.name!r} is an ONNX graph, which can encode but not learn: use the model that "
                "it was exported from"
            )
        return self.network

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Floats:
        """Encode texts of items; equal texts are encoded once.

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
        return self._encode(texts, self.prefixes.passage, progress)

    def encode_queries(self, texts: Sequence[str]) -> Floats:
        """Encode words of users, as `encode` does texts of items: only what is put before them may differ."""
        return self._encode(texts, self.prefixes.query, silent)

    def _encode(self, texts: Sequence[str], prefix: str, progress: Progress) -> Floats:
        if isinstance(self.network, OnnxEncoder):
            return self.network.encode_after(prefix, texts, progress)
        import torch

        device = self.model.device.type
        half = device == "cpu" and has_bfloat16()
        encode_block = partial(self._encode_block, prefix or None)
        # Autocast keeps the weights that it has converted until it ends, but not in inference mode.
        with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16, enabled=half):
            return encode_distinct(texts, self.dimension, encode_block, progress)

    def _encode_block(self, prompt: str | None, texts: list[str]) -> Iterator[Encoded]:
        """Encode in batches of about the same cost."""
        from sentence_transformers.util import batch_to_device

        model, device = self.model.eval(), self.model.device
        limit, side = model.max_seq_length, getattr(model.tokenizer, "truncation_side", "right")
        if limit is not None and np.isfinite(limit):
            texts = [text[: readable(int(limit), side)] for text in texts]
        mask = model.preprocess(texts, prompt).get("attention_mask")
        lengths = np.ones(len(texts), int) if mask is None else mask.sum(dim=1).numpy()
        for rows in batch_rows(lengths, CPU_TOKENS if device.type == "cpu" else _ACCELERATOR_TOKENS):
            batch = model.preprocess([texts[row] for row in rows], prompt)
            vectors = model(batch_to_device(batch, device))["sentence_embedding"][:, : self.dimension]
            yield rows, unit_vectors(vectors.float().cpu().numpy(), self.name)

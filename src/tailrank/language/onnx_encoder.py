"""`OnnxEncoder`: the vectors of `TextEncoder` without torch, for servers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import numpy as np
from filelock import FileLock
from msgspec import Meta, Struct

from tailrank.arrays import Floats
from tailrank.data.cache import cache_root
from tailrank.errors import EncoderError, needs
from tailrank.files import sha256_of, written_folder
from tailrank.language import adapters
from tailrank.language.encoder import (
    CPU_TOKENS,
    MAX_TOKENS,
    Encoded,
    batch_rows,
    encode_distinct,
    readable,
    unit_vectors,
)
from tailrank.language.sources import EncoderSource, find_encoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FORMAT: Final = "tailrank onnx 1"
GRAPH: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
ABOUT: Final = "encoder.json"

INPUTS: Final = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""Inputs that a graph may have, and their names in the tokenizer."""

PADDING: Final = ("direction", "pad_id", "pad_type_id", "pad_token")


class GraphDescription(Struct, frozen=True):
    """What is read of the file beside a graph."""

    fingerprint: str
    dimension: Annotated[int, Meta(ge=1)]
    prefix: str
    sha256: dict[str, str]


@dataclass(frozen=True)
class OnnxEncoder:
    """An encoder run by onnxruntime; make one with `OnnxEncoder.load`.

    Attributes
    ----------
    name, sha256, fingerprint, dimension
        As those of the `TextEncoder` of the same name: both give the same vectors.
    prefix
        Text put before every text, if the encoder asks for it.
    """

    name: str
    sha256: str
    fingerprint: str
    dimension: int
    prefix: str
    _tokenizer: Tokenizer = field(repr=False)
    _padding: dict[str, Any] = field(repr=False)
    _session: Any = field(repr=False)

    @classmethod
    def load(
        cls,
        name: str = "default",
        max_tokens: int = MAX_TOKENS,
        threads: int = 1,
        sha256: str | None = None,
    ) -> OnnxEncoder:
        """Load an encoder; the first time, have another process write it as a graph into the cache folder.

        Parameters
        ----------
        name, max_tokens
            As in `TextEncoder.load`.
        threads
            Threads for one text or batch.
        sha256
            What the weights must have, compared before anything is made of them; None takes any.

        Raises
        ------
        EncoderError
            If the encoder can't be found or verified, or is not in the cache and can't be written, such
            as without torch.
        """
        if max_tokens < 1 or threads < 1:
            raise EncoderError(f"max_tokens and threads must be at least 1, not {max_tokens} and {threads}")
        try:
            source = find_encoder(name)
            if sha256 not in (None, source.sha256):
                raise EncoderError(
                    f"encoder {name!r}: its weights are not those that the model was trained with (sha256 "
                    f"{source.sha256[:12]}, expected {sha256[:12]}): train the model again, or restore them"
                )
            adapters.find_base(source.path)
            folder = graph_folder(source, max_tokens)
        except OSError as why:
            raise EncoderError(f"encoder {name!r} can't be read ({why}): try again") from None
        if not _is_intact(folder):
            _prepare(source, max_tokens, folder)
        return cls.read(folder, name, source.sha256, threads)

    @classmethod
    def read(cls, folder: Path, name: str, sha256: str, threads: int = 1) -> OnnxEncoder:
        """Read a folder that `tailrank.language.exporting` wrote.

        Raises
        ------
        EncoderError
            If onnxruntime is missing or can't read it.
        """
        with needs("encoding without torch", "server", EncoderError):
            import onnxruntime
            from tokenizers import Tokenizer
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=GraphDescription)
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            session = onnxruntime.InferenceSession(folder / GRAPH, options, ["CPUExecutionProvider"])
        except Exception as why:  # noqa: BLE001 - both raise what has no other base
            raise EncoderError(f"{folder}: onnxruntime can't read the encoder ({why}): delete it") from None
        # Each batch is padded to a width of its own, so the tokenizer itself doesn't pad.
        padding = {key: (tokenizer.padding or {})[key] for key in PADDING}
        tokenizer.no_padding()
        described = about.fingerprint, about.dimension, about.prefix
        return cls(name, sha256, *described, tokenizer, padding, session)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode texts as `TextEncoder.encode` does, to the same vectors and with the same errors."""
        return encode_distinct(texts, self.dimension, self._encode_block)

    def _encode_block(self, texts: list[str]) -> Iterator[Encoded]:
        """Encode in batches, each padded to its longest text."""
        readable = _readable_characters(self._tokenizer.truncation)
        tokens = self._tokenizer.encode_batch_fast([(self.prefix + text)[:readable] for text in texts])
        names = [each.name for each in self._session.get_inputs()]
        for rows in batch_rows(np.array([len(each) for each in tokens]), CPU_TOKENS):
            batch = [tokens[row] for row in rows]
            width = max(1, *(len(each) for each in batch))
            for each in batch:
                each.pad(width, **self._padding)
            inputs = {name: np.array([getattr(each, INPUTS[name]) for each in batch]) for name in names}
            yield rows, unit_vectors(self._session.run(None, inputs)[0], self.name)


def graph_folder(source: EncoderSource, max_tokens: int) -> Path:
    """Name the cache folder of an encoder's graph."""
    key = hashlib.sha256(f"{FORMAT} {source.fingerprint} {max_tokens}".encode()).hexdigest()
    return cache_root() / "onnx" / key[:16]


def _readable_characters(truncation: Mapping[str, Any] | None) -> int | None:
    """Bound what a tokenizer has to look at; None is all."""
    return None if truncation is None else readable(int(truncation["max_length"]), truncation["direction"])


def _is_intact(folder: Path) -> bool:
    """Whether a folder holds a graph that hasn't changed since it was written."""
    try:
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=GraphDescription)
        return all(sha256_of(folder / file) == about.sha256.get(file) for file in (GRAPH, TOKENIZER))
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return False
    except OSError as why:
        raise EncoderError(f"{folder}: can't be read ({why.strerror or why}): try again") from None


def _prepare(source: EncoderSource, max_tokens: int, folder: Path) -> None:
    """Write a graph beside, then rename; processes that need the same one wait for the first."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if _is_intact(folder):  # another process wrote it meanwhile
                return
            with written_folder(folder) as new:
                _export_in_process(source.name, max_tokens, new)
                if find_encoder(source.name).fingerprint != source.fingerprint:
                    raise EncoderError(f"encoder {source.name!r} changed while it was read: try again")
    except OSError as why:
        raise EncoderError(
            f"{folder.parent}: can't keep encoders here ({why.strerror or why}): set TAILRANK_CACHE to "
            "another folder"
        ) from None


def _export_in_process(name: str, max_tokens: int, folder: Path) -> None:
    """Write a graph in a process of its own, so that this one needs no torch."""
    command = [sys.executable, "-m", "tailrank.language.exporting", name, str(max_tokens), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise EncoderError(f"encoder {name!r} can't be prepared for use without torch: {lines[-1]}")

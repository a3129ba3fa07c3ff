"""`OnnxEncoder`: the vectors of `TextEncoder` without torch, for servers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import numpy as np
from filelock import FileLock
from msgspec import Meta, Struct

from tailrank.arrays import Floats
from tailrank.data.cache import cache_root
from tailrank.errors import EncoderError, first_line, needs
from tailrank.files import sha256_of, written_folder
from tailrank.language import adapters
from tailrank.language.batches import (
    CPU_TOKENS,
    Encoded,
    batch_rows,
    encode_distinct,
    readable,
    unit_vectors,
)
from tailrank.language.pooling import POOLINGS
from tailrank.language.reading import MAX_TOKENS, Prefixes, Reading
from tailrank.language.sources import EncoderSource, find_encoder
from tailrank.reporting import Progress, silent

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FORMAT: Final = "tailrank onnx 2"
GRAPH: Final = "model.onnx"
VECTORS: Final = "vectors"
"""Output of the graphs that are written here."""

TOKENIZER: Final = "tokenizer.json"
ABOUT: Final = "encoder.json"

INPUTS: Final = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""Inputs that a graph may have, and their names in the tokenizer."""

WHOLE_NUMBERS: Final = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
"""Types that an input may have; tf2onnx writes the narrower one."""

PADDING: Final = ("direction", "pad_id", "pad_type_id", "pad_token")


class GraphDescription(Struct, frozen=True):
    """What is read of the file beside a graph."""

    fingerprint: str
    dimension: Annotated[int, Meta(ge=1)]
    prefixes: Prefixes
    sha256: dict[str, str]


@dataclass(frozen=True)
class OnnxEncoder:
    """An encoder run by onnxruntime; make one with `OnnxEncoder.load`.

    Attributes
    ----------
    name, sha256, fingerprint, dimension, prefixes
        As those of the `TextEncoder` of the same name: both give the same vectors.
    pooling
        One of `pooling.POOLINGS`, if the graph gives vectors of tokens; None if it gives those of texts.
    """

    name: str
    sha256: str
    fingerprint: str
    dimension: int
    prefixes: Prefixes
    pooling: str | None
    _tokenizer: Tokenizer = field(repr=False)
    _padding: dict[str, Any] = field(repr=False)
    _session: Any = field(repr=False)
    _output: str = field(repr=False)

    @classmethod
    def load(
        cls,
        name: str = "default",
        max_tokens: int = MAX_TOKENS,
        threads: int = 1,
        sha256: str | None = None,
        dimensions: int | None = None,
        query: str | None = None,
        passage: str | None = None,
    ) -> OnnxEncoder:
        """Load an encoder; the first time, have another process write it as a graph into the cache folder.

        Parameters
        ----------
        name, max_tokens, dimensions, query, passage
            As in `TextEncoder.load`. The graph of a folder that holds one is used as it is.
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
        if threads < 1:
            raise EncoderError(f"threads must be at least 1, not {threads}")
        reading = Reading(max_tokens, dimensions, query, passage)
        try:
            source = find_encoder(name)
            if sha256 not in (None, source.sha256):
                raise EncoderError(
                    f"encoder {name!r}: its weights are not those that the model was trained with (sha256 "
                    f"{source.sha256[:12]}, expected {sha256[:12]}): train the model again, or restore them"
                )
            if source.graph is None:
                adapters.find_base(source.path)
            folder = graph_folder(source, reading)
        except OSError as why:
            raise EncoderError(f"encoder {name!r} can't be read ({why}): try again") from None
        if source.graph is not None:
            from tailrank.language.onnx_folder import open_folder

            return open_folder(source, reading, threads)
        if not _is_intact(folder):
            _prepare(source, reading, folder)
        return cls.read(folder, name, source.sha256, threads)

    @classmethod
    def read(cls, folder: Path, name: str, sha256: str, threads: int = 1) -> OnnxEncoder:
        """Read a folder that `tailrank.language.exporting` wrote.

        Raises
        ------
        EncoderError
            If onnxruntime is missing or can't read it.
        """
        tokenizer, session = opened(folder / TOKENIZER, folder / GRAPH, threads)
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=GraphDescription)
        padding = {key: (tokenizer.padding or {})[key] for key in PADDING}
        # Each batch is padded to a width of its own, so the tokenizer itself doesn't pad.
        tokenizer.no_padding()
        described = about.fingerprint, about.dimension, about.prefixes
        return cls(name, sha256, *described, None, tokenizer, padding, session, VECTORS)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode texts as `TextEncoder.encode` does, to the same vectors and with the same errors."""
        return self.encode_after(self.prefixes.passage, texts)

    def encode_queries(self, texts: Sequence[str]) -> Floats:
        """Encode words of users as `TextEncoder.encode_queries` does."""
        return self.encode_after(self.prefixes.query, texts)

    def encode_after(self, prefix: str, texts: Sequence[str], progress: Progress = silent) -> Floats:
        """Encode texts with a prefix put before each."""
        return encode_distinct(texts, self.dimension, partial(self._encode_block, prefix), progress)

    def _encode_block(self, prefix: str, texts: list[str]) -> Iterator[Encoded]:
        """Encode in batches, each padded to its longest text."""
        readable = _readable_characters(self._tokenizer.truncation)
        tokens = self._tokenizer.encode_batch_fast([(prefix + text)[:readable] for text in texts])
        kinds = {each.name: WHOLE_NUMBERS[each.type] for each in self._session.get_inputs()}
        for rows in batch_rows(np.array([len(each) for each in tokens]), CPU_TOKENS):
            batch = [tokens[row] for row in rows]
            width = max(1, *(len(each) for each in batch))
            for each in batch:
                each.pad(width, **self._padding)
            inputs = {
                name: np.array([getattr(each, INPUTS[name]) for each in batch], kind)
                for name, kind in kinds.items()
            }
            [vectors] = self._session.run([self._output], inputs)
            if self.pooling is not None:
                mask = np.array([each.attention_mask for each in batch], np.float32)
                vectors = POOLINGS[self.pooling](vectors, mask)
            yield rows, unit_vectors(vectors[:, : self.dimension].astype(np.float32), self.name)


def opened(tokenizer: Path, graph: Path, threads: int) -> tuple[Tokenizer, Any]:
    """Open a tokenizer, and a session of onnxruntime.

    Raises
    ------
    EncoderError
        If onnxruntime is missing, or can't read them.
    """
    with needs("encoding without torch", "server", EncoderError):
        import onnxruntime
        from tokenizers import Tokenizer
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
        return Tokenizer.from_file(str(tokenizer)), session
    except Exception as why:  # noqa: BLE001 - both raise what has no other base
        raise EncoderError(
            f"{graph.parent}: onnxruntime can't read the encoder ({first_line(why)}): delete it"
        ) from None


def graph_folder(source: EncoderSource, reading: Reading) -> Path:
    """Name the cache folder of an encoder's graph."""
    key = hashlib.sha256(f"{FORMAT} {source.fingerprint} {reading}".encode()).hexdigest()
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


def _prepare(source: EncoderSource, reading: Reading, folder: Path) -> None:
    """Write a graph beside, then rename; processes that need the same one wait for the first."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if _is_intact(folder):  # another process wrote it meanwhile
                return
            with written_folder(folder) as new:
                _export_in_process(source.name, reading, new)
                if find_encoder(source.name).fingerprint != source.fingerprint:
                    raise EncoderError(f"encoder {source.name!r} changed while it was read: try again")
    except OSError as why:
        raise EncoderError(
            f"{folder.parent}: can't keep encoders here ({why.strerror or why}): set TAILRANK_CACHE to "
            "another folder"
        ) from None


def _export_in_process(name: str, reading: Reading, folder: Path) -> None:
    """Write a graph in a process of its own, so that this one needs no torch."""
    how = msgspec.json.encode(reading).decode()
    command = [sys.executable, "-m", "tailrank.language.exporting", name, how, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise EncoderError(f"encoder {name!r} can't be prepared for use without torch: {lines[-1]}")

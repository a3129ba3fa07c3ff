"""`VectorStore`: vectors on disk, so that a text is encoded once and a killed run goes on."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from tailrank.arrays import Floats
from tailrank.data.cache import cache_root
from tailrank.errors import EncoderError
from tailrank.files import written_file
from tailrank.language.batches import distinct_texts, milestones
from tailrank.reporting import Progress, part, silent

FORMAT: Final = "tailrank vectors 1"
CHUNK: Final = 1024
KEY_BYTES: Final = 16

Keys = npt.NDArray[np.bytes_]

EncodeChunks: TypeAlias = Callable[[Sequence[list[str]]], Iterator[tuple[int, Floats]]]
"""Encodes chunks of texts in any order; gives the number of each chunk with its vectors."""


class StoredEncoder(Protocol):
    """What makes the vectors of a store; a `TextEncoder` is one."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def fingerprint(self) -> str:
        """Of all that decides its vectors."""

    @property
    def dimension(self) -> int:
        """The d of its vectors."""

    def encode(self, texts: Sequence[str], progress: Progress = ...) -> Floats:
        """Give unit vectors, shape (texts, d)."""


class VectorStore:
    """Vectors of texts, one folder an encoder, found by a hash of the text.

    Parameters
    ----------
    root
        Folder to keep them in; None means `cache_root()`.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (cache_root() if root is None else root) / "vectors"

    def folder(self, encoder: StoredEncoder) -> Path:
        """Name the folder that holds an encoder's vectors."""
        return self.root / encoder.fingerprint[:16]

    def missing(self, texts: Sequence[str], encoder: StoredEncoder) -> list[str]:
        """List the distinct texts that `vectors` would have to encode, longest first.

        Raises
        ------
        EncoderError
            As `vectors` does.
        """
        distinct = distinct_texts(texts)
        return _EncoderFolder(self.folder(encoder), encoder).missing(distinct)

    def vectors(
        self,
        texts: Sequence[str],
        encoder: StoredEncoder,
        progress: Progress = silent,
        elsewhere: EncodeChunks | None = None,
    ) -> Floats:
        """Look vectors up and encode only what is new, saved every 1,024 texts.

        Parameters
        ----------
        texts
            n strings; blank ones have zero vectors.
        encoder
            Encodes what is new.
        progress
            Is told how many of the new texts are encoded, as if all were of average length.
        elsewhere
            Encodes in place of this process, and tells how far it is itself.

        Returns
        -------
        Floats
            Shape (n, encoder.dimension), equal bit by bit whenever they come from the store.

        Raises
        ------
        EncoderError
            If the store is damaged or can't be written, or a text can't be encoded.
        """
        distinct = distinct_texts(texts)
        folder = _EncoderFolder(self.folder(encoder), encoder)
        if folder.missing(distinct):
            with folder.locked():
                new = folder.missing(distinct)  # another process may have encoded them meanwhile
                folder.repair()
                chunks = [new[start : start + CHUNK] for start in range(0, len(new), CHUNK)]
                here = partial(_encode_chunks, encoder, progress)
                for number, encoded in (elsewhere or here)(chunks):
                    folder.append(_keys(chunks[number]), encoded)
        vectors = np.zeros((len(texts), encoder.dimension), dtype=np.float32)
        rows_with_text = [i for i, text in enumerate(texts) if text.strip()]
        vectors[rows_with_text] = folder.read(_keys([texts[i] for i in rows_with_text]))
        return vectors


def _encode_chunks(
    encoder: StoredEncoder, progress: Progress, chunks: Sequence[list[str]]
) -> Iterator[tuple[int, Floats]]:
    """Encode chunk by chunk in this process; gives the number of each with its vectors."""
    told = milestones([text for chunk in chunks for text in chunk])
    ends = np.cumsum([0, *map(len, chunks)]).tolist()
    for number, (start, end) in enumerate(pairwise(ends)):
        told_here = part(progress, told[start], told[end], ends[-1])
        yield number, encoder.encode(chunks[number], told_here)


class _EncoderFolder:
    """One encoder's folder: row i of `vectors.f32` belongs to key i of `keys`; both are only appended to.

    Vectors reach the disk before their keys do, so after a crash a key always has its vector, and
    what lies beyond the last whole key is cut off before the next write. A folder is made if there is
    none, else it must belong to the encoder.
    """

    def __init__(self, folder: Path, encoder: StoredEncoder) -> None:
        self.folder, self.dimension = folder, encoder.dimension
        self.keys, self.vectors = folder / "keys", folder / "vectors.f32"
        header = {"format": FORMAT, "fingerprint": encoder.fingerprint, "dimension": encoder.dimension}
        label = folder / "encoder.json"
        with _disk_errors(folder):
            if not label.exists():
                with written_file(label) as new:
                    new.write_text(json.dumps(header | {"encoder": encoder.name}, indent=1))
            text = label.read_bytes()
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found | header != found:
            raise _damaged(folder, "encoder.json describes another format, encoder or width")

    def _size(self) -> int:
        """Count the whole rows that both files hold."""
        keys, vectors = (file.stat().st_size if file.exists() else 0 for file in (self.keys, self.vectors))
        return min(keys // KEY_BYTES, vectors // (4 * self.dimension))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing; the lock dies with its process."""
        lock = FileLock(self.folder / "lock")
        with _disk_errors(self.folder):
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def repair(self) -> None:
        """Cut off what a killed writer left half written."""
        with _disk_errors(self.folder):
            size = self._size()
            for file, width in ((self.vectors, 4 * self.dimension), (self.keys, KEY_BYTES)):
                if file.exists() and file.stat().st_size != size * width:
                    os.truncate(file, size * width)

    def append(self, keys: Keys, vectors: Floats) -> None:
        """Add rows: vectors first, and only when they are on the disk their keys."""
        with _disk_errors(self.folder):
            for file, array in ((self.vectors, vectors.astype("<f4")), (self.keys, keys)):
                with file.open("ab") as stream:
                    stream.write(array.tobytes())
                    stream.flush()
                    os.fsync(stream.fileno())

    def missing(self, texts: list[str]) -> list[str]:
        """List the texts that have no vector yet."""
        return [texts[i] for i in np.flatnonzero(self.rows(_keys(texts)) < 0)]

    def rows(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Find the row of each key; -1 if there is none."""
        with _disk_errors(self.folder):
            size = self._size()
            stored = np.fromfile(self.keys, dtype=f"S{KEY_BYTES}", count=size) if size else _keys([])
        if not size:
            return np.full(len(keys), -1, dtype=np.int64)
        order = np.argsort(stored)
        at = order[np.minimum(np.searchsorted(stored, keys, sorter=order), size - 1)]
        return np.where(stored[at] == keys, at, -1)

    def read(self, keys: Keys) -> Floats:
        """Read the vectors of keys that are all stored."""
        if not len(keys):
            return np.zeros((0, self.dimension), dtype=np.float32)
        rows = self.rows(keys)
        if (rows < 0).any():
            raise _damaged(self.folder, "vectors have gone since they were written")
        with _disk_errors(self.folder):
            shape = (self._size(), self.dimension)
            stored = np.memmap(self.vectors, dtype="<f4", mode="r", shape=shape)
        vectors: Floats = stored[rows].astype(np.float32)
        norms = np.linalg.norm(vectors, axis=1)
        if not (np.isclose(norms, 1, atol=1e-3) | (norms == 0)).all():
            raise _damaged(self.folder, "some vectors are neither of length one nor zero")
        return vectors


def _keys(texts: Sequence[str]) -> Keys:
    """Hash texts to 16 bytes each."""
    digests = [hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).digest() for text in texts]
    return np.frombuffer(b"".join(digests), dtype=f"S{KEY_BYTES}")


def _damaged(folder: Path, what: str) -> EncoderError:
    return EncoderError(
        f"{folder}: the vector store is damaged ({what}): delete this folder, it will be built again"
    )


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into a message with a remedy."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        problem = "no space left" if full else error.strerror or str(error)
        remedy = "free some space, or set" if full else "set"
        raise EncoderError(
            f"{folder}: can't keep vectors here ({problem}): {remedy} TAILRANK_CACHE to another folder"
        ) from None

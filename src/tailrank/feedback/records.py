"""Records of the impression log, and the checksummed blocks in which they reach the disk together."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from tailrank.errors import TailrankError
from tailrank.feedback.explored_records import EnsembleRecord, ExploredRecord
from tailrank.ranking.ranking import Ranking

MAGIC: Final = b"tailrank impressions 1\n"
"""How a segment begins."""

SEGMENTS: Final = "segments"
SUFFIX: Final = ".segment"
"""Folder, below that of the log, and suffix of what records are appended to."""

_HEADER: Final = struct.Struct("<II")
"""Before each block: its length in bytes, and its CRC-32."""


class LogError(TailrankError):
    """The log of impressions is missing, or can't be written."""


encode: Final = msgspec.msgpack.Encoder().encode


class Compared(NamedTuple):
    """What a ranking was in a live comparison of two models; of none by default.

    Attributes
    ----------
    compared
        Names of the model in service and of its challenger.
    variant
        `CONTROL` or `CHALLENGER` if one of them ranked, `INTERLEAVED` if both did.
    teams
        Whom a click on each item of an interleaved list speaks for, as in `Interleaving`.
    tail_share
        Share of the tail in the first ten, if one of them ranked.
    """

    compared: tuple[str, ...] = ()
    variant: str = ""
    teams: tuple[int, ...] = ()
    tail_share: float | None = None


CONTROL: Final = "control"
CHALLENGER: Final = "challenger"
INTERLEAVED: Final = "interleaved"
NOT_COMPARED: Final = Compared()


class ShownRecord(Struct, array_like=True, tag="shown", gc=False, frozen=True):
    """An `Impression`, as it takes the least time to write.

    `signals` and `count_levels` are bytes of little-endian numbers. Without `propensities` nothing was left
    to chance, unless it is `explored`; without `scores` or `upstream` nothing is known of these. `compared`
    and the three after it are `Compared`. `deciles` are those of the first items by popularity, a byte each;
    empty if they aren't known.
    """

    ranking_id: str
    user_id: str
    time: float
    model: str
    item_ids: Sequence[str]
    previous_ranks: Sequence[int]
    scores: Sequence[float] | None
    signals: bytes
    signal_names: tuple[str, ...]
    count_levels: bytes
    history_bucket: int
    propensities: Sequence[float] | None
    policy: tuple[str, ...] = ()
    upstream: Sequence[float] | None = None
    degraded: str = ""
    compared: tuple[str, ...] = ()
    variant: str = ""
    teams: tuple[int, ...] = ()
    tail_share: float | None = None
    explored: ExploredRecord | None = None
    deciles: bytes = b""

    @classmethod
    def from_ranking(
        cls,
        ranking: Ranking,
        *,
        user_id: str,
        time: float,
        model: str,
        policy: tuple[str, ...] = (),
        upstream: Sequence[float] | None = None,
        degraded: str = "",
        compared: Compared = NOT_COMPARED,
        deciles: bytes = b"",
    ) -> ShownRecord:
        """Take a ranking that is shown now.

        Parameters
        ----------
        ranking
            With its signals, if the request kept them.
        user_id, time, model, policy, degraded
            As `Impression` has them.
        upstream
            Scores of the request's candidates, in its order.
        compared
            What it was in a live comparison.
        deciles
            Of the first items.
        """
        kept, ranks = ranking.signals, ranking.previous_ranks
        names: tuple[str, ...] = ()
        signals, levels, bucket = b"", bytes(4 * len(ranks)), 0
        if kept is not None:
            signals, names = kept.values.astype("<f4", copy=False).tobytes(), kept.names
            levels, bucket = kept.count_levels.astype("<i4", copy=False).tobytes(), kept.history_bucket
        given = None if upstream is None else [upstream[rank - 1] for rank in ranks]
        return cls(
            ranking.ranking_id,
            user_id,
            time,
            model,
            ranking.item_ids,
            ranks,
            ranking.scores,
            signals,
            names,
            levels,
            bucket,
            None,
            policy,
            given,
            degraded,
            *compared,
            None if ranking.explored is None else ExploredRecord.of(ranking.explored),
            deciles,
        )


class EventRecord(Struct, array_like=True, tag="event", gc=False, frozen=True):
    """An event, and the ranking that it names."""

    event_id: str
    user_id: str
    item_id: str
    event: str
    timestamp: float
    ranking_id: str | None = None
    value: float | None = None


class ErasedRecord(Struct, array_like=True, tag="erased", gc=False, frozen=True):
    """That what happened to a user up to a time is to be erased: a digest tells whom, without the id."""

    user_digest: str
    time: float


Record: TypeAlias = ShownRecord | EventRecord | ErasedRecord | EnsembleRecord

_DECODER: Final = msgspec.msgpack.Decoder(list[Record])


def user_digest(user_id: str) -> str:
    """Give what stands for a user who is erased."""
    return hashlib.sha256(user_id.encode()).hexdigest()


def block(records: Sequence[bytes]) -> bytes:
    """Put encoded records into one block, which is read whole or not at all."""
    body = b"".join([b"\xdd", len(records).to_bytes(4, "big"), *records])  # a list, in MessagePack
    return _HEADER.pack(len(body), zlib.crc32(body)) + body


def read_blocks(file: Path, start: int = 0) -> Iterator[tuple[int, list[Record] | None]]:
    """Read a segment block by block, up to one that was torn: half written when a process ended.

    Parameters
    ----------
    file
        The segment.
    start
        Where a block begins; 0 for the first one.

    Yields
    ------
    tuple[int, list[Record] | None]
        Where each block ends, and what it holds; None if it was damaged, and whole ones follow.
    """
    with file.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return
        end, damaged = stream.seek(max(start, len(MAGIC))), list[int]()
        while len(header := stream.read(_HEADER.size)) == _HEADER.size:
            length, checksum = _HEADER.unpack(header)
            body = stream.read(length)
            if not length or len(body) < length:
                return
            end += _HEADER.size + length
            if zlib.crc32(body) != checksum:
                damaged.append(end)
                continue
            yield from ((until, None) for until in damaged)
            damaged.clear()
            yield end, _DECODER.decode(body)


def read_records(segments: Iterable[Path]) -> Iterator[Record]:
    """Read segments; those that are gone were rolled over since they were listed."""
    for file in segments:
        with suppress(FileNotFoundError):
            for _, records in read_blocks(file):
                yield from records or ()


def damaged_blocks(segments: Iterable[Path]) -> int:
    """Count the blocks that `read_records` passes over."""
    return sum(records is None for file in segments for _, records in read_blocks(file))


def all_segments(folder: Path) -> list[Path]:
    """List the segments of a log, the earliest first."""
    return sorted(folder.glob(f"{SEGMENTS}/[0-9]*{SUFFIX}"))

"""Texts encoded by actors of Ray, each with an encoder of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from tailrank.arrays import Floats
from tailrank.errors import EncoderError
from tailrank.language.batches import milestones
from tailrank.language.encoder import TextEncoder
from tailrank.language.reading import Reading
from tailrank.reporting import Progress, silent
from tailrank.scale.on_ray import TRIES, n_processors, worker_errors


class _Worker:
    """An encoder on one processor."""

    def __init__(self, name: str, reading: Reading, fingerprint: str) -> None:
        self.name, self.reading, self.fingerprint = name, reading, fingerprint

    @cached_property
    def encoder(self) -> TextEncoder:
        """The encoder, if this machine has the same."""
        found = TextEncoder.load(self.name, device="cpu", **asdict(self.reading))
        if found.fingerprint != self.fingerprint:
            raise EncoderError(
                f"encoder {self.name!r} is another one on a machine of the cluster: install it there"
            )
        return found

    def encode(self, number: int, texts: list[str]) -> tuple[int, Floats]:
        return number, self.encoder.encode(texts)


def encode_chunks(
    ray: Any, encoder: TextEncoder, chunks: Sequence[list[str]], progress: Progress = silent
) -> Iterator[tuple[int, Floats]]:
    """Encode chunks of texts, as `VectorStore.vectors` lets it; an actor that died comes back, three times.

    Parameters
    ----------
    ray
        What `ray_cluster` gives.
    encoder
        Which one; every machine loads it by its name.
    chunks
        Lists of texts, the longest texts first.
    progress
        Is told how many texts are encoded, as if all were of average length.

    Yields
    ------
    tuple[int, Floats]
        The number of a chunk and its vectors, shape (texts, dimension), as soon as they are there.

    Raises
    ------
    EncoderError
        If a worker can't load the encoder, or has another one, or as `TextEncoder.encode` does.
    RequestError
        If workers die again and again.
    """
    from ray.util import ActorPool

    ends = [0]
    for chunk in chunks:
        ends.append(ends[-1] + len(chunk))
    told, done = milestones([text for chunk in chunks for text in chunk]), 0
    actor = ray.remote(num_cpus=1, max_restarts=TRIES, max_task_retries=TRIES)(_Worker)
    name = str(Path(encoder.name).resolve()) if Path(encoder.name).exists() else encoder.name
    with worker_errors(ray):
        n_actors = min(n_processors(ray), len(chunks))
        pool = ActorPool([actor.remote(name, encoder.reading, encoder.fingerprint) for _ in range(n_actors)])
        progress("encoding", 0, ends[-1])
        for number, vectors in pool.map_unordered(
            lambda one, chunk: one.encode.remote(*chunk), enumerate(chunks)
        ):
            yield number, vectors
            done += told[ends[number + 1]] - told[ends[number]]
            progress("encoding", done, ends[-1])

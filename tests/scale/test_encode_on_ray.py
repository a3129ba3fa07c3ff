"""`tailrank encode --on ray`: the vectors of one process, from several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # which ipykernel brings
import pytest
from typer.testing import CliRunner

from tailrank.arrays import Floats
from tailrank.cli.main import app
from tailrank.errors import EncoderError, RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.reading import Reading
from tailrank.language.store import CHUNK, VectorStore
from tailrank.scale.encoding import _Worker, encode_chunks

TEXTS = [f"a jar of plum jam, number {number}" for number in range(7 * CHUNK + 5)]


def test_vectors_are_the_same_though_a_worker_dies(on_ray: Any, tiny: TextEncoder, tmp_path: Path) -> None:
    told = list[tuple[int, int | None]]()

    def tell(task: str, done: int, total: int | None, note: str = "") -> None:
        told.append((done, total))

    def elsewhere(chunks: Sequence[list[str]]) -> Iterator[tuple[int, Floats]]:
        for at, found in enumerate(encode_chunks(on_ray, tiny, chunks, tell)):
            yield found
            if at == 0:
                workers = [each for each in psutil.Process().children(recursive=True) if is_worker(each)]
                workers[0].kill()

    def is_worker(process: psutil.Process) -> bool:
        return process.status() != psutil.STATUS_ZOMBIE and "_Worker" in "".join(process.cmdline())

    found = VectorStore(tmp_path / "ray").vectors(TEXTS, tiny, elsewhere=elsewhere)
    assert np.array_equal(found, VectorStore(tmp_path / "here").vectors(TEXTS, tiny))
    assert told[0] == (0, len(TEXTS))
    assert told[-1] == (len(TEXTS), len(TEXTS))


def test_what_came_before_an_interruption_is_kept(tiny: TextEncoder, tmp_path: Path) -> None:
    store = VectorStore(tmp_path)

    def interrupted(chunks: Sequence[list[str]]) -> Iterator[tuple[int, Floats]]:
        yield 3, tiny.encode(chunks[3])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.vectors(TEXTS, tiny, elsewhere=interrupted)
    assert len(store.missing(TEXTS, tiny)) == len(TEXTS) - CHUNK
    assert np.array_equal(store.vectors(TEXTS, tiny), tiny.encode(TEXTS))


def test_a_worker_with_another_encoder_refuses(tiny_folder: Path) -> None:
    with pytest.raises(EncoderError, match="another one on a machine of the cluster"):
        _Worker(str(tiny_folder), Reading(), "0" * 64).encode(0, ["tea"])


def test_an_accelerator_and_ray_are_not_asked_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrank.devices.device_names", lambda: ["cuda", "cpu"])
    monkeypatch.setattr("tailrank.devices._chosen", None)
    words = ["encode", "--data", "shop", "--device", "cuda", "--on", "ray"]
    with pytest.raises(RequestError, match="leave --device out"):
        CliRunner().invoke(app, words, catch_exceptions=False)

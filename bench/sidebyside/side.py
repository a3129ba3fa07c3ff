"""`Side`: a build of tailrank that programs run under, whatever this process runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from bench.study import Json
from tailrank.errors import RequestError

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Side:
    """A checkout with the packages of this interpreter, or with an environment of its own.

    Attributes
    ----------
    name
        As tables have it.
    folder
        With `src/tailrank`, `.venv`, or both.

    Raises
    ------
    RequestError
        If it has neither.
    """

    name: str
    folder: Path

    def __post_init__(self) -> None:
        if not self._source.is_dir() and not self._own.exists():
            raise RequestError(f"{self.folder}: neither src/tailrank nor .venv: name a checkout of tailrank")

    @property
    def _own(self) -> Path:
        return self.folder.absolute() / ".venv/bin/python"

    @property
    def _source(self) -> Path:
        return self.folder.absolute() / "src/tailrank"

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self._own) if self._own.exists() else sys.executable

    def environment(self, threads: int = 1) -> dict[str, str]:
        """Give the variables of a process that imports this build."""
        path = {"PYTHONPATH": str(self._source.parent)} if self._source.is_dir() else {}
        numbers = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        return {**os.environ, **path, **numbers, "OMP_WAIT_POLICY": "PASSIVE"}

    def run(self, *words: str, threads: int = 1, **variables: str) -> str:
        """Run the interpreter with these words; gives what it prints.

        Raises
        ------
        RequestError
            If it fails.
        """
        done = subprocess.run(  # noqa: S603 - our own
            [self.python, *words],
            cwd=ROOT,
            env=self.environment(threads) | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            why = done.stderr.strip() or f"it ended with {done.returncode}"
            raise RequestError(f"{self.name} ({self.folder}): `python {' '.join(words)}` failed: {why}")
        return done.stdout

    def probe(self, name: str, /, threads: int = 1, cache: Path | None = None, **given: Any) -> Json:
        """Run a program of `bench/probes`; `cache` is a folder of its own for what is computed once."""
        variables = {} if cache is None else {"TAILRANK_CACHE": str(cache)}
        words = ("-m", f"bench.probes.{name}", json.dumps(given, default=str))
        found: Json = json.loads(self.run(*words, threads=threads, **variables).splitlines()[-1])
        return found

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Let the launcher start servers of this build: it takes the command beside the interpreter."""
        with patch.dict(os.environ, self.environment()), patch.object(sys, "executable", self.python):
            yield

    @cached_property
    def about(self) -> Json:
        """Versions of packages, kernels of its products, and a digest of its source."""
        return self.probe("about")

"""The encoders of a model, loaded when a text first needs one, and run beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from tailrank.arrays import Floats
from tailrank.errors import EncoderError
from tailrank.language.onnx_encoder import OnnxEncoder

P = ParamSpec("P")
T = TypeVar("T")

ROLES = ("encoder", "tuned_encoder")
"""Keys under which a model says which encoders its vectors come from."""


class Encoders:
    """Encodes texts on one thread, so that rankings go on meanwhile."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "encoding")
        self._loaded: dict[str, OnnxEncoder] = {}

    async def load(self, about: Mapping[str, object], role: str) -> OnnxEncoder | None:
        """Give the encoder that a model's vectors came from; None where it has none in that role.

        Raises
        ------
        EncoderError
            Where it is missing, or has changed since.
        """
        name = about.get(role, "none")
        if name == "none":
            return None
        return await self._run(self._find, str(name), about.get(f"{role}_sha256"))

    async def encode(self, encoder: OnnxEncoder, texts: Sequence[str]) -> Floats:
        """Encode; unit vectors of shape (texts, dimension), zero for blank texts."""
        return await self._run(encoder.encode, texts)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _find(self, name: str, sha256: object) -> OnnxEncoder:
        if name not in self._loaded:
            self._loaded[name] = OnnxEncoder.load(name)
        found = self._loaded[name]
        if found.sha256 != sha256:
            raise EncoderError(
                f"encoder {name!r}: the model was trained with other weights: restore them, or train again"
            )
        return found

    async def _run(self, call: Callable[P, T], *args: P.args, **_: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

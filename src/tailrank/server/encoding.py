"""The encoders of a model, loaded when a text first needs one, and run beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tailrank.arrays import Floats
from tailrank.errors import EncoderError
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.language.vectors import EncoderIdentity


class Encoders:
    """Encodes texts on one thread, so that rankings go on meanwhile."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "encoding")
        self._loaded: dict[tuple[str, str], OnnxEncoder] = {}
        """By name and sha256: an encoder that was tuned again into the same folder is another one."""

    async def load(self, identity: EncoderIdentity) -> OnnxEncoder:
        """Load the encoder that vectors came from.

        Raises
        ------
        EncoderError
            If it is missing, or has changed since.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._load, identity)

    async def encode(self, encoder: OnnxEncoder, texts: Sequence[str]) -> Floats:
        """Encode; unit vectors of shape (texts, dimension), zero for blank texts."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, encoder.encode, texts)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _load(self, identity: EncoderIdentity) -> OnnxEncoder:
        key = identity.name, identity.sha256
        if key not in self._loaded:
            found = OnnxEncoder.load(identity.name)
            if found.sha256 != identity.sha256:
                raise EncoderError(
                    f"encoder {identity.name!r}: the model was trained with other weights: restore them, or "
                    "train again"
                )
            self._loaded[key] = found
        return self._loaded[key]

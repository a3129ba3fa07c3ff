"""Load a model: quietly, without its own code, and only if no weights are missing."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from warnings import catch_warnings, filterwarnings

from tailrank.errors import EncoderError, first_line, needs

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_model(folder: str, device: str | None) -> SentenceTransformer:
    """Load a local model in float32, without code of its own and without the network.

    Raises
    ------
    EncoderError
        If the folder or the device can't be used, or weights are missing from the files.
    """
    with needs("an encoder", "language", EncoderError), catch_warnings():
        filterwarnings("ignore", "IProgress not found")  # of bars in a notebook, which none is drawn of
        import torch
        from sentence_transformers import SentenceTransformer
    settings = {"dtype": torch.float32, "use_safetensors": True}
    try:
        with quiet() as warnings:
            model = SentenceTransformer(folder, device=device, local_files_only=True, model_kwargs=settings)
    except Exception as error:  # noqa: BLE001 - a broken folder makes the libraries below raise anything
        where = "" if device is None else f" on {device!r}"
        raise EncoderError(
            f"{folder}: can't load the encoder{where} ({first_line(error)}): check the folder and the device"
        ) from None
    missing = [
        name
        for name in re.findall(r"^(\S+)\s*\|\s*MISSING", "\n".join(warnings), re.M)
        if "pooler" not in name
    ]
    if missing:
        raise EncoderError(
            f"{folder}: the weights lack {', '.join(missing[:3])}, so vectors would be random: get them again"
        )
    return model


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Keep progress bars and warnings off the terminal; yields the warnings of transformers."""
    from transformers.utils import logging as transformers_logging

    warnings: list[str] = []
    listener = logging.Handler(logging.WARNING)
    listener.emit = lambda record: warnings.append(re.sub(r"\x1b\[[\d;]*m", "", record.getMessage()))  # type: ignore[method-assign]
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_default_handler()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.add_handler(listener)
    try:
        yield warnings
    finally:
        transformers_logging.remove_handler(listener)
        transformers_logging.enable_default_handler()
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]

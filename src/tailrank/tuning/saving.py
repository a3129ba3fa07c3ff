"""A tuned encoder on disk: an ordinary model folder, or an adapter that names its base."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from tailrank.errors import EncoderError
from tailrank.files import written_folder
from tailrank.folders import TUNED, check_own_folder
from tailrank.language import adapters
from tailrank.language.encoder import TextEncoder
from tailrank.language.loading import quiet
from tailrank.language.sources import TUNING_FILE, find_encoder
from tailrank.tuning.finetuning import Tuned


def save(tuned: Tuned, encoder: TextEncoder, folder: Path, about: Mapping[str, Any], merged: bool) -> None:
    """Write a tuned encoder, which `TextEncoder.load` reads; it appears whole or not at all.

    Parameters
    ----------
    tuned
        From `finetune`.
    encoder
        That `finetune` was given.
    folder
        Replaced if it holds a tuned encoder.
    about
        How it came about, kept as JSON beside the weights.
    merged
        Whether to write an ordinary model folder even if only a head, or an adapter, was learned.

    Raises
    ------
    EncoderError
        If the folder holds something else, or can't be written, or a prompt is to be merged.
    """
    method = tuned.encoder.config.method
    check_folder(folder, encoder)
    try:
        with written_folder(folder) as new, tuned.encoder.full_model() as model, quiet():
            if merged or method in ("full", "last-layers"):
                adapters.merge(model)
                model.save(str(new), create_model_card=False, safe_serialization=True)
            else:
                source = find_encoder(encoder.name)
                adapters.write(new, model, adapters.find_base(source.path) or source)
            (new / TUNING_FILE).write_text(json.dumps(dict(about), indent=1), encoding="utf-8")
    except (OSError, SafetensorError) as why:
        raise EncoderError(
            f"{folder}: can't be written ({why}): free some space, or choose another folder"
        ) from None


def check_folder(folder: Path, encoder: TextEncoder) -> None:
    """Refuse to replace anything but a tuned encoder, or the one that is tuned: an adapter may need it.

    Raises
    ------
    EncoderError
        If the folder holds something else, or that encoder.
    """
    if folder.resolve() == find_encoder(encoder.name).path.resolve():
        raise EncoderError(f"{folder} holds the encoder that is tuned: choose another folder")
    check_own_folder(folder, TUNED, EncoderError)

"""A folder with an ONNX graph that another program wrote, such as optimum, tf2onnx or jax2onnx."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import Struct

from tailrank.errors import EncoderError, first_line
from tailrank.language.onnx_encoder import INPUTS, PADDING, WHOLE_NUMBERS, OnnxEncoder, opened
from tailrank.language.pooling import POOLINGS, modes_of
from tailrank.language.reading import Reading, fingerprint_of
from tailrank.language.sources import EncoderSource

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WHOLE: Final = "sentence_embedding"
"""What optimum calls the vectors of texts; beside it there may be those of tokens."""

PLAIN_MODULES: Final = ("Transformer", "Pooling", "Normalize")
"""Steps of sentence-transformers that need nothing but the graph, and a way to pool."""

UNLIMITED: Final = 100_000
"""Limits above it are how tokenizers say that they have none."""


T = TypeVar("T")


class _Prompts(Struct, frozen=True):
    """What is read of `config_sentence_transformers.json`."""

    prompts: dict[str, str | None] | None = None
    default_prompt_name: str | None = None


class _Module(Struct, frozen=True):
    """What is read of each entry of `modules.json`."""

    type: str


class _Token(Struct, frozen=True):
    """A token as older tokenizers write it."""

    content: str


class _TokenizerSettings(Struct, frozen=True):
    """What is read of `tokenizer_config.json` for batches."""

    pad_token: str | _Token | None = None


def open_folder(source: EncoderSource, reading: Reading, threads: int) -> OnnxEncoder:
    """Open a graph with the tokenizer beside it, and pool and prefix as the folder says.

    Parameters
    ----------
    source
        Holds `model.onnx` or `onnx/model.onnx`, and `tokenizer.json`; what sentence-transformers writes
        beside them (`modules.json`, `1_Pooling/config.json`, prompts, the limit of tokens) is followed.
    reading, threads
        As for `OnnxEncoder.load`.

    Raises
    ------
    EncoderError
        If the tokenizer is missing, the graph reads or gives something else, or nothing says how the vectors
        of tokens are pooled; each with a remedy.
    """
    folder, graph = source.path, source.graph
    file = folder / "tokenizer.json"
    if graph is None or not file.is_file():
        raise EncoderError(f"{file}: missing: save the tokenizer beside the graph, by save_pretrained()")
    tokenizer, session = opened(file, graph, threads)
    read = {each.name: each.type for each in session.get_inputs()}
    if unknown := [name for name, kind in read.items() if name not in INPUTS or kind not in WHOLE_NUMBERS]:
        raise EncoderError(
            f"{graph}: it reads {', '.join(f'{name} as {read[name]}' for name in unknown)}, but texts give "
            f"{', '.join(INPUTS)} as {' or '.join(WHOLE_NUMBERS)}: export it anew"
        )
    padding = _padding(tokenizer, folder)
    limit = min(reading.max_tokens, _own_limit(folder))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    pooling, output, width = _output(graph, folder, session)
    settings = _json(folder / "config_sentence_transformers.json", _Prompts) or _Prompts()
    prefixes = reading.prefixes(settings.prompts or {}, settings.default_prompt_name)
    kept = reading.width(width, source.name)
    fingerprint = fingerprint_of(source.fingerprint, limit, prefixes, kept if kept < width else None)
    described = source.name, source.sha256, fingerprint, kept, prefixes, pooling
    return OnnxEncoder(*described, tokenizer, padding, session, output)


def _output(graph: Path, folder: Path, session: Any) -> tuple[str | None, str, int]:
    """Choose what is read of a graph; gives how it is pooled, its name, and its width.

    The vectors of texts are taken if there are any, else those of tokens, which `1_Pooling` says how to pool.
    """
    outputs = {each.name: each.shape for each in session.get_outputs()}
    [first, *others] = outputs
    name = WHOLE if WHOLE in outputs else first
    shape = outputs[name]
    if not shape or not isinstance(shape[-1], int):
        raise EncoderError(f"{graph}: its output {name!r} has no fixed width: export it anew")
    if len(shape) == 2 and (name == WHOLE or not others):
        return None, name, shape[-1]
    if len(shape) != 3:
        raise EncoderError(
            f"{graph}: its output {name!r} has the shape {shape}, which is neither one vector a text nor one "
            "a token: export the last hidden state, or one output alone"
        )
    return _pooling(folder), name, shape[-1]


def _pooling(folder: Path) -> str:
    """Read how the vectors of tokens are pooled."""
    modules = _json(folder / "modules.json", list[_Module]) or []
    other = [each.type for each in modules if each.type.rpartition(".")[2] not in PLAIN_MODULES]
    file = folder / "1_Pooling" / "config.json"
    config = _json(file, dict[str, Any]) or {}
    modes = modes_of(config)
    if other or not config.get("include_prompt", True):
        what = ", ".join(other) or "a prompt that isn't pooled"
        raise EncoderError(f"{folder}: {what} isn't part of the graph: export the vectors of whole texts")
    if len(modes) != 1 or modes[0] not in list(POOLINGS):
        raise EncoderError(
            f"{file}: must say how the vectors of tokens become one, such as "
            f'{{"pooling_mode": "mean"}}; one of {", ".join(POOLINGS)}'
        )
    return modes[0]


def _own_limit(folder: Path) -> int:
    """Find how many tokens the encoder reads: where sentence-transformers says it, else transformers."""
    places = (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
    )
    found = ((_json(folder / file, dict[str, Any]) or {}).get(name) for file, name in places)
    return next((int(n) for n in found if isinstance(n, int | float) and 0 < n < UNLIMITED), UNLIMITED)


def _padding(tokenizer: Tokenizer, folder: Path) -> dict[str, Any]:
    """Find what fills a batch up: as the tokenizer says, else the padding token that its settings name."""
    if tokenizer.padding:
        return {key: tokenizer.padding[key] for key in PADDING}
    settings = _json(folder / "tokenizer_config.json", _TokenizerSettings) or _TokenizerSettings()
    named = settings.pad_token
    token = named.content if isinstance(named, _Token) else named
    code = None if token is None else tokenizer.token_to_id(token)
    if code is None:
        raise EncoderError(
            f"{folder / 'tokenizer.json'}: no padding token, which batches need: name it as `pad_token` in "
            "tokenizer_config.json"
        )
    return {"direction": "right", "pad_id": code, "pad_type_id": 0, "pad_token": token}


def _json(file: Path, kind: type[T]) -> T | None:
    """Read a file; None if there is none."""
    if not file.is_file():
        return None
    try:
        return msgspec.convert(json.loads(file.read_text(encoding="utf-8")), kind)
    except (OSError, ValueError, RecursionError) as why:
        raise EncoderError(f"{file}: damaged ({first_line(why)}): get it again") from None

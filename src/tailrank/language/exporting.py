"""An encoder written as an ONNX graph, which needs torch once; run as a process of its own.

python -m tailrank.language.exporting NAME READING FOLDER
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from tailrank.errors import EncoderError, first_line, needs
from tailrank.files import sha256_of
from tailrank.language.encoder import TextEncoder
from tailrank.language.onnx_encoder import ABOUT, FORMAT, GRAPH, INPUTS, TOKENIZER, VECTORS, OnnxEncoder
from tailrank.language.reading import Reading

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor, nn

CLOSE: Final = 1e-4
PROBES: Final = (
    "tea",
    "OPI Nail Lacquer, Red (0.5 fl. oz.)",
    "  Kaffee für Übermüdete: ☕ 咖啡 50% ",
    "A film about a journey through the desert, told by the camel. " * 40,
)
"""Texts of one token, of some, beyond ASCII, and of more than any limit; the first three trace the graph."""


def export(name: str, reading: Reading, folder: Path) -> None:
    """Write a folder that `OnnxEncoder` reads.

    Parameters
    ----------
    name, reading
        As in `OnnxEncoder.load`. Adapters become part of the graph.
    folder
        Must exist; its files are overwritten.

    Raises
    ------
    EncoderError
        If the encoder can't be loaded or can't be written as a graph, or the graph gives other vectors.
    """
    encoder = TextEncoder.load(name, "cpu", **asdict(reading))
    with needs("writing an encoder as a graph", "language", EncoderError):
        import_module("onnx")  # which torch writes with
    model, limit = encoder.model.eval(), encoder.model.max_seq_length or np.inf
    if any(encoder.prefixes) and not all(getattr(module, "include_prompt", True) for module in model):
        raise EncoderError(
            f"encoder {name!r} leaves its prompt out of the pooling, so it can't be served without torch"
        )
    _write_tokenizer(model.tokenizer, limit, folder / TOKENIZER)
    _write_graph(model, encoder.dimension, encoder.prefixes.passage, folder / GRAPH)
    about = {
        "format": FORMAT,
        "encoder": name,
        "fingerprint": encoder.fingerprint,
        "dimension": encoder.dimension,
        "max_tokens": limit if np.isfinite(limit) else None,
        "prefixes": encoder.prefixes,
        "sha256": {file: sha256_of(folder / file) for file in (GRAPH, TOKENIZER)},
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    _compare(encoder, OnnxEncoder.read(folder, name, encoder.sha256))


def _write_tokenizer(given: Any, limit: float, file: Path) -> None:
    """Write the tokenizer with the limit and padding that sentence-transformers gives it in each call."""
    from tokenizers import Tokenizer

    if isinstance(given, Tokenizer):  # of a static embedding, which leaves special tokens out
        tokenizer = Tokenizer.from_str(json.dumps(json.loads(given.to_str()) | {"post_processor": None}))
        tokenizer.enable_padding()
    elif hasattr(given, "backend_tokenizer"):
        tokenizer = Tokenizer.from_str(given.backend_tokenizer.to_str())
        tokenizer.enable_truncation(int(limit))
        tokenizer.enable_padding(
            direction=given.padding_side,
            pad_id=given.pad_token_id,
            pad_type_id=given.pad_token_type_id,
            pad_token=given.pad_token,
        )
    else:
        raise EncoderError(f"the tokenizer {type(given).__name__} can't be written as {TOKENIZER}")
    tokenizer.save(str(file))


def _write_graph(model: SentenceTransformer, dimension: int, prefix: str, file: Path) -> None:
    """Trace the whole pipeline on texts of unequal length, so that padding is part of it."""
    import torch

    features = _padded(model, [prefix + text for text in PROBES[:3]])
    if unknown := [name for name in features if name not in INPUTS]:
        raise EncoderError(f"the encoder reads {', '.join(unknown)}, which can't be served without torch")
    axes = {name: {0: "texts", 1: "tokens"} for name in features} | {VECTORS: {0: "texts"}}
    network = _pipeline(model, dimension, list(features))
    try:
        with torch.no_grad():
            # The newer exporter gives the same vectors, but needs many times as long and two more packages.
            torch.onnx.export(
                network,
                tuple(features.values()),
                str(file),
                input_names=list(features),
                output_names=[VECTORS],
                dynamic_axes=axes,
                dynamo=False,
            )
    except (RuntimeError, TypeError, ValueError) as why:
        raise EncoderError(f"the encoder can't be written as a graph ({first_line(why)})") from None


def _padded(model: SentenceTransformer, texts: list[str]) -> dict[str, Tensor]:
    """Prepare the inputs of the graph: tensors of shape (texts, tokens)."""
    import torch

    found = {
        name: value for name, value in model.preprocess(texts).items() if isinstance(value, torch.Tensor)
    }
    if "offsets" not in found:
        return found
    rows = list(torch.tensor_split(found["input_ids"], found["offsets"][1:]))
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return {"input_ids": ids, "attention_mask": mask}


def _pipeline(model: SentenceTransformer, dimension: int, names: list[str]) -> nn.Module:
    """Make one module of the whole model, from the tensors of `_padded` to vectors (texts, dimension)."""
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from torch import nn

    class Pipeline(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.ModuleList(model)

        def forward(self, *tensors: Tensor) -> Tensor:
            features: dict[str, Any] = dict(zip(names, tensors, strict=True))
            for step in self.steps:
                features = _mean(step, features) if isinstance(step, StaticEmbedding) else step(features)
            vectors: Tensor = features["sentence_embedding"]
            return vectors[:, :dimension]

    return Pipeline().eval()


def _mean(step: Any, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Average the vectors of tokens, as a static embedding does, for padded texts."""
    mask = features["attention_mask"].unsqueeze(-1)
    total = (step.embedding.weight[features["input_ids"]] * mask).sum(1)
    return features | {"sentence_embedding": total / mask.sum(1).clamp(min=1)}


def _compare(encoder: TextEncoder, exported: OnnxEncoder) -> None:
    """Compare the graph with the model, in float32, on batches of other shapes than the traced one."""
    for texts in ([PROBES[0]], list(PROBES), [PROBES[3]]):
        expected = encoder.model.encode(
            texts,
            prompt=encoder.prefixes.passage,
            truncate_dim=encoder.dimension,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        difference = float(np.abs(exported.encode(texts) - expected).max())
        if not difference <= CLOSE:
            raise EncoderError(
                f"encoder {encoder.name!r}: its graph gives other vectors (by {difference:.1e}), so it can't "
                "be served without torch"
            )


def main() -> None:
    """Write one encoder; an error is the last line of the error stream."""
    name, reading, folder = sys.argv[1:]
    warnings.simplefilter("ignore")  # of tracing; `_compare` checks what they warn of
    logging.disable(logging.WARNING)
    try:
        export(name, msgspec.json.decode(reading, type=Reading), Path(folder))
    except EncoderError as why:
        sys.exit(str(why))


if __name__ == "__main__":
    main()

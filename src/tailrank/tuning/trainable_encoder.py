"""`TrainableEncoder`: an encoder under training, from items to vectors with gradients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.cache import cache_root
from tailrank.devices import has_bfloat16
from tailrank.errors import EncoderError
from tailrank.language.adapters import adapt, add_head, head_layers, low_rank, peft
from tailrank.language.encoder import TextEncoder
from tailrank.language.whitening import Whitening
from tailrank.processes import joined
from tailrank.reporting import Progress, silent
from tailrank.tuning.activations import BATCH, Activations
from tailrank.tuning.config import FineTuningConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ROWS: Final = 4_096
"""Texts whose hidden units are in memory at once."""


class TrainableEncoder:
    """An encoder, the part of it that learns, and the texts that it learns from.

    Parameters
    ----------
    encoder
        Is changed by training.
    texts
        Of every item; blank ones keep a zero vector.
    vectors
        The encoder's vectors as they are, shape (items, d): the head starts as their whitening, unless the
        encoder was tuned before and has one.
    config
        What learns.
    progress
        Is told how far the layers are that run once.

    Raises
    ------
    EncoderError
        If vectors or the method don't fit the encoder.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        texts: Sequence[str],
        vectors: Floats,
        config: FineTuningConfig,
        progress: Progress = silent,
    ) -> None:
        if vectors.shape != (len(texts), encoder.dimension):
            raise EncoderError(
                f"{len(texts)} texts need vectors of width {encoder.dimension}, one each; "
                f"the shape is {vectors.shape}: encode them with the encoder that is to be tuned"
            )
        self.texts, self.config, self.model = list(texts), config, encoder.model
        if not hasattr(self.model[0], "model"):
            raise EncoderError(f"{encoder.name}: not a transformer, so there are no layers to tune")
        self.processes = joined()
        self.has_text: Bools = np.array([bool(text.strip()) for text in texts])
        self.bfloat16 = self.model.device.type == "cuda" or has_bfloat16()
        if config.method != "head":  # which reads vectors of whole texts
            most = self.model.max_seq_length or config.max_tokens
            self.model.max_seq_length = min(most, config.max_tokens)
        self.tokens, self.other_inputs = self._tokens()
        self.lengths: Offsets = self.tokens["attention_mask"].sum(dim=1).numpy() * self.has_text
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = config.dropout
        self.model.requires_grad_(False)
        self.fixed_inputs: Tensor | None = None
        self.activations: Activations | None = None
        fresh = not head_layers(self.model)
        if fresh:
            add_head(self.model, _whitening_head(vectors, config))
        self.head = head_layers(self.model)
        for layer in self.head:
            layer.requires_grad_(True)
        if config.method == "head":
            self.fixed_inputs = torch.from_numpy(vectors) if fresh else self.head_inputs()
        self._choose(encoder, progress)

    def parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """List the weights that learn: the model's, and the head's."""
        model = [weights for weights in self.model[0].parameters() if weights.requires_grad]
        if self.config.adversarial and self.config.method != "full":  # which moves them and puts them back
            model = [weights for weights in model if weights is not self.embeddings]
        return model, [weights for layer in self.head for weights in layer.parameters()]

    @property
    def embeddings(self) -> nn.Parameter:
        """The word embeddings."""
        model: Any = self.model[0].model
        embeddings: nn.Parameter = model.get_input_embeddings().weight
        return embeddings

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        return len(self.head[-1].linear.weight)

    def parts(self, items: Codes) -> list[Codes]:
        """Split items, given by position, into parts of similar length; positions, not items."""
        order = np.argsort(-self.lengths[items], kind="stable").astype(np.int32)
        return [order[at : at + BATCH] for at in range(0, len(items), BATCH)]

    def encode(self, items: Codes) -> Tensor:
        """Encode the items of one part; unit vectors of shape (items, dimensions)."""
        return self._apply_head(self._head_inputs(items))

    def head_inputs(self, progress: Progress = silent) -> Tensor:
        """Give what the head reads of each text, without dropout; shape (items, width)."""
        if self.fixed_inputs is not None:
            return self.fixed_inputs
        items = np.flatnonzero(self.has_text).astype(np.int32)
        found, done = torch.zeros(len(self.texts), self.head[0].linear.in_features), 0
        self.model.eval()
        with torch.no_grad():
            for _, part in self.processes.own(self.parts(items)):
                found[items[part]] = self._head_inputs(items[part]).cpu()
                done += self.processes.size * len(part)
                progress("encoding", min(done, len(items)), len(items))
        self.processes.add_up(found)
        self.model.train()
        return found

    def hidden_units(self, inputs: Tensor) -> Tensor:
        """Give what the head's last map reads of some `head_inputs`; shape (items, hidden units)."""
        features = {"sentence_embedding": inputs.to(self.model.device)}
        for layer in self.head[:-1]:
            features = layer(features)
        return features["sentence_embedding"]

    def vectors(self, inputs: Tensor) -> Floats:
        """Put all `head_inputs` through the head; unit vectors (items, dimensions), zero without a text."""
        with torch.no_grad():
            vectors = torch.cat([self._apply_head(part).cpu() for part in torch.split(inputs, ROWS)]).numpy()
        return np.where(self.has_text[:, None], vectors, np.float32(0))

    @contextmanager
    def full_model(self) -> Iterator[SentenceTransformer]:
        """Give the model with all its layers."""
        with nullcontext() if self.activations is None else self.activations.all_layers():
            yield self.model

    def _apply_head(self, inputs: Tensor) -> Tensor:
        return functional.normalize(self.head[-1].linear(self.hidden_units(inputs)), dim=1)

    def _head_inputs(self, items: Codes) -> Tensor:
        """Give what the head reads of some texts."""
        if self.fixed_inputs is not None:
            return self.fixed_inputs[items]
        if self.activations is not None:
            self.activations.select(items)
        features = self._features(items)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.bfloat16):
            for module in list(self.model)[: -len(self.head) - 1]:
                features = module(features)
        read: Tensor = features["sentence_embedding"].float()
        return read

    def _choose(self, encoder: TextEncoder, progress: Progress) -> None:
        """Mark what learns."""
        c, transformer = self.config, self.model[0]
        if c.method == "last-layers":
            digest = hashlib.sha256("\0".join([encoder.fingerprint, str(c.max_tokens), *self.texts]).encode())
            file = cache_root() / "activations" / f"{digest.hexdigest()[:16]}-{c.layers}.npy"
            self.activations = Activations(transformer.model, c.layers, self.lengths, file)
            with self.processes.first_alone():
                self.activations.prepare(self._features, self.bfloat16, progress)
            self.activations.upper.requires_grad_(True)
        elif c.method == "full":
            for name, weights in transformer.named_parameters():
                weights.requires_grad_("pooler" not in name)  # of BERT: computed, but in no vector
        elif hasattr(transformer.model, "peft_config"):
            for name, weights in transformer.named_parameters():
                weights.requires_grad_("lora_" in name or "prompt_encoder" in name)
        elif c.method != "head":
            adapt(self.model, peft().get_peft_model(transformer.model, _adapter(c)))
        if c.adversarial:
            self.embeddings.requires_grad_(True)

    def _tokens(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Cut all texts into tokens, once: tensors of shape (items, tokens), and other inputs."""
        side = self.model.tokenizer.padding_side
        self.model.tokenizer.padding_side = "right"
        found = [self.model.preprocess(self.texts[at : at + 1024]) for at in range(0, len(self.texts), 1024)]
        self.model.tokenizer.padding_side = side
        names = [name for name, value in found[0].items() if isinstance(value, Tensor)]
        widest = max(part["attention_mask"].shape[1] for part in found)

        def padded(part: Tensor) -> Tensor:
            return functional.pad(part, (0, widest - part.shape[1])).to(torch.int32)

        tokens = {name: torch.cat([padded(part[name]) for part in found]) for name in names}
        return tokens, {name: value for name, value in found[0].items() if name not in names}

    def _features(self, items: Codes) -> dict[str, Any]:
        """Give the tokens of some texts, cut at the longest of them."""
        rows, longest = torch.from_numpy(items).long(), int(self.lengths[items].max())
        device = self.model.device
        return self.other_inputs | {n: v[rows, :longest].long().to(device) for n, v in self.tokens.items()}


def _whitening_head(vectors: Floats, config: FineTuningConfig) -> list[tuple[Tensor, Tensor]]:
    """Make a head that whitens, with hidden units of weight 0.

    Whitened values pass through ReLU unchanged as x = ReLU(x) - ReLU(-x). The other units read random
    directions of the whitened space.
    """
    white = Whitening.fit(vectors, min(config.dimensions, vectors.shape[1]), config.power)
    matrix, mean = torch.from_numpy(white.matrix.T.copy()), torch.from_numpy(white.mean)
    width = len(matrix)
    if not config.hidden:
        return [(matrix, -matrix @ mean)]
    full = Whitening.fit(vectors, power=config.power)
    length = np.linalg.norm((vectors - full.mean) @ full.matrix, axis=1).mean()
    drawn = torch.randn(config.hidden, vectors.shape[1]) @ torch.from_numpy(full.matrix.T / max(length, 1e-9))
    first, same = torch.cat([matrix, -matrix, drawn]), torch.eye(width)
    second = torch.cat([same, -same, torch.zeros(width, config.hidden)], dim=1)
    return [(first, -first @ mean), (second, torch.zeros(width))]


def _adapter(config: FineTuningConfig) -> Any:
    """Describe an adapter to peft."""
    if config.method == "prompt":
        return peft().PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=config.rank)
    return low_rank(config.rank, config.dropout)

"""`TrainableEncoder`: an encoder under training, from items to vectors with gradients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.errors import EncoderError
from tailrank.language.adapters import adapt, add_head, head_layers, peft
from tailrank.language.encoder import TextEncoder, has_bfloat16
from tailrank.language.whitening import Whitening
from tailrank.tuning.activations import PART, Activations
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
    recipe
        What learns.
    cache
        Folder for activations of layers that don't learn; they can be deleted at any time.
    progress
        Where a bar is shown.

    Raises
    ------
    EncoderError
        Where vectors or the method don't fit the encoder.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        texts: Sequence[str],
        vectors: Floats,
        recipe: FineTuningConfig,
        cache: Path,
        progress: Progress | None = None,
    ) -> None:
        if vectors.shape != (len(texts), encoder.dimension):
            raise EncoderError(
                f"{len(texts)} texts need vectors of width {encoder.dimension}, one each; "
                f"the shape is {vectors.shape}: encode them with the encoder that is to be tuned"
            )
        self.texts, self.recipe, self.model = list(texts), recipe, encoder.model
        if not hasattr(self.model[0], "model"):
            raise EncoderError(f"{encoder.name}: not a transformer, so there are no layers to tune")
        self.told: Bools = np.array([bool(text.strip()) for text in texts])
        self.half = self.model.device.type == "cuda" or has_bfloat16()
        if recipe.method != "head":  # which reads vectors of whole texts
            most = self.model.max_seq_length or recipe.max_tokens
            self.model.max_seq_length = min(most, recipe.max_tokens)
        self.tokens, self.kinds = self._tokens()
        self.lengths: Offsets = self.tokens["attention_mask"].sum(dim=1).numpy() * self.told
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.dropout
        for weights in self.model.parameters():
            weights.requires_grad_(False)
        self.pooled: Tensor | None = None
        self.below: Activations | None = None
        fresh = not head_layers(self.model)
        if fresh:
            add_head(self.model, _head(vectors, recipe))
        self.head = head_layers(self.model)
        for layer in self.head:
            layer.requires_grad_(True)
        if recipe.method == "head":
            self.pooled = torch.from_numpy(vectors) if fresh else self.below_head()
        self._choose(encoder, cache, progress)

    @property
    def dimension(self) -> int:
        """Width of the tuned vectors."""
        return int(self.head[-1].linear.out_features)

    def parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """List the weights that learn: the model's, and the head's."""
        head = [weights for layer in self.head for weights in layer.parameters()]
        return [w for w in self.model[0].parameters() if w.requires_grad and w is not self.words], head

    @property
    def words(self) -> nn.Parameter | None:
        """The word embeddings, where adversarial training moves them and nothing else does."""
        if not self.recipe.adversarial or self.recipe.method == "full":
            return None
        return self.embeddings

    @property
    def embeddings(self) -> nn.Parameter:
        """The word embeddings."""
        model: Any = self.model[0].model
        words: nn.Parameter = model.get_input_embeddings().weight
        return words

    def parts(self, items: Codes) -> list[Codes]:
        """Split items, given by position, into parts of similar length; positions, not items."""
        order = np.argsort(-self.lengths[items], kind="stable").astype(np.int32)
        return [order[at : at + PART] for at in range(0, len(items), PART)]

    def encode(self, items: Codes) -> Tensor:
        """Encode the items of one part; unit vectors of shape (items, dimension)."""
        return self._headed(self._read(items))

    def below_head(self, progress: Progress | None = None) -> Tensor:
        """Give what the head reads of each text, without dropout; shape (items, width)."""
        if self.pooled is not None:
            return self.pooled
        told = np.flatnonzero(self.told).astype(np.int32)
        found = torch.zeros(len(self.texts), self.head[0].linear.in_features)
        bar = None if progress is None else progress.add_task("encoding", total=len(told))
        self.model.eval()
        with torch.no_grad():
            for part in self.parts(told):
                found[told[part]] = self._read(told[part]).cpu()
                if progress is not None and bar is not None:
                    progress.advance(bar, len(part))
        self.model.train()
        return found

    def units(self, pooled: Tensor) -> Tensor:
        """Give what the head's last map reads, of some of `below_head`; shape (items, hidden units)."""
        features = {"sentence_embedding": pooled.to(self.model.device)}
        for layer in self.head[:-1]:
            features = layer(features)
        return features["sentence_embedding"]

    def table(self, pooled: Tensor) -> Floats:
        """Put all of `below_head` through the head; shape (items, dimension), zero where there is no text."""
        with torch.no_grad():
            vectors = torch.cat([self._headed(part).cpu() for part in torch.split(pooled, ROWS)]).numpy()
        return np.where(self.told[:, None], vectors, np.float32(0))

    @contextmanager
    def whole(self) -> Iterator[SentenceTransformer]:
        """Give the model with all its layers."""
        if self.below is None:
            yield self.model
            return
        with self.below.whole():
            yield self.model

    def _headed(self, pooled: Tensor) -> Tensor:
        return functional.normalize(self.head[-1].linear(self.units(pooled)), dim=1)

    def _read(self, items: Codes) -> Tensor:
        """Give what the head reads of some texts."""
        if self.pooled is not None:
            return self.pooled[items]
        if self.below is not None:
            self.below.show(items)
        features = self._features(items)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.half):
            for module in list(self.model)[: -len(self.head) - 1]:
                features = module(features)
        read: Tensor = features["sentence_embedding"].float()
        return read

    def _choose(self, encoder: TextEncoder, cache: Path, progress: Progress | None) -> None:
        """Mark what learns."""
        r, transformer = self.recipe, self.model[0]
        if r.method == "last-layers":
            digest = hashlib.sha256("\0".join([encoder.fingerprint, str(r.max_tokens), *self.texts]).encode())
            file = cache / "activations" / f"{digest.hexdigest()[:16]}-{r.layers}.npy"
            self.below = Activations(transformer.model, r.layers, self.lengths, file)
            self.below.prepare(self._features, self.half, progress)
            self.below.upper.requires_grad_(True)
        elif r.method == "full":
            for name, weights in transformer.named_parameters():
                weights.requires_grad_("pooler" not in name)  # of BERT: computed, but in no vector
        elif hasattr(transformer.model, "peft_config"):
            for name, weights in transformer.named_parameters():
                weights.requires_grad_("lora_" in name or "prompt_encoder" in name)
        elif r.method != "head":
            adapt(self.model, peft().get_peft_model(transformer.model, _adapter(r)))
        if r.adversarial:
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
        return self.kinds | {n: v[rows, :longest].long().to(device) for n, v in self.tokens.items()}


def _head(vectors: Floats, recipe: FineTuningConfig) -> list[tuple[Tensor, Tensor]]:
    """Make a head that whitens, with hidden units that count for nothing yet.

    What is whitened passes through ReLU unchanged as x = ReLU(x) - ReLU(-x). The other units read random
    directions of the whitened space.
    """
    white = Whitening.fit(vectors, min(recipe.dimensions, vectors.shape[1]), recipe.power)
    matrix, mean = torch.from_numpy(white.matrix.T.copy()), torch.from_numpy(white.mean)
    width = len(matrix)
    if not recipe.hidden:
        return [(matrix, -matrix @ mean)]
    full = Whitening.fit(vectors, power=recipe.power)
    length = np.linalg.norm((vectors - full.mean) @ full.matrix, axis=1).mean()
    drawn = torch.randn(recipe.hidden, vectors.shape[1]) @ torch.from_numpy(full.matrix.T / max(length, 1e-9))
    first, same = torch.cat([matrix, -matrix, drawn]), torch.eye(width)
    second = torch.cat([same, -same, torch.zeros(width, recipe.hidden)], dim=1)
    return [(first, -first @ mean), (second, torch.zeros(width))]


def _adapter(recipe: FineTuningConfig) -> Any:
    """Describe an adapter to peft."""
    if recipe.method == "prompt":
        return peft().PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=recipe.rank)
    return peft().LoraConfig(
        task_type="FEATURE_EXTRACTION",
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        exclude_modules=r".*pooler.*",
    )

"""`CrossEncoder`: reads two texts together, so that each word sees those of the other one.

The lower layers read each text by itself, once and for all; only the upper ones read pairs, and learn
(PreTTR: MacAvaney et al., "Efficient document re-ranking for transformers by precomputing term
representations", SIGIR 2020, section 3.2). So a pair costs a third of what a whole cross-encoder asks.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tailrank.arrays import Codes, Floats
from tailrank.errors import EncoderError
from tailrank.language.encoder import TextEncoder
from tailrank.reporting import Progress, silent

LAYERS: Final = 2
"""Upper layers that read pairs, and learn."""

TOKENS: Final = 28
"""Of each text that are read; longer ones are cut."""

BATCH: Final = 64
"""Texts, or pairs, that are read at once."""

SCALE: Final = 20.0
"""Of features: numbers of a unit vector of 384 are of the size of 1 / 20."""


class CrossEncoder(nn.Module):
    """Scores pairs of items by their texts.

    The score is a linear map, from zero, of the products and the distances of what the two texts' words
    amount to once they have seen each other. It doesn't start from their cosine: those that go together are
    often less alike than their others, and the quickest way to unlearn that is to make all alike.

    Parameters
    ----------
    encoder
        To start from; it stays as it is.
    texts
        Of the items.
    progress
        Is told how many texts the lower layers have read.

    Raises
    ------
    EncoderError
        If the encoder isn't built as BERT is, or has too few layers.
    """

    def __init__(self, encoder: TextEncoder, texts: Sequence[str], progress: Progress = silent) -> None:
        super().__init__()
        model: Any = getattr(encoder.model[0], "model", None)
        layers = getattr(getattr(model, "encoder", None), "layer", None)
        if layers is None or len(layers) < LAYERS:
            raise EncoderError(
                f"{encoder.name}: a cross-encoder is made of an encoder in the shape of BERT, of {LAYERS} "
                "layers or more: name another --encoder"
            )
        self.upper = nn.ModuleList(copy.deepcopy(layer) for layer in layers[-LAYERS:])
        width = model.config.hidden_size
        self.sides = nn.Parameter(torch.zeros(2, width))
        self.head = nn.Linear(2 * width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._base = encoder.fingerprint
        self._states, self._masks = _lower_states(encoder, texts, progress)

    def forward(self, first: Codes, second: Codes) -> Tensor:
        """Score pairs of items, given by their codes; shape (pairs,)."""
        device = self.sides.device
        of = [torch.from_numpy(np.asarray(items)).long() for items in (first, second)]
        masks = [self._masks[items] for items in of]
        widest = [int(mask.sum(dim=1).max()) for mask in masks]
        masks = [mask[:, :most].to(device) for mask, most in zip(masks, widest, strict=True)]
        states = torch.cat(
            [
                self._states[items, :most].to(device).float() + side
                for items, most, side in zip(of, widest, self.sides, strict=True)
            ],
            dim=1,
        )
        seen = torch.cat(masks, dim=1)[:, None, None]
        for layer in self.upper:
            found = layer(states, seen)
            states = found if isinstance(found, Tensor) else found[0]
        one, other = (
            functional.normalize((part * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True), dim=1)
            for part, mask in zip(torch.split(states, widest, dim=1), masks, strict=True)
        )
        score: Tensor = self.head(SCALE * torch.cat([one * other, (one - other).abs()], dim=1))[:, 0]
        return score

    @property
    def fingerprint(self) -> str:
        """Sha256 of all that decides the scores: the encoder, what is read of texts, and what has learned."""
        digest = hashlib.sha256(f"{self._base} {LAYERS} {TOKENS}".encode())
        for weights in self.state_dict().values():
            digest.update(weights.cpu().numpy().tobytes())
        return digest.hexdigest()

    @torch.inference_mode()
    def score(self, first: Codes, second: Codes) -> Floats:
        """Score pairs without dropout, those of similar length together; shape (pairs,)."""
        training = self.training
        self.eval()
        lengths = self._masks.sum(dim=1).numpy()
        order = np.argsort(lengths[first] + lengths[second], kind="stable")
        scores = np.empty(len(first), np.float32)
        for at in range(0, len(order), BATCH):
            rows = order[at : at + BATCH]
            scores[rows] = self(first[rows], second[rows]).float().cpu().numpy()
        self.train(training)
        return scores


@torch.inference_mode()
def _lower_states(encoder: TextEncoder, texts: Sequence[str], progress: Progress) -> tuple[Tensor, Tensor]:
    """Give what the lower layers make of each text: float16, shape (texts, TOKENS, width); and its mask."""
    tokenizer: Any = encoder.model.tokenizer
    model: Any = encoder.model[0].model
    states = torch.zeros(len(texts), TOKENS, model.config.hidden_size, dtype=torch.float16)
    masks = torch.zeros(len(texts), TOKENS, dtype=torch.bool)
    for at in range(0, len(texts), BATCH):
        some = list(texts[at : at + BATCH])
        given = tokenizer(some, truncation=True, max_length=TOKENS, padding=True, return_tensors="pt")
        given = given.to(model.device)
        found = model.eval()(**given, output_hidden_states=True).hidden_states[-1 - LAYERS]
        width = found.shape[1]
        states[at : at + BATCH, :width] = found.half().cpu()
        masks[at : at + BATCH, :width] = given["attention_mask"].bool().cpu()
        progress("reading texts", min(at + BATCH, len(texts)), len(texts))
    return states.clone(), masks.clone()

"""Tunes a copy of an encoder, and a head, on texts with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tailrank.arrays import Bools, Codes
from tailrank.errors import EncoderError, ModelError
from tailrank.language import adapters
from tailrank.language.encoder import TextEncoder
from tailrank.reporting import Progress, silent
from tailrank.tasks.linear_head import LinearHead
from tailrank.tasks.settings import ClassifierSettings

if TYPE_CHECKING:
    from torch import Tensor

WARM_UP: Final = 0.1
"""Share of the steps in which the learning rate rises; then it falls to 0."""

HEAD_RATE: Final = 100.0
"""Learning rate of the head, as a multiple of the encoder's: its weights are far larger."""

LORA_RATE: Final = 10.0
RANK: Final = 16
CLIP: Final = 1.0
SORTED: Final = 16
"""Batches whose texts are sorted by length together, so that few tokens are padding."""


class Labelled(NamedTuple):
    """Texts as the encoder reads them, n, and which label each has, shape (n, labels)."""

    texts: Sequence[str]
    truth: Bools


class TunedEncoder(NamedTuple):
    """What tuning gives: encoder and head, and after how many epochs."""

    encoder: TextEncoder
    head: LinearHead
    epochs: int


def tune(
    encoder: TextEncoder,
    head: LinearHead,
    train: Labelled,
    settings: ClassifierSettings,
    held: Labelled | None = None,
    epochs: int | None = None,
    progress: Progress = silent,
) -> TunedEncoder:
    """Tune a copy of an encoder, starting at a head that suits its vectors as they are.

    Linear probing, then fine-tuning (Kumar et al., ICLR 2022): so no step moves the encoder for what the head
    can do.

    Parameters
    ----------
    encoder
        Stays as it is.
    head
        Fitted to its vectors.
    train
        To learn from.
    settings
        How.
    held
        If given, the epoch is kept at which their log loss, after calibration, is lowest; none if none helps.
    epochs
        After how many to stop; None stops by `held` or, without it, after all. The learning rate falls as if
        there were all.
    progress
        Is told how many texts were seen.

    Raises
    ------
    EncoderError
        If the encoder isn't a transformer.
    ModelError
        If the loss is no longer finite.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        trainer = _Trainer(encoder, head, train, settings)
        best, best_loss, state = 0, _held_out_loss(trainer, held), trainer.state()
        for epoch in range(settings.epochs if epochs is None else epochs):
            trainer.run_epoch(epoch, progress)
            if held is None:
                best, state = epoch + 1, trainer.state()
                continue
            loss = _held_out_loss(trainer, held)
            if loss < best_loss:
                best, best_loss, state = epoch + 1, loss, trainer.state()
            elif epoch + 1 - best >= settings.patience:
                break
        trainer.restore(state)
    return TunedEncoder(trainer.finished(), trainer.head(), best)


def _held_out_loss(trainer: _Trainer, held: Labelled | None) -> float:
    if held is None:
        return np.inf
    vectors = trainer.encoder.encode(held.texts)
    return trainer.head().calibrated(vectors, held.truth).loss(vectors, held.truth)


class _Trainer:
    """A copy of an encoder and a head under training."""

    def __init__(
        self, encoder: TextEncoder, head: LinearHead, train: Labelled, settings: ClassifierSettings
    ) -> None:
        import torch

        if not hasattr(encoder.model[0], "model"):
            raise EncoderError(f"{encoder.name}: not a transformer, so there are no layers to tune")
        self.settings, self.train, self.exclusive = settings, train, head.exclusive
        self.model = deepcopy(encoder.model)
        self.encoder = replace(encoder, model=self.model)
        rate = settings.rate
        if settings.tune == "lora":
            rate *= LORA_RATE
            inner, updates = self.model[0].model, adapters.low_rank(RANK, dropout=0.1)
            adapters.adapt(self.model, adapters.peft().get_peft_model(inner, updates))
        self.linear = torch.nn.Linear(encoder.dimension, len(head.bias)).to(self.model.device)
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(head.weights))
            self.linear.bias.copy_(torch.from_numpy(head.bias))
        learning = [weights for weights in self.model.parameters() if weights.requires_grad]
        groups = [
            {"params": learning, "peak": rate, "weight_decay": 0.01},
            {"params": list(self.linear.parameters()), "peak": rate * HEAD_RATE, "weight_decay": 0.0},
        ]
        self.weights = [*learning, *self.linear.parameters()]
        self.optimiser = torch.optim.AdamW(groups, lr=rate)
        side, self.model.tokenizer.padding_side = self.model.tokenizer.padding_side, "right"
        self.inputs = self.model.preprocess(list(train.texts))
        self.model.tokenizer.padding_side = side
        self.lengths = self.inputs["attention_mask"].sum(dim=1).numpy()
        self.steps = settings.epochs * -(-len(train.texts) // settings.batch)
        self.done = 0

    def run_epoch(self, epoch: int, progress: Progress) -> None:
        """Learn from each text once."""
        seen, total = epoch * len(self.lengths), self.settings.epochs * len(self.lengths)
        self.model.train()
        for rows in self._batches(np.random.default_rng([self.settings.seed, epoch])):
            loss = self._step(rows)
            seen += len(rows)
            progress("tuning the encoder", seen, total, f"loss {loss:.3f}")

    def head(self) -> LinearHead:
        """Give the head as it is now."""
        weights, bias = (part.detach().cpu().numpy().copy() for part in self.linear.parameters())
        return LinearHead(weights, bias, self.exclusive)

    def state(self) -> list[Tensor]:
        """Copy the weights that learn."""
        return [weights.detach().clone() for weights in self.weights]

    def restore(self, state: list[Tensor]) -> None:
        """Set the weights that learn."""
        import torch

        with torch.no_grad():
            for weights, value in zip(self.weights, state, strict=True):
                weights.copy_(value)

    def finished(self) -> TextEncoder:
        """Give the tuned encoder, identified by its weights."""
        adapters.merge(self.model)
        self.model.eval()
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        found = digest.hexdigest()
        return replace(self.encoder, name=f"{self.encoder.name}, tuned", sha256=found, fingerprint=found)

    def _batches(self, rng: np.random.Generator) -> Iterator[Codes]:
        """Shuffle texts into batches of about one length."""
        order, size = rng.permutation(len(self.lengths)).astype(np.int32), self.settings.batch
        batches = []
        for at in range(0, len(order), size * SORTED):
            rows = order[at : at + size * SORTED]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            batches += [rows[start : start + size] for start in range(0, len(rows), size)]
        for place in rng.permutation(len(batches)):
            yield batches[place]

    def _step(self, rows: Codes) -> float:
        import torch

        from tailrank.tasks.tuning_losses import contrastive_loss, label_loss

        share = (self.done + 1) / self.steps
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * min(share / WARM_UP, (1 - share) / (1 - WARM_UP) + 1e-3)
        self.optimiser.zero_grad()
        vectors = self._encode(rows)
        truth = torch.from_numpy(self.train.truth[rows]).to(vectors.device)
        loss = label_loss(self.linear(vectors), truth, self.exclusive)
        if self.settings.contrast:
            loss = loss + self.settings.contrast * contrastive_loss(vectors, truth)
        loss.backward()  # type: ignore[no-untyped-call]
        value, norm = float(loss.detach()), float(torch.nn.utils.clip_grad_norm_(self.weights, CLIP))
        if not np.isfinite([value, norm]).all():
            raise ModelError(f"tuning diverged: choose a rate below {self.settings.rate:g}")
        self.optimiser.step()
        self.done += 1
        return value

    def _encode(self, rows: Codes) -> Tensor:
        import torch
        from torch.nn import functional

        device, longest = self.model.device, int(self.lengths[rows].max())
        at = torch.from_numpy(rows).long()
        batch = {
            name: value[at, :longest].to(device) if isinstance(value, torch.Tensor) else value
            for name, value in self.inputs.items()
        }
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            read = self.model(batch)["sentence_embedding"]
        return functional.normalize(read.float(), dim=1)

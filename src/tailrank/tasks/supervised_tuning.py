"""Tunes a copy of an encoder, and a head for each task, on texts with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
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
    from torch import Tensor, nn

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


class TaskToTune(NamedTuple):
    """What a task brings: a head that suits the encoder's vectors as they are, and texts.

    Attributes
    ----------
    head
        Where its own starts.
    train
        To learn from.
    held
        To choose the epoch by; None doesn't choose.
    """

    head: LinearHead
    train: Labelled
    held: Labelled | None = None


class TunedEncoder(NamedTuple):
    """What tuning gives: an encoder, the head of each task, and after how many epochs.

    `losses` are the log losses by which the epoch was chosen: before the first one, and after each.
    """

    encoder: TextEncoder
    heads: list[LinearHead]
    epochs: int
    losses: list[float]


def tune(
    encoder: TextEncoder,
    tasks: Sequence[TaskToTune],
    settings: ClassifierSettings,
    epochs: int | None = None,
    progress: Progress = silent,
) -> TunedEncoder:
    """Tune a copy of an encoder on one task, or on several together, each with a head of its own.

    Linear probing, then fine-tuning (Kumar et al., ICLR 2022): so no step moves the encoder for what the
    heads can do. Each batch is of one task, and each text is seen once an epoch.

    Parameters
    ----------
    encoder
        Stays as it is.
    tasks
        At least one; all hold texts out, or none does. If they do, the epoch is kept at which the log loss of
        those texts, after calibration, averaged over tasks, is lowest; none if none helps.
    settings
        How.
    epochs
        After how many to stop; None stops by the texts held out or, without them, after all. The learning
        rate falls as if there were all.
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
        trainer = _Trainer(encoder, tasks, settings)
        best, best_loss, state = 0, trainer.held_out_loss(), trainer.state()
        losses = [best_loss]
        for epoch in range(settings.epochs if epochs is None else epochs):
            trainer.run_epoch(epoch, progress)
            loss = trainer.held_out_loss()
            losses.append(loss)
            if loss is None or best_loss is None or loss < best_loss:
                best, best_loss, state = epoch + 1, loss, trainer.state()
            elif epoch + 1 - best >= settings.patience:
                break
        trainer.restore(state)
    told = [loss for loss in losses if loss is not None]
    return TunedEncoder(trainer.finished(), trainer.heads(), best, told)


class _Trainer:
    """A copy of an encoder and the heads of tasks under training."""

    def __init__(
        self, encoder: TextEncoder, tasks: Sequence[TaskToTune], settings: ClassifierSettings
    ) -> None:
        import torch

        if not hasattr(encoder.model[0], "model"):
            raise EncoderError(f"{encoder.name}: not a transformer, so there are no layers to tune")
        self.settings, self.tasks = settings, tasks
        self.model = deepcopy(encoder.model)
        self.encoder = replace(encoder, network=self.model)
        rate = settings.rate
        if settings.tune == "lora":
            rate *= LORA_RATE
            inner, updates = self.model[0].model, adapters.low_rank(RANK, dropout=0.1)
            adapters.adapt(self.model, adapters.peft().get_peft_model(inner, updates))
        self.linears = [_linear(task.head).to(self.model.device) for task in tasks]
        of_heads = [weights for linear in self.linears for weights in linear.parameters()]
        learning = [weights for weights in self.model.parameters() if weights.requires_grad]
        groups = [
            {"params": learning, "peak": rate, "weight_decay": 0.01},
            {"params": of_heads, "peak": rate * HEAD_RATE, "weight_decay": 0.0},
        ]
        self.weights = [*learning, *of_heads]
        self.optimiser = torch.optim.AdamW(groups, lr=rate, fused=True)
        side, self.model.tokenizer.padding_side = self.model.tokenizer.padding_side, "right"
        self.inputs = self.model.preprocess([text for task in tasks for text in task.train.texts])
        self.model.tokenizer.padding_side = side
        self.lengths = self.inputs["attention_mask"].sum(dim=1).numpy()
        self.firsts = np.cumsum([0, *(len(task.train.texts) for task in tasks)])
        self.steps = settings.epochs * int(sum(-(-np.diff(self.firsts) // settings.batch)))
        self.done = 0

    def run_epoch(self, epoch: int, progress: Progress) -> None:
        """Learn from each text once."""
        seen, total = epoch * len(self.lengths), self.settings.epochs * len(self.lengths)
        self.model.train()
        for at, rows in self._batches(np.random.default_rng([self.settings.seed, epoch])):
            loss = self._step(at, rows)
            seen += len(rows)
            progress("tuning the encoder", seen, total, f"loss {loss:.3f}")

    def heads(self) -> list[LinearHead]:
        """Give the heads as they are now."""
        parts = ([part.detach().cpu().numpy().copy() for part in each.parameters()] for each in self.linears)
        pairs = zip(parts, self.tasks, strict=True)
        return [LinearHead(weights, bias, task.head.exclusive) for (weights, bias), task in pairs]

    def held_out_loss(self) -> float | None:
        """Give the mean log loss of the texts that are held out, after calibration; None without any."""
        losses = []
        for task, head in zip(self.tasks, self.heads(), strict=True):
            if task.held is None:
                return None
            vectors, truth = self.encoder.encode(task.held.texts), task.held.truth
            losses.append(head.calibrated(vectors, truth).loss(vectors, truth))
        return float(np.mean(losses))

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

    def _batches(self, rng: np.random.Generator) -> Iterator[tuple[int, Codes]]:
        """Shuffle the texts of each task into batches of about one length; gives their task, too."""
        size, batches = self.settings.batch, list[tuple[int, Codes]]()
        for task, (first, end) in enumerate(pairwise(self.firsts.tolist())):
            order = first + rng.permutation(end - first).astype(np.int32)
            for at in range(0, len(order), size * SORTED):
                rows = order[at : at + size * SORTED]
                rows = rows[np.argsort(self.lengths[rows], kind="stable")]
                batches += [(task, rows[start : start + size]) for start in range(0, len(rows), size)]
        for place in rng.permutation(len(batches)):
            yield batches[place]

    def _step(self, at: int, rows: Codes) -> float:
        import torch

        from tailrank.tasks.tuning_losses import contrastive_loss, label_loss

        share = (self.done + 1) / self.steps
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * min(share / WARM_UP, (1 - share) / (1 - WARM_UP) + 1e-3)
        self.optimiser.zero_grad()
        vectors, task = self._encode(rows), self.tasks[at]
        truth = torch.from_numpy(task.train.truth[rows - self.firsts[at]]).to(vectors.device)
        loss = label_loss(self.linears[at](vectors), truth, task.head.exclusive)
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


def _linear(head: LinearHead) -> nn.Linear:
    """Make a layer of a head's weights."""
    import torch

    found = torch.nn.Linear(head.weights.shape[1], len(head.bias))
    with torch.no_grad():
        found.weight.copy_(torch.from_numpy(head.weights))
        found.bias.copy_(torch.from_numpy(head.bias))
    return found

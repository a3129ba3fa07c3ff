"""Fine-tuning an encoder: the loop, its checkpoints, and when it stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from tailrank.arrays import Codes, Floats
from tailrank.data.cache import cache_root
from tailrank.data.splits import Split
from tailrank.errors import DataError, ModelError
from tailrank.language import checkpoint as checkpoints
from tailrank.language.encoder import TextEncoder
from tailrank.language.tuning.examples import Batch, Behaviour, Examples, Texts
from tailrank.language.tuning.judging import Judge, worth
from tailrank.language.tuning.learner import Learner
from tailrank.language.tuning.objectives import Objective
from tailrank.language.tuning.recipe import Recipe
from tailrank.language.tuning.teacher import teach
from tailrank.language.tuning.tracking import Tracker

WARM_UP: Final = 0.1
LAST: Final = 0.02
"""Share of the steps in which the rate rises, and share of its height that it ends at."""


@dataclass(frozen=True)
class Domain:
    """One data set to learn from.

    Attributes
    ----------
    split
        What to learn from, and validation queries that say when to stop.
    texts
        Of every item.
    vectors
        The encoder's vectors of them, shape (items, d).
    since
        From when on events are new; see `examples.Behaviour`.
    """

    split: Split
    texts: Sequence[str]
    vectors: Floats
    since: float | None = None


@dataclass(frozen=True)
class Tuned:
    """A tuned encoder and how it came about.

    Attributes
    ----------
    learner
        With the weights of the best look.
    tables
        Vectors of each domain's items, shape (items, dimensions).
    looks
        ndcg@10 on validation at each look, by domain and group: the first one before any step.
    best
        Number of the look that was kept.
    steps
        How many were taken.
    seconds
        Time in steps, without looks.
    parameters
        Number of weights that learned.
    """

    learner: Learner
    tables: list[Floats]
    looks: list[dict[str, dict[str, float]]]
    best: int
    steps: int
    seconds: float
    parameters: int

    @property
    def worth(self) -> float:
        """What the kept look is judged by, the mean over domains."""
        return float(np.mean([worth(figures) for figures in self.looks[self.best].values()]))


def finetune(
    domains: Sequence[Domain],
    encoder: TextEncoder,
    recipe: Recipe,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    trackers: Sequence[Tracker] = (),
    report: Callable[[int, float], bool] | None = None,
) -> Tuned:
    """Tune an encoder as long as that ranks the validation queries better.

    What is judged is the mean, over domains, of ndcg@10 on all targets and on those of the tail. The same
    call again goes on from the checkpoint, and ends with the weights of an undisturbed run.

    Parameters
    ----------
    domains
        Batches come from one of them each, drawn by their size to the power of `recipe.temper`.
    encoder
        Is changed; load another one to compare with.
    recipe
        How.
    progress
        Where a bar is shown.
    checkpoint
        File that is written every few minutes and after each look.
    trackers
        Where figures are kept.
    report
        Is told the steps taken and the figure judged by after each look; training ends where it gives False.

    Raises
    ------
    DataError
        Where a domain has nothing to learn from, or no validation query.
    EncoderError
        Where texts, vectors or the method don't fit the encoder.
    ModelError
        Where training diverges, or the checkpoint is damaged, of another training, or can't be written.
    TrackingError
        Where figures can't be kept.
    """
    run = _Run(domains, encoder, recipe, progress)
    # Names of settings that change nothing but when and where things are written stay out of the key.
    said = {k: v for k, v in asdict(recipe).items() if k not in ("minutes", "memory")}
    data = [(d.split.train.fingerprint, d.split.protocol, len(d.split.validation), d.since) for d in domains]
    texts = checkpoints.key(*(list(d.texts) for d in domains))
    name = checkpoints.key(encoder.fingerprint, said, data, texts)
    found = None if checkpoint is None else checkpoints.read(checkpoint, name)
    if found is not None:
        run.restore(*found)
    succeeded = False
    for tracker in trackers:
        tracker.start(
            {**said, "encoder": encoder.name, "data": ", ".join(d.split.train.name for d in domains)}
        )
    try:
        run.go(lambda: _keep(checkpoint, name, run), trackers, progress, report)
        succeeded = True
    finally:
        for tracker in trackers:
            tracker.finish(succeeded)
    return run.tuned()


def _keep(checkpoint: Path | None, name: str, run: _Run) -> None:
    if checkpoint is not None:
        checkpoints.write(checkpoint, name, run.tensors(), run.figures())


@contextmanager
def _moved(words: Tensor, length: float) -> Iterator[None]:
    """Move the word embeddings up their gradient for a while."""
    assert words.grad is not None  # noqa: S101 - a batch went through them
    before = words.detach().clone()
    words.data += length * words.grad / words.grad.norm().clamp(min=1e-12)
    try:
        yield
    finally:
        words.data = before


class _Run:
    """A training under way. Every step draws its randomness from the seed and its own number."""

    def __init__(
        self, domains: Sequence[Domain], encoder: TextEncoder, recipe: Recipe, progress: Progress | None
    ) -> None:
        self.recipe = recipe
        names = [domain.split.train.name for domain in domains]
        if len(set(names)) < len(names):
            raise DataError(f"two data folders are called {max(names, key=names.count)!r}: rename one")
        for domain in domains:
            if not len(domain.split.validation):
                raise DataError(
                    f"{domain.split.train.name}: no validation query to stop by: give more events"
                )
        torch.manual_seed(recipe.seed)
        texts = [text for domain in domains for text in domain.texts]
        vectors = np.concatenate([domain.vectors for domain in domains])
        self.learner = Learner(encoder, texts, vectors, recipe, cache_root(), progress)
        sizes = [len(domain.texts) for domain in domains]
        self.offsets = np.concatenate([[0], np.cumsum(sizes)])
        self.examples = [
            self._examples(domain, at) for domain, at in zip(domains, self.offsets, strict=False)
        ]
        weights = np.array([float(each.size) for each in self.examples]) ** recipe.temper
        self.chances = weights / weights.sum()
        self.judges = {d.split.train.name: Judge(d.split, recipe.fading, recipe.seed) for d in domains}
        self.table = self.learner.table()
        """Vectors of the best look."""
        self.objective = Objective(recipe, self._teacher(domains)).to(encoder.model.device)
        model, head = self.learner.parameters()
        self.weights = [*model, *head, *self.objective.parameters()]
        groups = [
            {"params": model, "height": recipe.rate, "weight_decay": recipe.weight_decay},
            {
                "params": [*head, *self.objective.parameters()],
                "height": recipe.head_rate,
                "weight_decay": 0.0,
            },
        ]
        self.optimiser = torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.rate)
        self.steps, self.seconds = 0, 0.0
        self.looks: list[dict[str, dict[str, float]]] = []
        self.kept: list[Tensor] = []

    def _examples(self, domain: Domain, offset: int) -> Examples:
        told = self.learner.told[offset : offset + len(domain.texts)]
        if self.recipe.loss == "simcse":
            return Texts(told, self.recipe.batch, twice=True)
        if self.recipe.loss == "distillation":
            return Texts(told & (domain.split.train.counts > 0), self.recipe.batch, twice=False)
        return Behaviour(domain.split.train, told, self.recipe, domain.since)

    def _teacher(self, domains: Sequence[Domain]) -> Tensor | None:
        if self.recipe.loss != "distillation":
            return None
        found = []
        for domain, a, b in zip(domains, self.offsets[:-1], self.offsets[1:], strict=True):
            train, told = domain.split.train, self.learner.told[a:b]
            judge = self.judges[train.name].worth
            found.append(teach(self.table[a:b], train, told, self.recipe, judge, domain.since))
        return torch.cat(found).to(self.learner.model.device)

    @property
    def judged(self) -> list[float]:
        """What each look is judged by, the mean over domains."""
        return [float(np.mean([worth(figures) for figures in look.values()])) for look in self.looks]

    @property
    def best(self) -> int:
        """Number of the best look, the earliest of equals."""
        return int(np.argmax(self.judged))

    def go(
        self,
        keep: Callable[[], None],
        trackers: Sequence[Tracker],
        progress: Progress | None,
        report: Callable[[int, float], bool] | None,
    ) -> None:
        """Take steps and look at what they are worth, until they are worth nothing any more."""
        r, kept_at = self.recipe, time.monotonic()
        bar = None if progress is None else progress.add_task("fine-tuning", total=r.steps)
        if not self.looks:
            self._look(trackers)
        while self.steps < r.steps and len(self.looks) - 1 - self.best < r.patience:
            figures = self._step()
            for tracker in trackers:
                tracker.log(self.steps, figures)
            if self.steps % r.every == 0 or self.steps == r.steps:
                self._look(trackers)
            if self.steps % r.every == 0 or time.monotonic() - kept_at > 60 * r.minutes:
                keep()
                kept_at = time.monotonic()
            if progress is not None and bar is not None:
                said = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
                progress.update(
                    bar, completed=self.steps, description=f"{said}, ndcg@10 {self.judged[-1]:.4f}"
                )
            if self.steps % r.every == 0 and report is not None and not report(self.steps, self.judged[-1]):
                break
        if progress is not None and bar is not None:
            progress.update(bar, total=self.steps, completed=self.steps)
        self._load(self.kept)

    def _step(self) -> dict[str, float]:
        """Take one step of the optimiser."""
        started, r = time.perf_counter(), self.recipe
        done = (self.steps + 1) / r.steps
        share = min(done / WARM_UP, max((1 - done) / (1 - WARM_UP), LAST))
        for group in self.optimiser.param_groups:
            group["lr"] = group["height"] * share
        self.optimiser.zero_grad()
        words = self.learner.embeddings if r.adversarial else None
        if words is not None:
            words.grad = None
        losses = []
        self.learner.model.train()
        for part in range(r.accumulation):
            rng = np.random.default_rng([r.seed, self.steps, part])
            domain = int(rng.choice(len(self.examples), p=self.chances))
            batch = self.examples[domain].draw(rng).shifted(int(self.offsets[domain]))
            losses.append(self._learn(batch, part))
            if words is not None:
                with _moved(words, r.adversarial):
                    self._learn(batch, part)
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, r.clip))
        if not np.isfinite([norm, *losses]).all():
            rates = f"{r.rate:g} and {r.head_rate:g}"
            raise ModelError(f"fine-tuning diverged at step {self.steps + 1}: take rates below {rates}")
        self.optimiser.step()
        self.steps += 1
        self.seconds += time.perf_counter() - started
        return {"loss": float(np.mean(losses)), "gradient norm": norm, "rate": r.rate * share}

    def _learn(self, batch: Batch, number: int) -> float:
        """Add the gradient of one batch, encoded at once or, where memory is short, in two passes."""
        parts = self.learner.parts(batch.items)
        back = torch.from_numpy(np.argsort(np.concatenate(parts)))
        cached = len(batch.items) > self.recipe.memory
        with torch.set_grad_enabled(not cached):
            encoded = [self._encode(batch.items[rows], number, at) for at, rows in enumerate(parts)]
        vectors = torch.cat(encoded)
        if cached:
            vectors.requires_grad_(True)
        loss: Tensor = self.objective(vectors[back.to(vectors.device)], batch) / self.recipe.accumulation
        loss.backward()  # type: ignore[no-untyped-call]
        if cached:
            assert vectors.grad is not None  # noqa: S101 - every vector is compared with
            slopes = torch.split(vectors.grad, [len(rows) for rows in parts])
            for at, (rows, slope) in enumerate(zip(parts, slopes, strict=True)):
                self._encode(batch.items[rows], number, at).backward(slope)  # type: ignore[no-untyped-call]
        return float(loss.detach()) * self.recipe.accumulation

    def _encode(self, items: Codes, number: int, part: int) -> Tensor:
        """Encode a part under its own dropout, the same whenever it is encoded in a step."""
        torch.manual_seed(hash((self.recipe.seed, self.steps, number, part)) & (2**63 - 1))
        return self.learner.encode(items)

    def _look(self, trackers: Sequence[Tracker]) -> None:
        """Judge the vectors as they are, and keep the weights where they are the best so far."""
        table = self.learner.table() if self.looks else self.table
        parts = np.split(table, self.offsets[1:-1])
        look = {name: judge(part) for (name, judge), part in zip(self.judges.items(), parts, strict=True)}
        self.looks.append(look)
        figures = {f"{name}/ndcg@10/{group}": x for name, each in look.items() for group, x in each.items()}
        for tracker in trackers:
            tracker.log(self.steps, figures)
        if self.best == len(self.looks) - 1:
            self.table = table
            self.kept = [weights.detach().clone() for weights in self.weights]

    def tuned(self) -> Tuned:
        """Give what came of it."""
        tables = np.split(self.table, self.offsets[1:-1])
        size = sum(weights.numel() for weights in self.weights)
        return Tuned(self.learner, tables, self.looks, self.best, self.steps, self.seconds, size)

    def tensors(self) -> dict[str, Tensor]:
        """Give all that the next step depends on, and the best weights."""
        parts = {f"weights/{at}": value.detach() for at, value in enumerate(self.weights)}
        parts |= {f"kept/{at}": value for at, value in enumerate(self.kept)}
        for at, state in self.optimiser.state_dict()["state"].items():
            parts |= {f"optimiser/{at}/{name}": value for name, value in state.items()}
        return parts

    def figures(self) -> dict[str, Any]:
        """Give what was measured, for a checkpoint."""
        return {"steps": self.steps, "seconds": self.seconds, "looks": self.looks}

    def restore(self, tensors: Mapping[str, Tensor], figures: Mapping[str, Any]) -> None:
        """Take back what a checkpoint holds."""
        self.steps, self.seconds, self.looks = figures["steps"], figures["seconds"], figures["looks"]
        count = len(self.weights)
        self._load([tensors[f"weights/{at}"] for at in range(count)])
        self.kept = [tensors[f"kept/{at}"] for at in range(count)]
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            part, at, *field = name.split("/")
            if part == "optimiser":
                states.setdefault(int(at), {})[field[0]] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": states})
        now = [weights.detach().clone() for weights in self.weights]
        self._load(self.kept)
        self.table = self.learner.table()
        self._load(now)

    def _load(self, values: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for weights, value in zip(self.weights, values, strict=True):
                weights.copy_(value)

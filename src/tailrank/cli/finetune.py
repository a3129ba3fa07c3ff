"""`tailrank finetune` and `tailrank tune`: an encoder learns from behaviour."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from tailrank.cli.options import Device, Encoder, Template, Tracks, comma_separated, load, load_encoder
from tailrank.cli.progress import one_voice, progress_bars
from tailrank.data.cold_items import cold_items, natural_protocol
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, hold_out, leave_one_out, temporal
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts
from tailrank.machine import machine
from tailrank.reporting import step
from tailrank.tuning.config import FineTuningConfig, Method, TuningLoss
from tailrank.tuning.tracking import trackers
from tailrank.tuning.validator import Validator

if TYPE_CHECKING:  # these bring torch, which no other command should wait for
    from tailrank.tuning.domains import Domain
    from tailrank.tuning.finetuning import Tuned
    from tailrank.tuning.search import Search

SHOWN_TRIALS: Final = 10

NOTHING_LEARNED: Final = 3
"""Exit status if nothing ranks validation better than the encoder given, so that no folder is written."""

Protocol = Literal["all", "leave-one-out", "temporal", "cold-items"]
SPLITS: Final[dict[str, Callable[[Dataset], Split]]] = {
    "all": hold_out,
    "leave-one-out": leave_one_out,
    "temporal": temporal,
}

DataFolders = Annotated[list[str], typer.Option("--data", help="Data folder or public set; several mix.")]
Protocols = Annotated[
    Protocol, typer.Option(help="Learn from `all` events, or from those that an evaluation may learn from.")
]
Methods = Annotated[Method, typer.Option(help="What learns; see docs/finetuning.md.")]
Losses = Annotated[TuningLoss, typer.Option(help="What is learned from.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another setting, see docs/finetuning.md: NAME=VALUE, such as rank=8."),
]
Merge = Annotated[
    bool, typer.Option("--merge", help="Write an ordinary model folder even if an adapter would do.")
]


def finetune(
    data: DataFolders,
    out: Annotated[Path, typer.Option(help="Folder for the tuned encoder; one that is there is replaced.")],
    method: Methods = FineTuningConfig.method,
    loss: Losses = FineTuningConfig.loss,
    protocol: Protocols = "all",
    since: Annotated[
        datetime | None, typer.Option(help="Learn from events since then, with older ones in between.")
    ] = None,
    merge: Merge = False,
    track: Tracks = None,
    encoder: Encoder = "default",
    template: Template = None,
    seed: Annotated[int, typer.Option(help="Of batches and dropout, and of the draw of cold items.")] = 0,
    settings: Sets = None,
    device: Device = "auto",
) -> None:
    """Tune an encoder on behaviour; an interrupted run goes on. Exit status 3: it learned nothing."""
    from tailrank.tuning.finetuning import finetune as tune_encoder
    from tailrank.tuning.saving import save

    config = read_config({"method": method, "loss": loss, "seed": str(seed)}, settings or [])
    if merge and method == "prompt":
        raise RequestError("--merge: a prompt is no change of weights: leave --merge out, or choose lora")
    checkpoint = out.parent / f"{out.name}.checkpoint"
    with one_voice() as processes:
        logs = [] if processes.rank else trackers(track or [])
        with processes.first_alone():
            model, domains = prepare(data, out, encoder, template, protocol, seed, since)
        started = time.perf_counter()
        with progress_bars() as progress:
            tuned = tune_encoder(domains, model, config, progress, checkpoint, logs)
            minutes = (time.perf_counter() - started) / 60
            if tuned.best_step and not processes.rank:
                with step(progress, f"writing {out}"):
                    save(tuned, model, out, describe(tuned, domains, model, protocol), merge)
    if processes.rank:
        return
    if not tuned.best_step:
        show(tuned)
        checkpoint.unlink(missing_ok=True)
        _tell_no_gain(out, tuned.starting_score)
        raise typer.Exit(NOTHING_LEARNED if processes.size == 1 else 0)  # torchrun takes others for failures
    checkpoint.unlink(missing_ok=True)
    with progress_bars() as progress:
        after = load_encoder(str(out), progress)
        for domain in domains:
            VectorStore().vectors(list(domain.texts), after, progress)
    show(tuned)
    if since is not None:
        show_forgetting(tuned, domains)
    typer.echo(f"{out}: {tuned.parameters:,} weights learned, {tuned.steps:,} steps, {minutes:.1f} min")


def tune(
    data: DataFolders,
    out: Annotated[Path, typer.Option(help="Folder for the best tuned encoder; trials are kept beside it.")],
    minutes: Annotated[float, typer.Option(help="Time to try settings in.")] = 60.0,
    methods: Annotated[str, typer.Option(help="To choose from: a,b,c.")] = "head,last-layers,lora",
    losses: Annotated[str, typer.Option(help="To choose from: a,b,c.")] = "distillation,next-item",
    protocol: Protocols = "all",
    merge: Merge = False,
    encoder: Encoder = "default",
    template: Template = None,
    seed: Annotated[
        int, typer.Option(help="Of the search, of batches and dropout, and of the draw of cold items.")
    ] = 0,
    settings: Sets = None,
    device: Device = "auto",
) -> None:
    """Search for the settings that tune best; it can go on later. Exit status 3: nothing was learned."""
    from tailrank.checkpoint import key
    from tailrank.tuning.finetuning import finetune as tune_encoder
    from tailrank.tuning.saving import save
    from tailrank.tuning.search import search

    start = read_config({"seed": str(seed)}, settings or [])
    chosen = (
        _chosen(methods, get_args(Method), start.method),
        _chosen(losses, get_args(TuningLoss), start.loss),
    )
    model, domains = prepare(data, out, encoder, template, protocol, seed, None)

    def run(config: FineTuningConfig, on_validation: Callable[[int, float], bool]) -> Tuned:
        with progress_bars() as progress:
            return tune_encoder(
                domains, TextEncoder.load(encoder), config, progress, on_validation=on_validation
            )

    def keep(tuned: Tuned) -> None:
        save(tuned, model, out, describe(tuned, domains, model, protocol), merge)

    name = key(
        model.fingerprint, protocol, [d.split.full_train.fingerprint for d in domains], asdict(start), *chosen
    )
    outcome = search(out.parent / f"{out.name}.trials.db", name, start, *chosen, minutes, run, keep, _report)
    show_trials(outcome)
    if not outcome.learned:
        _tell_no_gain(out, outcome.start)
        raise typer.Exit(NOTHING_LEARNED)
    typer.echo(f"{out}: the best of {len(outcome.trials)} trials, {outcome.gain:+.4f} over the encoder given")


def _report(number: int, tuned: Tuned, start: float) -> None:
    """Print how a trial did, and before the first how the encoder given does."""
    if number == 0:
        typer.echo(f"encoder given: {start:.4f} (validation score, see docs/finetuning.md)")
    gain = tuned.validation_score - start
    verdict = f"better by {gain:.4f}" if gain > 0 else "no better than the encoder given"
    typer.echo(f"trial {number}: {tuned.validation_score:.4f}, {verdict}")


def _tell_no_gain(out: Path, start: float) -> None:
    there = f"{out} stays as it was" if out.exists() else f"{out} was not written"
    typer.echo(
        f"nothing learned: no validation score above {start:.4f}, that of the encoder given, so {there}: "
        "train without --tuned"
    )


def show_trials(outcome: Search) -> None:
    """Print the best trials, and by how much each beats the encoder given."""
    table = Table("trial", "state", "validation", "over the start", "settings", box=SIMPLE_HEAD)
    for trial in outcome.trials[:SHOWN_TRIALS]:
        changes = ", ".join(
            f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in trial.params.items()
        )
        score, gain = "-", "-"
        if trial.value is not None:
            score, gain = f"{trial.value:.4f}", f"{trial.value - outcome.start:+.4f}"
        table.add_row(str(trial.number), trial.state.name.lower(), score, gain, changes)
    Console().print(table)


def _chosen(names: str, known: tuple[Any, ...], first: str) -> list[Any]:
    """Read names to choose from; the one that a search begins with comes first, if it is among them."""
    found = comma_separated(names)
    if not found or not set(found) <= set(known):
        raise RequestError(f"choose from {', '.join(known)}, not {names!r}")
    return sorted(dict.fromkeys(found), key=lambda name: name != first)


def prepare(
    data: Sequence[str],
    out: Path,
    encoder: str,
    template: str | None,
    protocol: Protocol,
    seed: int,
    since: datetime | None,
) -> tuple[TextEncoder, list[Domain]]:
    """Load an encoder and what it is to learn from, and encode what has no vectors yet."""
    from tailrank.tuning.domains import Domain
    from tailrank.tuning.saving import check_folder

    if encoder == "none":
        raise RequestError("--encoder none: there is nothing to tune: name an encoder")
    with progress_bars() as progress:
        model = load_encoder(encoder, progress)
    check_folder(out, model)
    sets = [load(name) for name in data]
    if since is not None and any(dataset.clock != "timestamp" for dataset in sets):
        raise RequestError("--since: these events have positions, not timestamps: leave it out")
    moment = None if since is None else since.replace(tzinfo=since.tzinfo or UTC).timestamp()
    domains = []
    for dataset in sets:
        texts = item_texts(dataset.items, template)
        with progress_bars() as progress:
            vectors = VectorStore().vectors(texts, model, progress)
        domains.append(Domain(split_of(dataset, protocol, seed), texts, vectors, moment))
    return model, domains


def split_of(dataset: Dataset, protocol: Protocol, seed: int) -> Split:
    """Split off what a protocol keeps from learning."""
    if protocol == "cold-items":
        return cold_items(SPLITS[natural_protocol(dataset)](dataset), seed)
    return SPLITS[protocol](dataset)


def read_config(given: Mapping[str, str], settings: Sequence[str]) -> FineTuningConfig:
    """Read settings written as NAME=VALUE, beside those that have options of their own."""
    types: dict[str, Any] = {field.name: type(field.default) for field in fields(FineTuningConfig)}
    pairs = dict(given)
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or name not in types or name in given:
            others = ", ".join(sorted(set(types) - set(given)))
            raise RequestError(f"--set {text!r}: write NAME=VALUE, where NAME is one of {others}")
        pairs[name] = value
    try:
        return FineTuningConfig(**{name: types[name](value) for name, value in pairs.items()})
    except ValueError as wrong:
        raise RequestError(f"--set: {wrong}: give a number") from None


def describe(
    tuned: Tuned, domains: Sequence[Domain], encoder: TextEncoder, protocol: Protocol
) -> dict[str, Any]:
    """Describe how a tuned encoder came about, for `tuning.json` in its folder."""
    return {
        "base": encoder.name,
        "base_sha256": encoder.sha256,
        "protocol": protocol,
        "data": [
            {
                "name": split.full_train.name,
                "fingerprint": split.full_train.fingerprint,
                "split": split.protocol,
            }
            for split in (domain.split for domain in domains)
        ],
        "config": asdict(tuned.encoder.config),
        "steps": tuned.steps,
        "best_step": tuned.best_step,
        "validation_steps": tuned.validation_steps,
        **machine(),
    }


def show_forgetting(tuned: Tuned, domains: Sequence[Domain]) -> None:
    """Print ndcg@10 on the latest events before the new ones, by the encoder given and by the tuned one."""
    table = Table(Column("before --since", no_wrap=True), "encoder given", "tuned", box=SIMPLE_HEAD)
    for domain, vectors in zip(domains, tuned.vectors, strict=True):
        h, moment = domain.split.full_train.histories, domain.since or 0.0
        ends = h.offsets[:-1] + np.bincount(h.owners[h.times < moment], minlength=len(h))
        known = hold_out(domain.split.full_train.until(ends))
        validator = Validator(known, FineTuningConfig.recency_decay, 0)
        cells = (f"{validator(each)['all']:.4f}" for each in (domain.vectors, vectors))
        table.add_row(domain.split.full_train.name, *cells)
    Console().print(table)


def show(tuned: Tuned) -> None:
    """Print ndcg@10 on validation before and after."""
    before, after = tuned.validation_steps[0], tuned.validation_steps[tuned.best_step]
    groups = list(dict.fromkeys(group for metrics in before.values() for group in metrics))
    table = Table(
        Column("validation ndcg@10", no_wrap=True),
        *(group.removeprefix("count").removeprefix("=") for group in groups),
        box=SIMPLE_HEAD,
    )
    for name in before:
        for label, at in (("before", before), ("after", after)):
            cells = (f"{at[name][group]:.4f}" if group in at[name] else "-" for group in groups)
            table.add_row(f"{name}, {label}", *cells)
    Console().print(table)

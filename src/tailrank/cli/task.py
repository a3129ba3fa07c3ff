"""`tailrank task`: labels of texts by the same encoder."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import polars as pl
import typer

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.cli.task_serve import serve
from tailrank.data.line_checks import checked_json_lines
from tailrank.errors import DataError, ModelError, RequestError, first_line, naming
from tailrank.files import written_file
from tailrank.folders import TASK, TOGETHER, check_own_folder, check_room_for_report
from tailrank.language.store import VectorStore
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.evaluation import TaskEvaluation, evaluate_task
from tailrank.tasks.examples import ExampleColumns, Examples
from tailrank.tasks.settings import ClassifierSettings, Tune
from tailrank.tasks.task_folder import save_together
from tailrank.tasks.task_list import read_part, read_task_list, read_training_part
from tailrank.tuning.tracking import Tracker, tracked, trackers

TEST: Final = "test"

app = typer.Typer(no_args_is_help=True, help="Label texts by a task of your own: docs/tasks.md.")
app.command()(serve)

Data = Annotated[Path, typer.Option(help="Table of texts: Parquet, CSV or JSON Lines.")]
Text = Annotated[str, typer.Option(metavar="COLUMN", help="Column of the texts.")]
Label = Annotated[str, typer.Option(metavar="COLUMN", help="Column of the label, or of a list of labels.")]
Split = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of parts: `train` is learned from, `test` is measured on."),
]
Entity = Annotated[
    str | None,
    typer.Option(
        "--entity",
        "--other",
        metavar="COLUMN",
        help="Column of what the label is about, --kind entity; of the other text, --kind pair.",
    ),
]
Separator = Annotated[
    str | None, typer.Option(help="Stands between labels that are written as one text, such as '|'.")
]
Task = Annotated[Path, typer.Argument(metavar="TASK", help="What `tailrank task train` wrote.")]


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the task.")],
    text: Text = "text",
    label: Label = "label",
    split: Split = None,
    entity: Entity = None,
    separator: Separator = None,
    kind: Annotated[str, typer.Option(help="one, several, entity or pair.")] = "one",
    encoder: Annotated[
        str, typer.Option(help="`default`, a folder, `package:NAME` or a hub id.")
    ] = "default",
    tune: Annotated[Tune, typer.Option(help="What learns beside the head.")] = "none",
    few_shot: Annotated[
        int | None, typer.Option(min=2, help="Learn from at most so many texts of each label.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Times that tuning sees each text, at most.")] = 10,
    rate: Annotated[float, typer.Option(help="Learning rate of tuning.")] = 5e-5,
    contrast: Annotated[float, typer.Option(help="Weight of the contrastive loss; for few texts: 1.")] = 0.0,
    refuse: Annotated[
        float, typer.Option(help="Share of texts that belong to the task and may be refused, at most.")
    ] = 0.04,
    track: options.Tracks = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
) -> None:
    """Learn a task from texts with labels; says how it does on a part that is held out."""
    settings = ClassifierSettings(
        kind=kind, tune=tune, epochs=epochs, rate=rate, contrast=contrast, refuse=refuse, seed=seed
    )
    check_own_folder(out, TASK, ModelError)
    logs, told = trackers(track or []), {**asdict(settings), "data": str(data), "encoder": encoder}
    columns = ExampleColumns(text, label, split, entity, None, separator)
    examples = read_training_part(data, columns, kind, few_shot, seed)
    with tracked(logs, told), progress_bars() as progress:
        model = options.load_encoder(encoder, progress)
        task = TextClassifier.fit(
            examples.texts, examples.labels, model, settings, progress, examples.entities, VectorStore()
        )
        _log(logs, task.about)
    task.save(out)
    typer.echo(f"{out}: {len(task.labels):,} labels from {len(examples):,} texts")
    _show("held out", task.about["held_out"])


@app.command()
def train_together(
    tasks: Annotated[
        Path, typer.Argument(metavar="FILE", help="TOML with a table for each task: docs/tasks.md.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the encoder and, in it, the folder of each task.")],
    encoder: Annotated[str, typer.Option(help="As of `train`.")] = "default",
    tune: Annotated[Literal["full", "lora"], typer.Option(help="What learns beside the heads.")] = "full",
    epochs: Annotated[int, typer.Option(min=1, help="Times that tuning sees each text, at most.")] = 10,
    rate: Annotated[float, typer.Option(help="Learning rate of tuning.")] = 5e-5,
    contrast: Annotated[float, typer.Option(help="Weight of the contrastive loss; for few texts: 1.")] = 0.0,
    device: options.Device = "auto",
    seed: options.Seed = 0,
) -> None:
    """Tune one encoder on several tasks, each with a head of its own."""
    settings = ClassifierSettings(tune=tune, epochs=epochs, rate=rate, contrast=contrast, seed=seed)
    check_own_folder(out, TOGETHER, ModelError)
    given = read_task_list(tasks, seed)
    with progress_bars() as progress:
        model = options.load_encoder(encoder, progress)
        fitted = TextClassifier.fit_together([*given.values()], model, settings, progress, VectorStore())
    save_together(out, dict(zip(given, fitted, strict=True)))
    for name, task in zip(given, fitted, strict=True):
        typer.echo(f"{out / name}: {len(task.labels):,} labels from {len(given[name].texts):,} texts")
        _show("held out", task.about["held_out"])


@app.command()
def evaluate(
    task: Task,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for metrics.json and confusion.svg.")],
    text: Text = "text",
    label: Label = "label",
    split: Split = None,
    entity: Entity = None,
    separator: Separator = None,
    outside: Annotated[
        str | None, typer.Option(help="Label of texts that belong to none of the task's.")
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Measure a task on texts with labels that it did not learn from."""
    check_room_for_report(out)
    examples = read_part(data, ExampleColumns(text, label, split, entity, None, separator), TEST)
    classifier = TextClassifier.load(task)
    with naming(data):
        found = evaluate_task(classifier, examples, outside)
    _write_evaluation(found, out)
    _show(f"{len(found.truth):,} texts", found.metrics)


@app.command()
def predict(
    task: Task,
    data: Annotated[
        str, typer.Argument(metavar="FILE", help="Table of texts; `-` reads JSON Lines from the input.")
    ] = "-",
    text: Text = "text",
    entity: Entity = None,
    top: Annotated[int, typer.Option(min=1, help="Labels of each text, the likeliest first.")] = 3,
    out: Annotated[Path | None, typer.Option(help="File for the answers; else they are printed.")] = None,
    device: options.Device = "auto",
) -> None:
    """Label texts; writes one JSON object a line."""
    columns, classifier = ExampleColumns(text, None, None, entity), TextClassifier.load(task)
    if data == "-":
        examples = Examples.from_frame(_from_input(), columns, "standard input")
    else:
        examples = Examples.read(Path(data), columns)
    rows = _answers(classifier, examples, top)
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    if out is None:
        typer.echo(lines, nl=False)
        return
    try:
        with written_file(out) as new:
            new.write_text(lines, encoding="utf-8")
    except OSError as why:
        raise RequestError(f"{out}: can't be written ({why.strerror or why}): name another file") from None


def _answers(classifier: TextClassifier, examples: Examples, top: int) -> Iterator[dict[str, Any]]:
    """Give what is said of each text."""
    found = classifier.predict(examples.texts, examples.entities)
    for row, (text, likeliest) in enumerate(zip(examples.texts, found.likeliest(top), strict=True)):
        entity = {} if examples.entities is None else {"entity": examples.entities[row]}
        yield {
            "text": text,
            **entity,
            "labels": [{"label": label, "chance": round(chance, 6)} for label, chance in likeliest],
            "refused": found.refused is not None and bool(found.refused[row]),
        }


def _from_input() -> pl.DataFrame:
    """Read JSON Lines from the standard input."""
    content = sys.stdin.buffer.read().removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        raise DataError('standard input: nothing to read: give lines such as {"text": "my card is lost"}')
    try:
        return pl.read_ndjson(checked_json_lines(content, (), keep_nested=False), infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError) as why:
        raise DataError(f"standard input: {first_line(why)}: write one JSON object a line") from None


def _write_evaluation(found: TaskEvaluation, out: Path) -> None:
    """Write metrics and, if each text has one label, the confusion matrix."""
    try:
        with written_file(out / "metrics.json") as new:
            contents = {"texts": len(found.truth), **found.metrics, "labels": found.by_label()}
            new.write_text(json.dumps(contents, indent=1), encoding="utf-8")
        if found.exclusive:
            with written_file(out / "confusion.svg") as new:
                found.plot(new)
    except OSError as why:
        raise RequestError(f"{out}: can't be written ({why.strerror or why}): name another folder") from None


def _log(logs: Sequence[Tracker], about: Mapping[str, Any]) -> None:
    """Log the losses that the epoch was chosen by, and what was measured on texts that were held out."""
    losses = about.get("losses", [])
    for tracker in logs:
        for epoch, loss in enumerate(losses):
            tracker.log(epoch, {"held out loss": loss})
        tracker.log(len(losses), {f"held out {name}": value for name, value in about["held_out"].items()})


def _show(what: str, metrics: dict[str, float]) -> None:
    shown = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    typer.echo(f"{what}: {shown}")

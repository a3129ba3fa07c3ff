"""`tailrank transcribe`: what is said in sounds and films becomes one more text of their items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from tailrank.cli import options
from tailrank.cli.added_text import how_to_measure
from tailrank.cli.progress import progress_bars
from tailrank.data.added_columns import check_addable
from tailrank.data.buckets import is_bucket
from tailrank.data.cache import cache_root
from tailrank.data.copying import copy_with_items
from tailrank.data.imports.tables import check_free
from tailrank.errors import DataError, RequestError
from tailrank.language.kept_answers import KeptAnswers
from tailrank.language.media import named_files
from tailrank.language.speech import SpeechRecognizer
from tailrank.language.text import default_template
from tailrank.language.transcripts import COLUMNS, TEXT, Transcriber, lacking, with_transcripts
from tailrank.reporting import step


def transcribe(
    data: options.Data,
    column: Annotated[str, typer.Option(help="Of items: paths of sounds or films, from the data folder.")],
    recognizer: Annotated[str, typer.Option(help="Folder with a Whisper in CTranslate2's format.")],
    out: Annotated[Path, typer.Option(help="Data folder to write: the same, with more columns of items.")],
    seconds: Annotated[
        float, typer.Option(min=1, help="Of each file that are listened to, at most.")
    ] = 120.0,
    language: Annotated[
        str | None, typer.Option(help="That is spoken, such as en; else the one that is heard.")
    ] = None,
) -> None:
    """Write down what is said in sounds and films, as a text of their items; an interrupted run goes on."""
    check_free(out)
    if is_bucket(data):
        raise RequestError(f"{data}: of a bucket only tables are read: copy the folder with its files here")
    folder = options.data_folder(data)
    items = options.load(data).items
    check_addable(items, COLUMNS)
    keys, named = named_files(items, column, folder)
    keys = lacking(items, keys)
    files = {key: named[key] for key in dict.fromkeys(keys) if key}
    with progress_bars() as progress, step(progress, f"loading {recognizer}"):
        hears = SpeechRecognizer.load(recognizer)
        hears.check_language(language)
    kept = KeptAnswers(cache_root() / "transcripts" / f"{hears.sha256[:12]}.jsonl")
    transcriber = Transcriber(hears, kept, seconds, language)
    with progress_bars() as progress:
        left = transcriber.seconds_left(files, progress)
    typer.echo(
        f"{len(files):,} files, {left / 60:,.1f} min of sound to listen to, {seconds:g} s of a file at most",
        err=True,
    )
    with progress_bars() as progress:
        found = {"": "", **transcriber.transcripts(files, progress)}
    written = with_transcripts(items, [found[key] for key in keys], hears.identity, column)
    with progress_bars() as progress, step(progress, f"writing {out}"):
        copy_with_items(folder, out, written)
    typer.echo(_summary(out, len(items), written[TEXT].count(), sum(not found[key] for key in files)))
    typer.echo(_next_steps(out, items))


def _summary(out: Path, items: int, spoken: int, silent: int) -> str:
    said = f"{out}: {spoken:,} of {items:,} items have a transcript"
    return f"{said}; in {silent:,} files nothing was understood" if silent else said


def _next_steps(out: Path, items: pl.DataFrame) -> str:
    """Say how to find out whether it is worth anything."""
    try:
        template = default_template(items)
    except DataError:  # there is no other text
        return f"no template reads it yet:\n  tailrank train --data {out} --template '{{{TEXT}}}' --out model"
    return how_to_measure(out, template, f"{template}. {{{TEXT}}}")

"""Options and preparations that several commands share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tailrank.api import Language
from tailrank.cli.progress import progress_bars
from tailrank.data.bad_rows import BadRows
from tailrank.data.buckets import copy_folder, is_bucket
from tailrank.data.dataset import Dataset
from tailrank.data.public import PUBLIC, fetch
from tailrank.data.readers import AS_IS
from tailrank.data.reading import Reading, column_names
from tailrank.devices import use_device
from tailrank.errors import DataError, RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.policy.file import PolicyFile, read_policies
from tailrank.ranking.phrasebook import Phrasebook
from tailrank.reporting import Progress, step
from tailrank.scale.on_ray import checked_place

Data = Annotated[
    str, typer.Option(help="Data folder, also as s3://BUCKET/FOLDER, or the name of a public data set.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=COLUMN",
        help="Read a column from one of another name: user_id=userId; may be repeated. See docs/data.md.",
    ),
]
DropBad = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Leave out rows of items and events that break the contract, and write them with the reason to "
        "this CSV.",
    ),
]
Encoder = Annotated[
    str, typer.Option(help="`default`, a folder, `package:NAME`, a hub id, or `none` to do without.")
]
Template = Annotated[
    str | None, typer.Option(help="Text of an item, such as '{title}. {genres}'; else its text columns.")
]
MaxHistory = Annotated[int, typer.Option(min=1, help="Latest events of a user that a ranking reads.")]
SequenceEpochs = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Train a sequence model for at most this many epochs, 0: none. By default one is tried if time "
        "and data are enough, and kept if it pays.",
        show_default=False,
    ),
]
Minutes = Annotated[float, typer.Option(min=0, help="That trying a sequence model may take.")]
Fast = Annotated[bool, typer.Option("--fast", help="Try no sequence model: --sequence-epochs 0.")]
TailCost = Annotated[float, typer.Option(min=0, max=1, help="Share of ndcg@10 to give up for the tail.")]
NewCost = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of it to give up for items without events."),
]
Debias = Annotated[
    float, typer.Option(min=0, max=1, help="Power of popularity that training corrects for, such as 0.25.")
]
TunedEncoder = Annotated[
    str | None,
    typer.Option("--tuned", help="Folder of a fine-tuned encoder: its vectors become a signal of their own."),
]
Policies = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help=r"Steps after all others, [\[policy]] and [\[rule]]: docs/rules.md."),
]
Context = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="What rules may go by: market=de; may be repeated."),
]
Writer = Annotated[
    str,
    typer.Option(
        help="Generative model: a folder, or the URL of an endpoint, whose key is in TAILRANK_MODEL_KEY."
    ),
]
Phrasing = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Say reasons in the words of `tailrank rephrase`, if it has some."),
]
On = Annotated[
    str | None,
    typer.Option(
        callback=lambda given: None if given is None else checked_place(given),
        metavar="ray",
        help="Work on all processors by Ray, or on those of its cluster at ray://HOST:PORT.",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(metavar="4GB", help="Count pairs of items in so much memory, with the same result."),
]
Seed = Annotated[int, typer.Option(help="Seed of every sample.")]


def _use_device(name: str) -> str:
    use_device(name)
    return name


Tracks = Annotated[
    list[str] | None,
    typer.Option("--track", help="Log losses and metrics: tensorboard=FOLDER, mlflow=FOLDER, wandb=FOLDER."),
]
Device = Annotated[
    str,
    typer.Option(callback=_use_device, help="What encodes and trains: cpu, cuda, mps, …; `auto`: the best."),
]


def reading(columns: list[str] | None) -> Reading:
    """Read `--map`; what is recognised in the files goes to the error stream."""
    return Reading(column_names(columns or []), partial(typer.echo, err=True))


def load(data: str, how: Reading = AS_IS, drop_bad: Path | None = None) -> Dataset:
    """Read a data folder, as `data_folder` finds it; rows that break the contract may go to a file."""
    folder, bad_rows = data_folder(data), None if drop_bad is None else BadRows()
    with progress_bars() as progress, step(progress, f"reading {data}"), named(data, folder):
        dataset = Dataset.load(folder, replace(how, bad_rows=bad_rows))
    if drop_bad is not None and bad_rows is not None:
        bad_rows.write(drop_bad)
    return dataset


def policies(file: Path | None) -> PolicyFile:
    """Read `--policies`; no steps without it."""
    return PolicyFile() if file is None else read_policies(file)


def phrasebook(file: Path | None, language: Language = "en") -> Phrasebook | None:
    """Read `--phrasing`.

    Raises
    ------
    RequestError
        If sentences are asked for in a language other than English.
    """
    if file is not None and language != "en":
        raise RequestError(f"--phrasing holds English sentences, so leave it out, or --language {language}")
    return None if file is None else Phrasebook.load(file)


def context(given: list[str]) -> dict[str, str]:
    """Read `--context`.

    Raises
    ------
    RequestError
        On one without a name.
    """
    pairs = [text.partition("=") for text in given]
    if not all(name and equals for name, equals, _ in pairs):
        raise RequestError("--context: give a name and a value: --context market=de")
    return {name: value for name, _, value in pairs}


@contextmanager
def named(data: str, folder: Path) -> Iterator[None]:
    """Call the copy of a data folder by where it was copied from, in what is wrong with it."""
    try:
        yield
    except DataError as why:
        if not is_bucket(data):
            raise
        raise DataError(str(why).replace(str(folder), data)) from None


def data_folder(data: str) -> Path:
    """Find a data folder; one in a bucket is copied, and so is a public set unless a folder has its name."""
    if is_bucket(data):
        with progress_bars() as progress:
            return copy_folder(data, progress)
    if data not in PUBLIC or Path(data).exists():
        return Path(data)
    with progress_bars() as progress:
        return fetch(data, progress=progress)


def load_encoder(name: str, progress: Progress) -> TextEncoder:
    """Load an encoder; most of the time goes into importing torch."""
    with step(progress, f"loading encoder {name}"):
        return TextEncoder.load(name)


def sequence_epochs(given: int | None, fast: bool) -> int | None:
    """Read `--sequence-epochs` and `--fast`.

    Raises
    ------
    RequestError
        If they contradict each other.
    """
    if fast and given:
        raise RequestError(f"--fast trains no sequence model, --sequence-epochs {given} does: leave one out")
    return 0 if fast else given


def sequence_outcome(about: Mapping[str, Any]) -> str:
    """Say what came of the sequence model, as fitting notes it."""
    found = about["sequence"]
    trained = f"{found['epochs']} epochs, " if found["epochs"] else ""
    return f"sequence model: {trained}{'kept' if found['kept'] else 'left out'}: {found['why']}"


def comma_separated(text: str) -> list[str]:
    """Split `a, b,c` into its parts, without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def ids(joined: str | None, each: list[str] | None, option: str, option_of_one: str) -> list[str] | None:
    """Take ids from an option that joins them by commas, or from one that is repeated; None without any.

    Raises
    ------
    RequestError
        If both are given, because their order would be unclear, or an id is empty.
    """
    if joined is not None and each:
        raise RequestError(f"give either {option} a,b,c or {option_of_one} ID for each, not both")
    if not all(map(str.strip, each or [])):
        raise RequestError(f"{option_of_one} is empty: give an id, or leave the option out")
    return each or (None if joined is None else comma_separated(joined))


def location(context: typer.Context, param: typer.CallbackParam, given: str | None) -> str | None:
    """Read where a server is, or a folder: as it is given, or from the file that `@FILE` names.

    Raises
    ------
    RequestError
        If the file can't be read, or doesn't hold one line.
    """
    option = f"--{param.name}"
    if given is None or not given.startswith("@"):
        source = context.get_parameter_source(param.name or "")
        if given and source is not None and source.name == "COMMANDLINE" and re.search("://.*@", given):
            remedy = f"give {option} @FILE" + (f", or set {param.envvar}" if param.envvar else "")
            typer.echo(
                f"warning: others on this machine can see the password in {option}: {remedy}", err=True
            )
        return given
    try:
        lines = Path(given[1:]).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as why:
        raise RequestError(f"{option} {given}: can't be read ({why})") from None
    found = [line.strip() for line in lines if line.strip()]
    if len(found) != 1:
        raise RequestError(f"{option} {given}: write one line into it, such as redis://:PASSWORD@HOST:6379/0")
    return found[0]


def is_state(location: str) -> bool:
    """Whether a location is that of a server's state, not a data folder."""
    return ("://" in location and not is_bucket(location)) or Path(location, "data.mdb").exists()

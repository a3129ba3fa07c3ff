"""`tailrank support`: a desk that answers what it is sure of, and hands the rest over."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.errors import ModelError, RequestError, first_line
from tailrank.folders import DESK, check_own_folder
from tailrank.language.store import VectorStore
from tailrank.tasks.support.desk import Answer
from tailrank.tasks.support.entries import read_asked, read_entries
from tailrank.tasks.support.evaluation import evaluate as measured
from tailrank.tasks.support.feedback_log import Feedback, FeedbackLog, beside
from tailrank.tasks.support.fitting import fit_desk
from tailrank.tasks.support.folder import read_desk, write_desk
from tailrank.tasks.support.guarantee import Guarantee
from tailrank.tasks.support.live_desk import LiveDesk
from tailrank.tasks.support.settings import DeskSettings
from tailrank.tasks.support.suggestions import suggested_entries

app = typer.Typer(
    no_args_is_help=True, help="Answer customers from a FAQ, and hand over what is unclear: docs/support.md."
)
Desk = Annotated[Path, typer.Argument(metavar="FOLDER", help="What `tailrank support train` wrote.")]
FeedbackFolder = Annotated[
    Path | None,
    typer.Option("--feedback", help="Folder of what became of answers; else FOLDER-feedback."),
]


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the questions that `ask` reads."""

    question: str
    history: list[str] = []
    turns: list[str] = []
    facts: dict[str, str] = {}


@app.command()
def train(
    faq: Annotated[Path, typer.Argument(help="Table of question and answer or answers: docs/support.md.")],
    out: Annotated[Path, typer.Option(help="Folder for the desk.")],
    asked: Annotated[
        Path | None,
        typer.Option(help="Table of asked questions with their intent; else rephrasings are set aside."),
    ] = None,
    wrong: Annotated[float, typer.Option(help="Share of answers that may be wrong.")] = 0.05,
    confidence: Annotated[float, typer.Option(help="Of that promise.")] = 0.9,
    unanswered: Annotated[
        float, typer.Option(help="Share of questions to expect that no entry answers, without --asked.")
    ] = 0.1,
    slot: Annotated[
        list[str] | None, typer.Option(help="Name in braces that answers have a fact in place of.")
    ] = None,
    encoder: Annotated[str, typer.Option(help="As of `tailrank train`.")] = "default",
    device: options.Device = "auto",
    seed: options.Seed = 0,
) -> None:
    """Make a desk of a FAQ or of past questions and answers; says what it promises."""
    check_own_folder(out, DESK, ModelError)
    entries = read_entries(faq)
    known = () if asked is None else read_asked(asked, entries)
    given = {"wrong": wrong, "confidence": confidence, "unanswered": unanswered, "seed": seed}
    try:
        settings = msgspec.convert({**given, "slots": slot or []}, DeskSettings)
    except msgspec.ValidationError as why:
        what, _, where = str(why).partition(" - at `$.")
        raise RequestError(f"{where.rstrip('`')}: {what}") from None
    for name in settings.slots:
        if not any(f"{{{name}}}" in answer for entry in entries for answer in entry.answers):
            raise RequestError(
                f"--slot {name}: no answer of {faq} has {{{name}}}: write it where the fact goes"
            )
    with progress_bars() as progress:
        model = options.load_encoder(encoder, progress)
        desk = fit_desk(entries, model, settings, known, VectorStore(), progress)
    write_desk(desk, out)
    typer.echo(f"{out}: {len(entries):,} entries, {len(desk.likeness.phrasings.texts):,} phrasings")
    typer.echo(promise(desk.guarantee))


@app.command()
def ask(
    folder: Desk,
    question: Annotated[
        str | None, typer.Argument(help="Else those that you type, or JSON Lines of the input.")
    ] = None,
    looked_at: Annotated[
        list[str] | None, typer.Option(help="What the customer looked at, oldest first: texts or intents.")
    ] = None,
    turn: Annotated[list[str] | None, typer.Option(help="What was asked before, oldest first.")] = None,
    fact: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="For a slot of an answer.")
    ] = None,
    feedback: FeedbackFolder = None,
) -> None:
    """Ask a desk."""
    facts, desk = dict(map(_fact, fact or [])), LiveDesk(folder, feedback)
    if question is not None:
        _show(desk.answer(question, looked_at or [], turn or [], facts))
    elif sys.stdin.isatty():
        _talk(desk, looked_at or [], facts)
    else:
        for said in _answers(desk, facts):
            typer.echo(msgspec.json.encode(said).decode())


@app.command()
def evaluate(
    folder: Desk,
    asked: Annotated[Path, typer.Argument(help="Table of question and intent, empty if no entry answers.")],
) -> None:
    """Measure a desk on asked questions that it doesn't know."""
    desk = read_desk(folder)
    found = measured(desk, read_asked(asked, desk.entries))
    typer.echo(f"{found.questions:,} questions, {found.unanswerable:,} of which no entry answers")
    typer.echo(f"mrr {found.mrr:.4f}, the right entry first {found.right_first:.4f}")
    share = f" ({found.wrong / found.answered:.1%})" if found.answered else ""
    typer.echo(f"{found.answered:,} answered, {found.wrong:,} wrongly{share}")
    typer.echo(f"{found.asked:,} asked back, {found.asked_rightly:,} with the right entry")
    typer.echo(f"{found.handed_over:,} handed over")


@app.command()
def suggest(
    folder: Desk,
    fewest: Annotated[int, typer.Option(min=2, help="Questions that make a suggestion.")] = 3,
    feedback: FeedbackFolder = None,
) -> None:
    """List entries that are missing, from the questions that were handed over."""
    desk, log = read_desk(folder), FeedbackLog(feedback or beside(folder))
    texts = [each.question for each in log.read() if each.verdict == "unanswered"]
    found = suggested_entries(texts, desk.encoder, fewest)
    for one in found:
        typer.echo("\n  also: ".join(one.questions))
    typer.echo(f"{len(found):,} suggestions from {len(texts):,} unanswered questions", err=True)


def promise(found: Guarantee) -> str:
    """Say what a desk promises."""
    share = f"at most {found.wrong:.1%} of answers wrong, with confidence {found.confidence:.0%}"
    if not found.ever_answers:
        return (
            f"it never answers: at no chance are {share}, on {found.questions:,} questions. Give more "
            "questions or rephrasings, or promise less"
        )
    return (
        f"{share}: it answers if the chance is {found.threshold:.3f} or more; of {found.questions:,} test "
        f"questions it answered {found.answered:,}, {found.mistakes:,} of them wrongly"
    )


def as_json(found: Answer) -> dict[str, object]:
    """Describe an answer."""
    ranked = [
        {"intent": match.entry.intent, "question": match.entry.question, "chance": match.chance}
        for match in found.ranked
    ]
    return {"decision": found.decision, "text": found.text, "read": found.read, "ranked": ranked}


def _show(found: Answer) -> None:
    typer.echo(f"{found.decision}: {found.text}")
    for match in found.ranked:
        typer.echo(f"  {match.chance:.3f}  {match.entry.question}")


def _talk(desk: LiveDesk, looked_at: list[str], facts: dict[str, str]) -> None:
    """Answer what is typed, and learn from what is said of it, until the input ends."""
    turns = list[str]()
    while question := typer.prompt("question (empty to end)", default="", show_default=False).strip():
        found = desk.answer(question, looked_at, turns, facts)
        _show(found)
        turns.append(question)
        if found.decision == "answer":
            intent, helped = found.ranked[0].entry.intent, typer.confirm("did that help?")
            desk.give(Feedback(found.read, "accepted" if helped else "rejected", intent))
        elif found.decision == "ask":
            meant = typer.prompt("1, 2, or 0 for neither", type=int, default=0)
            if meant in (1, 2):
                intent = found.ranked[meant - 1].entry.intent
                typer.echo(desk.desk.answer_of(intent, facts))
                desk.give(Feedback(found.read, "accepted", intent))


def _answers(desk: LiveDesk, facts: dict[str, str]) -> Iterator[dict[str, object]]:
    """Answer the lines of the input; one that can't be gets the reason, and costs no other."""
    decoder = msgspec.json.Decoder(Asked)
    for number, line in enumerate(sys.stdin.buffer, 1):
        if line.strip():
            try:
                asked = decoder.decode(line)
                found = desk.answer(asked.question, asked.history, asked.turns, {**facts, **asked.facts})
                yield as_json(found)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RequestError) as why:
                yield {"error": f"line {number}: {first_line(why)}"}


def _fact(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise RequestError(f"--fact {given}: write a name and a value, such as order=A-17")
    return name, value

"""`tailrank train` and `tailrank rank`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.api import Language
from tailrank.cli import options
from tailrank.cli.anomalies import FOUND, LeaveOut, leave_out_users
from tailrank.cli.asked import asked_history, asked_scores
from tailrank.cli.counting import Counting
from tailrank.cli.explained import not_rephrased, ranking_as_json, told_of, write_page
from tailrank.cli.from_log import scored_lists
from tailrank.cli.progress import one_voice, progress_bars
from tailrank.cli.retrain import learned_from
from tailrank.cli.spaces import Spaces, column_spaces, vector_spaces
from tailrank.cli.texts import about_texts
from tailrank.data.dataset import Dataset
from tailrank.data.lists import Lists
from tailrank.data.readers import table_files
from tailrank.data.reading import Reading
from tailrank.data.schema import IMPRESSIONS
from tailrank.errors import RequestError
from tailrank.evaluation.list_checks import doubts
from tailrank.evaluation.own_lists import check_lists, with_upstream
from tailrank.language.vectors import ItemVectors
from tailrank.machine import machine
from tailrank.policy.registry import described
from tailrank.policy.tail import TailBoost
from tailrank.ranking.reasons import titles_of
from tailrank.ranking.registry import publish
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.ranking.storage import check_place
from tailrank.ranking.text_events import TextEvent
from tailrank.reporting import step
from tailrank.signals.training_data import checkpoint_files

EXPLAINED: Final = (
    "Scores are log-odds. list mean is the mean score of the candidates; each other part is how much more "
    "of it an item has than they have on average. base is for how often an item was chosen, whatever the "
    "history."
)


def train(
    data: options.Data,
    out: Annotated[Path, typer.Option(help="Model folder to write; one that is there is replaced.")],
    minutes: options.Minutes = 15.0,
    fast: options.Fast = False,
    sequence_epochs: options.SequenceEpochs = None,
    tail_cost: options.TailCost = 0.01,
    new_cost: options.NewCost = 0.01,
    debias: options.Debias = 0.0,
    encoder: options.Encoder = "default",
    template: options.Template = None,
    tuned: options.TunedEncoder = None,
    space: Spaces = None,
    max_history: options.MaxHistory = 50,
    seed: options.Seed = 0,
    columns: options.Columns = None,
    device: options.Device = "auto",
    drop_bad: options.DropBad = None,
    from_log: Annotated[
        Path | None,
        typer.Option(
            help="Log of `tailrank serve --log-impressions`: learn from it how much scores of requests count."
        ),
    ] = None,
    leave_out: LeaveOut = FOUND,
    memory: options.Memory = None,
    on: options.On = None,
) -> None:
    """Fit a model on all events of a data folder; an interrupted training of the sequence model goes on."""
    check_place(out)
    epochs = options.sequence_epochs(sequence_epochs, fast)
    how = options.reading(columns)
    counts = Counting.asked(memory, on, out)
    settings = Settings(
        template=template,
        max_history=max_history,
        seed=seed,
        sequence_epochs=epochs,
        minutes=minutes,
        tail_cost=tail_cost,
        new_cost=new_cost,
        debias=debias,
    )
    checkpoint = None if settings.sequence_epochs == 0 else out.parent / f"{out.name}.checkpoint"
    with one_voice() as processes:
        if on is not None and processes.size > 1:
            raise RequestError(f"--on {on}: torchrun shares the work already: leave one of them out")
        with processes.first_alone():
            dataset = leave_out_users(options.load(data, how, drop_bad), leave_out)
            counts.check(dataset)
            typer.echo(about_texts(dataset.items, template, encoder), err=True)
            columned = column_spaces(dataset, space, data)
            spaces = vector_spaces(dataset, encoder, template, tuned) | columned
        lists = _scored_impressions(data, how) if from_log is None else _logged(from_log)
        if lists is not None:
            check_lists(lists, dataset, settings.seed)
            for doubt in doubts(lists, dataset):
                typer.echo(f"warning: {doubt}", err=True)
        typer.echo(_plan(dataset, spaces, settings), err=True)
        with progress_bars() as progress, counts.ready(progress) as (counting, run):
            reranker = Reranker.fit(dataset, spaces, settings, progress, checkpoint, counting, run)
            if processes.rank:
                return
            if lists is not None:
                reranker = with_upstream(reranker, lists, dataset, spaces, progress)
            data_set = learned_from(dataset) | {"leave_out": leave_out}
            measured = {"metrics": {"validation_loss": reranker.fusion.loss}}
            with step(progress, f"writing {out}"):
                publish(reranker, out, dict(reranker.about) | data_set | machine() | measured)
    for file in () if checkpoint is None else checkpoint_files(checkpoint):
        file.unlink(missing_ok=True)
    typer.echo(
        f"{out}: {dataset.n_items:,} items, learned from {len(dataset.histories.items):,} events "
        f"of {dataset.n_users:,} users; signals: {', '.join(reranker.fusion.signals)}; "
        f"tail emphasis: {reranker.fusion.tail_emphasis:g}; new items: +{reranker.fusion.new_lift:g}; "
        f"policy: {_policy(reranker)}\n"
        f"{options.sequence_outcome(reranker.about)}"
    )
    if lists is not None:
        learned = reranker.upstream.items()
        weights = ", ".join(f"{name or 'unnamed'} {weight:+.2f}" for name, weight in learned)
        typer.echo(f"weights of upstream scores, learned from {lists.name}: {weights}")
    counts.report()


def rank(
    model: Annotated[Path, typer.Option(help="Model folder.")],
    candidates: Annotated[
        str | None, typer.Option(help="Item ids in their present order: a,b,c.", show_default=False)
    ] = None,
    candidate: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="One of them, commas and all; may be repeated.")
    ] = None,
    history: Annotated[str | None, typer.Option(help="Item ids, oldest first: a,b; may be empty.")] = None,
    history_item: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="One of them, commas and all; may be repeated.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Whose history to read from --state.")] = None,
    state: Annotated[
        str | None,
        typer.Option(
            callback=options.location,
            help="Where the user's events are: a data folder, or a server's state; @FILE: what it says.",
        ),
    ] = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(help="The recommender's own scores: 0.9,0.7,0.1. Of several, each by name: als=0.9,…"),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", help="Length of the list; else all.")] = None,
    tail: Annotated[
        float | None, typer.Option(min=0, max=1, help="Strength of the tail policy; else the model's own.")
    ] = None,
    policies: options.Policies = None,
    context: options.Context = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="SIGNAL,…", help="Leave the parts of these out of the scores; may be repeated."),
    ] = None,
    say: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="What the user wants now, in words; needs the encoder; may be repeated."
        ),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what sets each item apart.")] = False,
    language: Annotated[Language, typer.Option(help="Of the sentences that say so.")] = "en",
    phrasing: options.Phrasing = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Page to write that explains the ranking; with -k, also which events it hangs on."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, as POST /v1/rank answers.")
    ] = False,
) -> None:
    """Rank candidates for one user."""
    ids = options.ids(candidates, candidate, "--candidates", "--candidate")
    past, own = options.ids(history, history_item, "--history", "--history-item"), asked_scores(scores or [])
    if not ids:
        raise RequestError("--candidates names no item: give ids as a,b,c, or --candidate ID for each")
    why, book = explain or html is not None, options.phrasebook(phrasing, language)
    if not why and (book is not None or language != "en"):
        raise RequestError("--language and --phrasing say how reasons read: give --explain, too")
    standing, known = options.policies(policies).steps, options.context(context or [])
    with progress_bars() as progress, step(progress, f"reading {model}"):
        reranker = Reranker.load(model).with_standing(standing)
    policy = None if tail is None else (TailBoost(tail),)
    request = Request(
        asked_history(past, user, state),
        ids,
        own,
        policy,
        k,
        why,
        context=known,
        without=[name.strip() for names in without or () for name in names.split(",")],
        texts=[TextEvent.encode(text, reranker.spaces) for text in say or ()],
    )
    ranking = reranker.rank(request)
    found = reranker.explained(request, ranking) if why else []
    events = found[0].events if found else ()
    titles = titles_of(reranker.catalogue, [*ranking.item_ids, *events])
    if html is not None:
        write_page(html, reranker, request, ranking, found, titles, language)
    if as_json:
        typer.echo(ranking_as_json(ranking, found, titles, language, book))
        return
    table = Table("rank", "was", "item", "title", "score", box=SIMPLE_HEAD)
    for item, one in zip_longest(ranking, found if explain else ()):
        told = [titles[item.item_id] if item.known else "(not in the model)"]
        told += [] if one is None else told_of(one, titles, language, book)
        ranks, score = (str(item.rank), str(item.previous_rank)), f"{item.score:.3f}"
        table.add_row(*ranks, escape(item.item_id), escape("\n".join(told)), score, end_section=explain)
    console = Console()
    console.print(table)
    if explain:
        console.print(EXPLAINED)
        if book is not None:
            console.print(escape(not_rephrased(found, book)))
    if ranking.unknown_history:
        unknown = escape(", ".join(ranking.unknown_history))
        console.print(f"not in the model, so left out of the history: {unknown}")
    for name, reason in ranking.removed.items():
        console.print(f"left out: {escape(name)} ({escape(reason)})")


def _scored_impressions(data: str, reading: Reading) -> Lists | None:
    """Read the impressions of a data folder, if it has any that hold scores."""
    folder = options.data_folder(data)
    if not table_files(folder, IMPRESSIONS.name):
        return None
    lists = Lists.impressions(folder, reading)
    return lists if lists.scores else None


def _logged(log: Path) -> Lists:
    lists = scored_lists(log)
    if lists is None:
        raise RequestError(f"--from-log {log}: no request brought scores, so there is nothing to learn from")
    return lists


def _plan(dataset: Dataset, spaces: Mapping[str, ItemVectors], settings: Settings) -> str:
    """Say what is about to be fitted, and how long it may take."""
    within = f"takes no more than {settings.minutes:g} min (--minutes; --fast: none)"
    sequence = {None: f"a sequence model, if it pays and {within}", 0: "no sequence model (--fast)"}.get(
        settings.sequence_epochs, f"a sequence model of up to {settings.sequence_epochs} epochs"
    )
    tuned = "a tuned encoder" if "tuned" in spaces else "no tuned encoder (see `tailrank finetune`)"
    return (
        f"{dataset.name}: {dataset.n_items:,} items, {len(dataset.histories.items):,} events of "
        f"{dataset.n_users:,} users. Plan: signals of text and behaviour; {sequence}; {tuned}; then fusion."
    )


def _policy(reranker: Reranker) -> str:
    steps = [
        " ".join([step.pop("name"), *(f"{name} {value:g}" for name, value in step.items())])
        for step in described(reranker.policy)
    ]
    return ", ".join(steps) or "none"

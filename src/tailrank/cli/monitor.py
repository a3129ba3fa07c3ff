"""`tailrank monitor`: a stream of dated texts, and alerts if what they say surges."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tailrank.cli.monitor_options import (
    LEXICAL,
    AsJson,
    Encoder,
    File,
    Set,
    State,
    changed_settings,
    existing_state,
    vectors_by,
)
from tailrank.cli.monitor_topics import topics as topics_command
from tailrank.errors import RequestError
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.monitor.alert_log import Alert, AlertLog, moment
from tailrank.tasks.monitor.classified import Classified
from tailrank.tasks.monitor.courier import Courier, webhooks_of
from tailrank.tasks.monitor.inputs import STDIN, check_folder
from tailrank.tasks.monitor.monitor import ALERTS, Monitor
from tailrank.tasks.monitor.monitor_state import MonitorState
from tailrank.tasks.monitor.pictures import draw
from tailrank.tasks.monitor.replays import replay as replayed
from tailrank.tasks.monitor.series import Series
from tailrank.tasks.monitor.settings import MonitorSettings
from tailrank.tasks.monitor.sources import following, open_source
from tailrank.tasks.monitor.subscribers import Subscribers
from tailrank.tasks.monitor.subscriptions import (
    ExampleTopic,
    Subscription,
    read_subscriptions,
    silenced,
)
from tailrank.tasks.monitor.summaries import Vectors

app = typer.Typer(
    no_args_is_help=True,
    help="Watch a stream of dated texts, and be told if something surges: docs/monitor.md.",
)
app.command("topics")(topics_command)


@app.command()
def run(
    state: State,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|-|URL",
            help="Folder of .jsonl files, - for standard input, or valkey://HOST/0?stream=NAME.",
        ),
    ],
    given: Set = None,
    subscriptions: File = None,
    topics: Annotated[Path | None, typer.Option(help="Task folder: topics of texts without any.")] = None,
    sentiment: Annotated[Path | None, typer.Option(help="Task folder: negative, neutral, positive.")] = None,
    reasons: Annotated[Path | None, typer.Option(help="Task folder: reasons of complaints.")] = None,
    encoder: Encoder = LEXICAL,
    follow: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="SECONDS", help="Look for new lines so often, until stopped."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read what is new, count it, and raise alerts; it goes on where it ended, or was killed."""
    if source == STDIN and follow is not None:
        raise RequestError("--follow looks again; standard input is followed anyway")
    subscribed = [] if subscriptions is None else read_subscriptions(subscriptions)
    webhooks = webhooks_of(subscribed)
    vectors = vectors_by(encoder)
    if source != STDIN and "://" not in source:
        check_folder(Path(source))
    labeller = _labeller((topics, sentiment, reasons), subscribed, encoder, vectors)
    settings = changed_settings(state, given)
    monitor = Monitor.open(state, settings, labeller, vectors, _complain)
    try:
        _note_subscriptions(monitor, subscribed)
        with ExitStack() as stack, Courier(state, webhooks, _complain) as courier:
            before, told = monitor.now or 0, None
            for batch in following(open_source(source, monitor.state, stack), follow, _complain):
                _print(monitor.feed(batch), as_json)
                if monitor.now is not None and monitor.now != told:
                    _tell(monitor, Subscribers(state, subscribed, courier.add), before)
                    before = told = monitor.now
    except KeyboardInterrupt:
        pass
    finally:
        monitor.close()
    counted = ", ".join(f"{n:,} {name}" for name, n in monitor.counters.items())
    _complain(counted or f"{source}: nothing was there to read")


@app.command()
def alerts(state: State, as_json: AsJson = False) -> None:
    """List the alerts so far, the oldest first."""
    _print_all(list(AlertLog(existing_state(state) / ALERTS)), as_json)


@app.command()
def replay(
    state: State,
    given: Set = None,
    days: Annotated[int, typer.Option(min=1, help="Before the latest period.")] = 30,
    topic: Annotated[str, typer.Option(help="Of the series to draw; all without it.")] = "",
    entity: Annotated[str, typer.Option(help="Of the series to draw; all without it.")] = "",
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Picture to draw: .png or .html.")] = None,
    encoder: Encoder = LEXICAL,
    as_json: AsJson = False,
) -> None:
    """Say what would have been raised and why, with other settings perhaps; nothing is changed."""
    kept = MonitorState(state, read_only=True)
    try:
        settings = changed_settings(state, given) or MonitorSettings.from_dict(kept.note("settings", {}))
        series = Series(topic, entity) if plot or topic or entity else None
        found = replayed(kept, settings, days, series, vectors_by(encoder))
    finally:
        kept.close()
    _print_all(found.alerts, as_json)
    if plot is not None and found.trace is not None:
        draw(plot, found.trace, found.alerts)


@app.command()
def check(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="File of subscriptions.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="As it is to be.")],
    state: Annotated[Path, typer.Option(metavar="STATE", help="Whose alerts are looked at.")],
) -> None:
    """Say which alerts an edit of subscriptions would silence. Exit status 3: some."""
    log = AlertLog(existing_state(state) / ALERTS)
    found = silenced(read_subscriptions(old), read_subscriptions(new), log)
    for each in found:
        typer.echo(str(each))
    if any(each.gone for each in found):
        raise typer.Exit(3)
    typer.echo("no alert of the last 30 days would be gone")


@app.command()
def thumb(
    state: State,
    subscriber: Annotated[str, typer.Argument(metavar="NAME", help="Of a subscription.")],
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Id of an alert that it was told of.")],
    direction: Annotated[str, typer.Argument(metavar="up|down")],
    subscriptions: Annotated[Path, typer.Option(metavar="FILE", help="The subscriptions.")],
) -> None:
    """Say whether an alert was worth it: the subscriber's threshold falls or rises, within bounds."""
    if direction not in ("up", "down"):
        raise RequestError(f"{direction}: give up or down")
    subscribers = Subscribers(existing_state(state), read_subscriptions(subscriptions))
    found = subscribers.thumb(subscriber, alert, direction == "up")
    typer.echo(f"{subscriber} is told of {found.severity:g} times the expectation and more")


def _labeller(
    folders: Sequence[Path | None], subscribed: Sequence[Subscription], encoder: str, vectors: Vectors
) -> Classified | None:
    with_examples = [each for each in subscribed if each.examples]
    if with_examples and encoder == LEXICAL:
        raise RequestError("subscriptions by examples need vectors: give --encoder default")
    if not with_examples and not any(folders):
        return None
    loaded = [None if folder is None else TextClassifier.load(folder) for folder in folders]
    own = [ExampleTopic.of(each, vectors) for each in with_examples]
    return Classified(loaded[0], loaded[1], loaded[2], vectors, own)


def _complain(what: object) -> None:
    typer.echo(what, err=True)


def _note_subscriptions(monitor: Monitor, subscribed: Sequence[Subscription]) -> None:
    """Warn of alerts that an edit since the last run silences, and note how they are now."""
    before = msgspec.convert(monitor.state.note("subscriptions", []), list[Subscription])
    for each in silenced(before, subscribed, monitor.log):
        _complain(f"warning: subscription {each}")
    noted = [msgspec.structs.replace(each, webhook=None) for each in subscribed]  # a URL may be a secret
    with monitor.state.transaction():
        monitor.state.write_note("subscriptions", msgspec.to_builtins(noted))


def _tell(monitor: Monitor, subscribers: Subscribers, before: int) -> None:
    if subscribers.subscriptions and monitor.now is not None:
        for name, new in subscribers.tell(monitor.log, monitor.now, before).items():
            _complain(f"{name} is told of {len(new):,} alert{'s' * (len(new) > 1)}")


def _print_all(found: Sequence[Alert], as_json: bool) -> None:
    _print(found, as_json)
    if not found:
        _complain("no alerts")


def _print(found: Sequence[Alert], as_json: bool) -> None:
    for alert in found:
        if as_json:
            typer.echo(msgspec.json.encode(alert).decode())
            continue
        typer.echo(f"{moment(alert.until)} {alert.id} {alert.why}")
        if alert.also:
            names = "; ".join(str(Series(*one)) for one in alert.also)
            typer.echo(f"  with it: {names}")
        if alert.words:
            typer.echo(f"  words: {', '.join(alert.words)}")
        for sentence in alert.summary:
            typer.echo(f"  - {sentence}")

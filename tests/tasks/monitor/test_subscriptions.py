"""Who is told of what and when, thumbs, edits that silence, labels of texts without any, and the command."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import DataError, RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.monitor.alert_log import Alert, AlertLog
from tailrank.tasks.monitor.classified import Classified
from tailrank.tasks.monitor.stream_texts import Text
from tailrank.tasks.monitor.subscribers import Subscribers
from tailrank.tasks.monitor.subscriptions import (
    HIGHEST,
    LOWEST,
    ExampleTopic,
    Subscription,
    read_subscriptions,
    silenced,
)

HOUR, DAY = 3_600, 86_400
NOW = 20_000 * DAY
LOST = ["my bag is lost", "they lost my luggage", "where is my suitcase?", "our bags never arrived"]
OTHER = ["thanks for the great crew", "how much is a seat by the window", "hold music for two hours"]


def alert(name: str = "a", until: int = NOW, observed: float = 30.0, **values: Any) -> Alert:
    about = {"topic": "bags", "entity": "United"} | values
    return Alert(
        name,
        "volume",
        **about,
        since=until - HOUR,
        until=until,
        observed=observed,
        expected=10.0,
        texts=30,
        why="",
    )


def test_alerts_are_told_once_and_when_they_are_due(tmp_path: Path) -> None:
    wanted = [
        Subscription("now"),
        Subscription("daily", cadence="daily"),
        Subscription("delta", entities=["Delta"]),
    ]
    subscribers, found = Subscribers(tmp_path, wanted), [alert("a", NOW - HOUR), alert("old", NOW - 3 * DAY)]
    assert {name: len(new) for name, new in subscribers.tell(found, NOW - HOUR).items()} == {"now": 1}
    assert {name: len(new) for name, new in subscribers.tell(found, NOW).items()} == {"daily": 1}
    assert subscribers.tell([*found, alert("b", NOW, entity="", also=[("", "Delta")])], NOW).keys() == {
        "now",
        "daily",
        "delta",
    }


def test_a_log_is_read_beside_its_writer_and_half_a_line_goes_when_it_writes(tmp_path: Path) -> None:
    file, first, second = tmp_path / "alerts.jsonl", alert("a"), alert("b")
    AlertLog(file).append([first])
    with file.open("ab") as writer:
        writer.write(b'{"id":"b","kind":"vol')
    half = file.read_bytes()
    assert list(AlertLog(file)) == [first]
    assert file.read_bytes() == half  # its writer may be about to end that line
    assert AlertLog(file).append([first, second]) == [second]
    assert list(AlertLog(file)) == [first, second]


def test_alerts_of_days_that_were_read_at_once_are_told(tmp_path: Path) -> None:
    found = [alert("a", NOW - 9 * DAY), alert("b", NOW - 5 * DAY), alert("c", NOW)]
    told = Subscribers(tmp_path, [Subscription("ann")]).tell(found, NOW, NOW - 6 * DAY)
    assert [each.id for each in told["ann"]] == ["b", "c"]


def test_thumbs_move_a_threshold_within_bounds(tmp_path: Path) -> None:
    wanted, names = [Subscription("ann", severity=1.5)], [f"a{n}" for n in range(12)]
    Subscribers(tmp_path, wanted).tell([alert(name) for name in names], NOW)
    assert Subscribers(tmp_path, wanted).thumb("ann", "a0", is_up=False).severity == 1.875
    for name in names:
        Subscribers(tmp_path, wanted).thumb("ann", name, is_up=False)
    moved = Subscribers(tmp_path, wanted)
    assert moved.subscriptions[0].severity == HIGHEST
    assert moved.tell([alert("b")], NOW) == {}
    for name in names:
        Subscribers(tmp_path, wanted).thumb("ann", name, is_up=True)
    assert Subscribers(tmp_path, wanted).subscriptions[0].severity == LOWEST
    assert len(moved.thumbs()) == 24  # the same again is none
    with pytest.raises(RequestError, match="ann wasn't told of an alert x"):
        moved.thumb("ann", "x", is_up=True)
    with pytest.raises(RequestError, match="no subscription is called bob: there are ann"):
        moved.thumb("bob", "a0", is_up=True)


def test_a_thumb_replaces_the_former_one_and_moves_what_is_written_now(tmp_path: Path) -> None:
    Subscribers(tmp_path, [Subscription("ann")]).tell([alert("a")], NOW)
    for severity, is_up, moved in ((2.0, False, 2.5), (2.0, True, 1.6), (4.0, True, 3.2)):
        subscribers = Subscribers(tmp_path, [Subscription("ann", severity=severity)])
        assert subscribers.thumb("ann", "a", is_up=is_up).severity == moved


def test_thumbs_of_several_at_once_and_one_that_was_killed_are_all_kept(tmp_path: Path) -> None:
    names, wanted = [f"a{n}" for n in range(40)], [Subscription("ann")]
    Subscribers(tmp_path, wanted).tell([alert(name) for name in names], NOW)
    (tmp_path / "thumbs.jsonl").write_bytes(b'{"subscriber":"ann","al')  # as a killed writer leaves it
    writers = [Subscribers(tmp_path, wanted) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        each = [writers[at % 4].thumb for at in range(len(names))]
        done = [pool.submit(thumb, "ann", name, False) for thumb, name in zip(each, names, strict=True)]
    moved = sorted(found.result().severity for found in done)
    assert moved == sorted(min(round(1.25**n, 4), HIGHEST) for n in range(1, 41))
    assert {each.alert for each in Subscribers(tmp_path, wanted).thumbs()} == set(names)


def test_an_edit_says_what_it_silences() -> None:
    alerts = [
        alert("a"),
        alert("b", NOW - 29 * DAY, 15.0),
        alert("c", NOW - 31 * DAY),
        alert("d", topic="fees"),
    ]
    old = Subscription("ann", topics=["bags"])
    [found] = silenced([old], [Subscription("ann", topics=["bags"], severity=2.0)], alerts)
    assert str(found) == "ann: 1 of 2 alerts of the last 30 days would be gone"
    assert [each.gone for each in silenced([old], [], alerts)] == [2]
    assert silenced([old], [Subscription("ann")], alerts) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([{"name": "a", "topic": ["x"]}], "unknown field `topic`"),
        ([{"name": "a/b"}], r"regex|pattern"),
        ([{"name": "a", "severity": 0.5}], ">= 1"),
        ([{"name": "a"}, {"name": "a"}], "two subscriptions are called a"),
    ],
)
def test_wrong_subscriptions_are_refused(tmp_path: Path, content: object, why: str) -> None:
    (tmp_path / "s.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=why):
        read_subscriptions(tmp_path / "s.json")


def test_examples_find_texts_like_them(encoder: TextEncoder) -> None:
    topic = ExampleTopic.of(Subscription("bags", examples=LOST), encoder.encode)
    assert topic.matches(encoder.encode(["My luggage is missing", *OTHER])) == [True, False, False, False]
    with pytest.raises(DataError, match="at least three different examples"):
        ExampleTopic.of(Subscription("bags", examples=LOST[:1] * 3), encoder.encode)
    labelled = Classified(vectors=encoder.encode, examples=[topic])(
        [Text("1", "lost bag", NOW, topics=("x",))]
    )
    assert labelled[0].topics == ("subscription:bags", "x")


def test_classifiers_label_what_says_nothing(encoder: TextEncoder) -> None:
    rng = np.random.default_rng(0)
    texts = [*rng.choice(LOST, 12), *rng.choice(OTHER[:1], 12)]
    topics = TextClassifier.fit(texts, ["bags"] * 12 + ["crew"] * 12, encoder)
    mood = TextClassifier.fit(texts, ["negative"] * 12 + ["positive"] * 12, encoder)
    found = Classified(topics, mood)([Text("1", LOST[0], NOW), Text("2", OTHER[0], NOW, topics=("own",))])
    assert [(each.topics, each.sentiment) for each in found] == [
        (("bags",), "negative"),
        (("own",), "positive"),
    ]
    with pytest.raises(RequestError, match="the task of sentiments has a label 'bags': label texts negative"):
        Classified(sentiment=topics)


def call(*arguments: object, source: bytes = b"") -> Any:
    return CliRunner().invoke(app, ["monitor", *map(str, arguments)], input=source, env={"COLUMNS": "200"})


def test_the_command_from_texts_to_a_picture(tmp_path: Path) -> None:
    rng, lines = np.random.default_rng(0), ["{"]
    for hour in range(5 * 24):
        for n in range(4 + 12 * (hour in (100, 101, 102))):
            words = " ".join(f"w{word}" for word in rng.integers(0, 999, 5))
            row = {
                "id": f"{hour}-{n}",
                "text": f"lost bag {words}",
                "timestamp": NOW - 9 * DAY + hour * HOUR + n,
            }
            lines.append(json.dumps(row | {"topic": "bags"}))
    (tmp_path / "subs.json").write_text(json.dumps([{"name": "ann", "topics": ["bags"]}]))
    (tmp_path / "none.json").write_text(json.dumps([{"name": "ann", "topics": ["fees"]}]))
    state, subs = tmp_path / "state", ("--subscriptions", tmp_path / "subs.json")
    options = "--set", "watch=volume", "--set", "burn_in_days=2"
    done = call("run", state, "-", *options, *subs, source="\n".join(lines).encode())
    assert done.exit_code == 0, done.output
    assert "-, line 1: isn't JSON" in done.stderr
    assert "ann is told of 1 alert\n" in done.stderr
    [found] = [json.loads(line) for line in call("alerts", state, "--json").stdout.splitlines()]
    assert found["topic"] == "bags"
    again = call("run", state, "-", *subs, source="\n".join(lines[1:]).encode())
    assert again.stdout == ""
    gone = call("check", tmp_path / "subs.json", tmp_path / "none.json", "--state", state)
    assert (gone.exit_code, "ann: 1 of 1 alerts" in gone.stdout) == (3, True)
    assert "1.25 times" in call("thumb", state, "ann", found["id"], "down", *subs).stdout
    plots = tmp_path / "p.png", tmp_path / "p.html"
    for plot in plots:
        replayed = call("replay", state, "--topic", "bags", "--plot", plot)
        assert found["why"] in replayed.stdout
    assert plots[0].read_bytes().startswith(b"\x89PNG")
    assert found["why"] in plots[1].read_text()
    for drawn in (("--plot", plots[0]), ()):
        assert isinstance(call("replay", state, "--topic", "none", *drawn).exception, RequestError)
    assert call("replay", state, "--set", "burn_in_days=56").stderr == "no alerts\n"
    for wrong in ("period=day", "as_dict=1"):
        assert isinstance(call("run", state, tmp_path, "--set", wrong).exception, RequestError)

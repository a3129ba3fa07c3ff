"""Topics that nobody named: what is grouped, how groups are called, and which are weak signals."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.monitor.discovered import discovered_topics
from tailrank.tasks.monitor.stream_texts import Text

DAY, START = 86_400, 1_424_044_800
BAGS = ["suitcase", "bag", "luggage", "backpack", "trunk", "carousel"]
WIFI = ["wifi", "internet", "network", "hotspot", "router", "streaming"]
MEALS = ["sandwich", "coffee", "breakfast", "pasta", "snack", "dinner"]
PLACES = [
    "Denver",
    "Boston",
    "Dallas",
    "Austin",
    "Miami",
    "Newark",
    "Seattle",
    "Chicago",
    "Phoenix",
    "Atlanta",
]


def kind(text: Text) -> str:
    return text.id.partition("-")[0]


def texts() -> list[Text]:
    """Write forty texts on bags and on wifi in thirty days, and eight on meals in the last five."""
    rng, found = np.random.default_rng(0), []
    for name, words, form, n, first in (
        ("bags", BAGS, "The airline lost my {} and my {} in {}", 40, 0),
        ("wifi", WIFI, "The {} is slow and the {} keeps failing at gate {}", 40, 0),
        ("meals", MEALS, "The {} was cold and the {} tasted awful over {}", 8, 25),
    ):
        for row in range(n):
            one, other = rng.choice(words, 2, replace=False)
            at = START + first * DAY + rng.uniform(0, (30 - first) * DAY)
            found.append(Text(f"{name}-{row}", form.format(one, other, rng.choice(PLACES)), at))
    return sorted(found, key=lambda text: text.timestamp)


def test_groups_are_topics_with_names_and_a_young_one_is_a_weak_signal(encoder: TextEncoder) -> None:
    found = discovered_topics(texts(), encoder.encode)
    assert [(len(each.texts), each.is_weak_signal) for each in found] == [(40, False), (40, False), (8, True)]
    kinds = [{kind(text) for text in each.texts} for each in found]
    assert sorted(map(list, kinds)) == [["bags"], ["meals"], ["wifi"]]
    words = {kind(each.texts[0]): each.words for each in found}
    assert {"airline", "lost"} < set(words["bags"])
    assert {"slow", "keeps", "failing"} < set(words["wifi"])
    assert {"cold", "tasted", "awful"} < set(words["meals"])
    assert not {"the", "and"} & {word for each in words.values() for word in each}


def test_an_old_group_and_one_that_does_not_grow_are_no_weak_signals(encoder: TextEncoder) -> None:
    made = texts()
    meals = [text for text in made if kind(text) == "meals"]
    old = [replace(text, timestamp=text.timestamp - 25 * DAY) for text in meals]
    spread = [replace(text, timestamp=START + (16 + n) * DAY) for n, text in enumerate(meals)]
    for moved in (old, spread):
        rest = [text for text in made if text not in meals]
        found = discovered_topics(sorted([*rest, *moved], key=lambda text: text.timestamp), encoder.encode)
        assert [each.is_weak_signal for each in found] == [False, False, False]


def test_few_texts_make_no_topic(encoder: TextEncoder) -> None:
    assert discovered_topics([], encoder.encode) == []
    assert discovered_topics(texts()[:4], encoder.encode) == []


def test_the_command_reads_what_fits_no_topic(tmp_path: Path) -> None:
    known = [
        Text(f"k{n}", f"Known text {n * 37} of {n * 91}", START + n, topics=("known",)) for n in range(9)
    ]
    rows = [
        {"id": text.id, "text": text.text, "timestamp": text.timestamp, "topic": list(text.topics)}
        for text in [*known, *texts()]
    ]
    source = "".join(json.dumps(row) + "\n" for row in rows)
    arguments = ["monitor", "run", str(tmp_path), "-", "--set", "duplicate_hours=0"]
    CliRunner().invoke(app, arguments, input=source, catch_exceptions=False)
    done = CliRunner().invoke(app, ["monitor", "topics", str(tmp_path), "--json"], catch_exceptions=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["texts"], row["is_weak_signal"]) for row in found] == [(40, False), (40, False), (8, True)]
    assert [row["why"] for row in found[:2]] == ["", ""]
    assert found[2]["why"].startswith("8 of 8 texts since 2015-03-10 10:59, as 36% of all")
    assert done.stderr == "3 topics, 1 of them weak signals, of 88 of 88 texts without a topic\n"
    with pytest.raises(Exception, match="topics are told by meaning"):
        CliRunner().invoke(
            app, ["monitor", "topics", str(tmp_path), "--encoder", "none"], catch_exceptions=False
        )

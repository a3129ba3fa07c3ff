"""What a model writes of items: nothing without ground is kept, and nothing that was there is touched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import fisher_exact
from typer.testing import CliRunner

from tailrank.cli import enrich
from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError, TailrankError
from tailrank.language.kept_answers import KeptAnswers
from tailrank.tuning.enrichment import Writer, statements, with_enrichment
from tailrank.tuning.grounding import CHANCE, Grounds

CATALOGUE = [
    *["tent for camping, by Alpine"] * 6,
    *["sleeping bag for camping"] * 4,
    *["printer for the office"] * 8,
    *["ink"] * 40,
    "Alpine 2 tent",
]
TENT = len(CATALOGUE) - 1


class Talker:
    """A writer that says much, some of it of the item."""

    identity = "talker sha256:00"

    def __init__(self, answer: str = "") -> None:
        self.answer, self.asked = answer, list[str]()

    def complete(self, prompt: str, max_tokens: int, stop: Sequence[str] = ()) -> str:
        """Answer the same to everything."""
        self.asked.append(prompt)
        return self.answer

    def log_probabilities(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """Know nothing."""
        raise NotImplementedError

    def log_probability(self, prompt: str, continuation: str) -> float:
        """Know nothing."""
        raise NotImplementedError


ANSWER = """2 tents, waterproof, by Alpine
Description: The Alpine 2 tent. It weighs 3 kg.
Audiences: campers, camping, office workers
Uses: camping, camping, 4 seasons of camping"""


def test_facts_need_the_item_s_own_words_and_likely_uses_those_of_its_kind() -> None:
    said = statements(ANSWER, TENT, Grounds.from_texts(CATALOGUE))
    assert [(one.name, one.text, one.ungrounded) for one in said] == [
        ("attributes", "2 tents", None),
        ("attributes", "waterproof", "waterproof"),
        ("attributes", "by Alpine", None),
        ("description", "The Alpine 2 tent.", None),
        ("description", "It weighs 3 kg.", "weigh"),
        ("audiences", "campers", "camper"),
        ("audiences", "camping", None),
        ("audiences", "office workers", "office"),
        ("uses", "camping", None),
        ("uses", "4 seasons of camping", "4"),
    ]


def test_words_go_together_by_fishers_exact_test() -> None:
    grounds = Grounds.from_texts(CATALOGUE)
    # Without the item itself: 6 of 6 texts with a tent say camping, and 4 of 52 others do.
    chance = fisher_exact(np.array([[6, 0], [4, 48]]), alternative="greater").pvalue
    assert (chance < CHANCE) == (grounds.ungrounded(TENT, "camping", likely=True) is None)
    assert grounds.associated(TENT, 5) == ["camping"]


@pytest.mark.parametrize("answer", ["", ":", "Attributes", "Uses: \n\nUses: of, the", "{}[]", "a" * 5_000])
def test_any_answer_can_be_taken_apart(answer: str) -> None:
    said = statements(answer, TENT, Grounds.from_texts(CATALOGUE))
    assert all(one.ungrounded is not None for one in said)


def test_an_answer_is_kept_and_half_a_line_of_a_killed_run_is_not(tmp_path: Path) -> None:
    file, talker = tmp_path / "kept.jsonl", Talker("a tent")
    assert Writer(talker, KeptAnswers(file)).write("Alpine\n\nItem: 2 tent") == "a tent"
    assert "Item: Alpine Item: 2 tent\n" in talker.asked[0]  # on one line
    with file.open("a") as opened:
        opened.write('{"key":"ab","answ')
    again = Writer(talker, KeptAnswers(file))
    assert again.write("Alpine  Item: 2 tent") == "a tent"
    assert len(talker.asked) == 1
    assert again.write("Another tent") == "a tent"
    assert Writer(talker, KeptAnswers(file)).has("Another tent")
    for damaged in (b"no json\n", b'{"key":"ab","answer":"\xff"}\n'):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match="remove it"):
            Writer(talker, KeptAnswers(file))


def test_what_is_there_is_not_overwritten() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["Alpine 2 tent", "ink"]})
    grounds = Grounds.from_texts(items["title"].to_list())
    once = with_enrichment(items, {0: statements("tent", 0, grounds)}, "first", ["title"])
    twice = with_enrichment(
        once,
        {0: statements("Alpine", 0, grounds), 1: statements("a red ink", 1, grounds)},
        "second",
        ["title"],
    )
    assert twice.equals(once)  # the red ink has no ground
    assert once.select(items.columns).equals(items)
    assert once["enriched_attributes"].to_list() == [["tent"], None]
    assert once.select("enriched_by", "enriched_on", "enriched_from").rows() == [
        ("first", date.today(), ["title"]),
        (None, None, None),
    ]


@pytest.mark.parametrize(
    ("column", "options", "said"),
    [
        ("enriched_by", [], "`enriched_by` holds Int64, but what is written there is String: rename it"),
        (
            "enriched_uses",
            [],
            "`enriched_uses` holds Int64, but what is written there is List(String): rename",
        ),
        ("price", ["--words", "1"], "no item is left to describe that has a text of fewer than 1 words"),
    ],
)
def test_the_command_asks_nothing_if_it_cannot_use_an_answer(
    column: str, options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["tea", "mug"], column: [1, None]})
    items.write_parquet(tmp_path / "items.parquet")
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"], "position": [0, 1]})
    events.write_csv(tmp_path / "events.csv")
    monkeypatch.setattr(enrich, "load_generative_model", lambda _: pytest.fail("a model was loaded"))
    command = ["enrich", "--data", str(tmp_path), "--writer", "w", "--out", str(tmp_path / "new"), *options]
    with pytest.raises(TailrankError) as raised:
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert said in str(raised.value)


def test_the_command_writes_a_data_folder_beside(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, out, talker = tmp_path / "shop", tmp_path / "new", Talker(ANSWER)
    shop.mkdir()
    pl.DataFrame({"sku": [f"i{at}" for at in range(len(CATALOGUE))], "title": CATALOGUE}).write_csv(
        shop / "items.csv"
    )
    (shop / "tailrank.toml").write_text(
        '[columns.items]\nitem_id = "sku"\n[columns.events]\nuser_id = "who"\n'
    )
    events = pl.DataFrame({"who": ["u", "u"], "item_id": [f"i{TENT}", "i0"], "position": [0, 1]})
    events.write_csv(shop / "events.csv")
    taught = pl.DataFrame({"item_id": ["i0"], "neighbour": ["i1"], "score": [1.0]})
    taught.write_csv(shop / "taught.csv")
    monkeypatch.setattr(enrich, "load_generative_model", lambda _: talker)
    command = ["enrich", "--data", str(shop), "--writer", "w", "--words", "4", "--budget", "1"]
    done = CliRunner().invoke(app, [*command, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "items described: 1; statements kept: 5, dropped: 5" in " ".join(done.output.split())
    old, new = Dataset.load(shop), Dataset.load(out)
    assert new.items.select(old.items.columns).equals(old.items)
    assert new.items["enriched_uses"].drop_nulls().to_list() == [["camping"]]
    assert new.items.filter(pl.col("enriched_by").is_not_null())["title"].to_list() == ["Alpine 2 tent"]
    assert new.histories.items.tolist() == old.histories.items.tolist()
    assert new.taught is not None
    assert new.taught.rows() == [("i0", "i1", 1.0)]
    with pytest.raises(DataError, match="there already"):
        CliRunner().invoke(app, [*command, "--out", str(out)], catch_exceptions=False)
    CliRunner().invoke(app, [*command, "--out", str(tmp_path / "third")], catch_exceptions=False)
    assert len(talker.asked) == 1

"""Tables of entries and of asked questions."""

from pathlib import Path

import polars as pl
import pytest

from tailrank.errors import DataError
from tailrank.tasks.support.entries import AskedQuestion, Entry, read_asked, read_entries

TWO = '{"question": "Where?", "answer": "There."}\n{"question": "When?", "answer": "Now."}\n'


def written(folder: Path, text: str, name: str = "faq.jsonl") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_pairs_with_the_same_answer_are_one_entry(tmp_path: Path) -> None:
    more = '{"question": "Where is it?", "answer": "There."}\n'
    assert read_entries(written(tmp_path, TWO + more)) == (
        Entry("Where?", "Where?", ("There.",), ("Where is it?",)),
        Entry("When?", "When?", ("Now.",)),
    )


def test_rows_of_one_intent_are_one_entry(tmp_path: Path) -> None:
    text = (
        'intent,question,answers,rephrasings\na,Where?,There.,"Where is it?\nWhere now?"\na,Whither?,Here.,\n'
    )
    found = read_entries(written(tmp_path, text + "b,When?,Now.,\n", "faq.csv"))
    assert found[0] == Entry("a", "Where?", ("There.", "Here."), ("Where is it?", "Where now?", "Whither?"))


def test_lists_of_parquet_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = {"id": [7, 8], "question": ["Where?", "When?"], "answers": [["There.", "Here."], ["Now."]]}
    pl.DataFrame(rows).write_parquet(tmp_path / "faq.parquet")
    found = read_entries(tmp_path / "faq.parquet")
    assert found == (Entry("7", "Where?", ("There.", "Here.")), Entry("8", "When?", ("Now.",)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWO.replace("answer", "anwser"), "unknown column `anwser`: leave it out, .*; did you mean `answer`"),
        ('{"question": "a"}\n', "give the column `question`, and either `answer` or `answers`"),
        (TWO + '{"question": "", "answer": "x"}\n', "row 3: `question` is empty"),
        (TWO + '{"question": "Why?", "answer": null}\n', "row 3: `answer` is empty"),
        (TWO.replace('"There."', "42").replace('"Now."', "43"), "row 1: `answer` holds 42: write texts"),
        ('{"question": ["Where?"], "answer": "There."}\n', "row 1: `question` holds .*: write a text"),
        ('{"question": "Where?", "answers": {"a": "b"}}\n', "row 1: `answers` holds {'a': 'b'}: write texts"),
        ('{"question": "Where?", "answer": "There."}\n', "fewer than two entries: a desk needs two"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_entries(written(tmp_path, text))


def test_asked_questions_name_known_intents_or_none(tmp_path: Path) -> None:
    entries = read_entries(written(tmp_path, TWO))
    asked = "question,intent\nWhere then?,Where?\nWho?,\n"
    assert read_asked(written(tmp_path, asked, "asked.csv"), entries) == (
        AskedQuestion("Where then?", "Where?"),
        AskedQuestion("Who?", ""),
    )
    with pytest.raises(DataError, match="row 3: no entry has the intent 'Why\\?'"):
        read_asked(written(tmp_path, asked + "Why?,Why?\n", "asked.csv"), entries)
    with pytest.raises(DataError, match="lacks the column `intent`"):
        read_asked(written(tmp_path, "question\nWho?\n", "asked.csv"), entries)
    with pytest.raises(DataError, match="no such file"):
        read_asked(tmp_path / "none.csv", entries)

"""Words and phrases that hold an item back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.errors import DataError
from tailrank.screening.deny_list import DenyList, words_of


def test_a_file_has_phrases_by_market_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "deny.txt"
    file.write_text("miracle cure  # a claim\n\n[us]\n[de]\nCBD\n减肥药\n", encoding="utf-8")
    found = DenyList.read(file)
    assert found.phrases == {"": ["miracle cure"], "us": [], "de": ["CBD", "减肥药"]}
    assert found.found(["tea", "CBD tea"]) == [{}, {"de": ["CBD"]}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no phrase"),
        (b"tea\n!!!\n", "line 2: '!!!' has no word"),
        (b"[de\ntea\n", "line 1: .* for a market, alone"),
        (b"tea\n[de]\nmug\n[ ]\npot\n", r"line 4: '\[ \]' names no market"),
        (b"[de]\n", "holds no phrase"),
        (b"\xff", "can't be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "deny.txt"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        DenyList.read(file)
    with pytest.raises(DataError, match="can't be read"):
        DenyList.read(tmp_path / "missing.txt")


@pytest.mark.parametrize(
    "text",
    [
        "A MIRACLE  cure!",
        "miracle-cure",
        "mira\u200bcle cure",
        "".join(chr(ord(letter) + 0xFEE0) for letter in "miracle") + " cure",  # of full width
        "the miracle\ncure, again",
    ],
)
def test_case_marks_width_and_invisible_letters_hide_nothing(text: str) -> None:
    assert DenyList({"": ["Miracle cure"]}).found([text]) == [{"": ["Miracle cure"]}]


@pytest.mark.parametrize("text", ["miracles cure", "miracle cured", "cure miracle", "miracle and cure", ""])
def test_only_whole_words_in_a_row_count(text: str) -> None:
    assert DenyList({"": ["miracle cure"]}).found([text]) == [{}]


def test_without_spaces_a_phrase_is_found_within() -> None:
    assert DenyList({"": ["减肥药"]}).found(["新款减肥药，三盒", "减肥"]) == [{"": ["减肥药"]}, {}]


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=30))
def test_a_phrase_is_found_where_its_words_are(phrases: list[str], text: str) -> None:
    written = [phrase for phrase in phrases if words_of([phrase])[0]]
    [said] = words_of([text])
    expected = {
        phrase
        for phrase in written
        for words in words_of([phrase])
        if any(said[at : at + len(words)] == words for at in range(len(said)))
    }
    [found] = DenyList({"": written}).found([text])
    assert set(found.get("", [])) == expected

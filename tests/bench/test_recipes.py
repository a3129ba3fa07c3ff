"""What the recipes measure: complaints by desk and company, and a desk that lacks entries."""

import numpy as np
import polars as pl
from bench.recipes import COMPANIES, companies, desk_parts, queue, watched

from tailrank.tasks.support.entries import Entry


def test_renamed_products_are_one_desk() -> None:
    names = ["Credit reporting", "Credit reporting or other personal consumer reports", "Debt collection"]
    assert [queue(name) for name in (*names, "Mortgage")] == [
        *("credit reports", "credit reports", "debt collection", "other products")
    ]


def test_what_is_asked_is_not_known() -> None:
    entries = [
        Entry(str(n), f"question {n}", ("answer",), tuple(f"phrasing {n}-{at}" for at in range(4)))
        for n in range(10)
    ]
    known, before, after = desk_parts(entries, np.random.default_rng(0))
    phrasings = {text for entry in known for text in entry.rephrasings}
    asked = {each.question: each.intent for each in (*before, *after)}
    assert len(known) == 8
    assert len(phrasings) == 16
    assert len(asked) == len(before) + len(after) == 8 * 2 + 2 * 4
    assert not asked.keys() & phrasings
    intents = {entry.intent for entry in known}
    right = {text: text.split()[1].split("-")[0] for text in asked}
    assert all(asked[text] == (name if name in intents else "") for text, name in right.items())
    assert len(before) == 2 * len(after)


def test_complaints_without_a_letter_are_watched_too() -> None:
    rows = {
        "date": ["2022-12-31", "2023-01-01", "2023-01-02", "2023-01-02"],
        "issue": ["Fees"] * 4,
        "company": ["A", "A", "B", "B"],
        "text": ["old", "They charged me twice.", "", ""],
    }
    lines = companies(pl.DataFrame(rows))
    assert [line["text"] for line in lines] == ["They charged me twice.", "Fees", "Fees"]
    found = watched(lines, COMPANIES)
    assert found["counters"] == {"lines": 3, "counted": 3}, "the same issue isn't a duplicate"
    assert found["alerts"] == []

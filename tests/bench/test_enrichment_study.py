"""The study of enrichment: what each arm says of an item, and what is counted."""

from bench.enrichment import counted, read, texts_of

from tailrank.tuning.enrichment import Statement
from tailrank.tuning.grounding import Grounds

WHOLE = ["Alpine 2 person green tent", *["tent for camping"] * 9, *["ink"] * 90]
CUT = ["Alpine 2 person", *WHOLE[1:]]
SAID = {0: [Statement("uses", "camping", None), Statement("attributes", "waterproof", "waterproof")]}


def test_each_arm_adds_to_the_three_words() -> None:
    given = ["Alpine 2 tent", *WHOLE[1:]]
    arms = texts_of([0, 1], SAID, WHOLE, CUT, Grounds.from_texts(given))
    assert {arm: said[0] for arm, said in arms.items()} == {
        "cut": "Alpine 2 person",
        "associated": "Alpine 2 person. camping",
        "whole": "Alpine 2 person green tent",
        "checked": "Alpine 2 person. camping",
        "unchecked": "Alpine 2 person. camping. waterproof",
    }
    assert [list(said) for said in arms.values()] == [[0, 1]] * 3 + [[0]] * 2


def test_statements_without_ground_are_counted_and_listed_last() -> None:
    found = counted(SAID)
    assert (found["written"], found["dropped"]) == (2, 1)
    assert found["uses"] == {"written": 1, "dropped": 0}
    assert [one["without ground"] for one in read(SAID, CUT, 0)] == [None, "waterproof"]

"""Texts that are written to be found, among texts that aren't."""

from itertools import permutations
from math import log

import numpy as np
import pytest

from tailrank.screening.pushed_texts import TERMS, TextScreen
from tailrank.signals.vocabulary import terms_of

KINDS = {
    "tea": "green black loose leaf organic assam ceylon mint",
    "cup": "china blue white saucer porcelain handle glazed mug",
    "saw": "steel blade teeth hand wood timber japanese fold",
}


def catalogue(n: int = 20) -> tuple[list[str], list[str]]:
    """Write texts of three kinds, each of five words of its kind; gives them and their kinds."""
    rng = np.random.default_rng(0)
    kinds = [kind for kind in KINDS for _ in range(n)]
    return [" ".join([kind, *rng.choice(KINDS[kind].split(), 5, replace=False)]) for kind in kinds], kinds


@pytest.fixture(scope="module")
def screen() -> TextScreen:
    texts, _ = catalogue()
    return TextScreen.from_texts(texts, np.arange(len(texts)))


def mean_over_pairs(text: str, others: list[str]) -> float:
    """Write the definition out."""
    sets = [set(terms) for terms in terms_of(others)]
    has = {term: sum(term in each for each in sets) for term in terms_of([text])[0]}
    said = []
    for a, b in permutations([term for term, n in has.items() if n], 2):
        both = sum(a in each and b in each for each in sets)
        said.append(max(-2.0, min(2.0, log((both + 1) / (has[a] * has[b] / len(sets) + 1)))))
    return sum(said) / len(said)


def test_coherence_is_that_of_the_definition_without_the_items_own_text(screen: TextScreen) -> None:
    texts, _ = catalogue()
    changed = "tea green blade unheard"
    found = screen.coherence([texts[3], changed, changed], np.array([3, 3, -1]))
    others = texts[:3] + texts[4:]
    expected = [
        mean_over_pairs(texts[3], others),
        mean_over_pairs(changed, others),
        mean_over_pairs(changed, texts),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_likeness_is_jaccards_to_other_best_sellers() -> None:
    texts = ["blue china cup", "red china cup", "loose tea"]
    screen = TextScreen.from_texts(texts, np.array([9, 1, 1]))
    found = screen.likeness(
        ["blue china cup", "Blue cup of tin", "", *texts[:2]], np.array([-1, -1, -1, 0, 1])
    )
    np.testing.assert_allclose(found, [1, 2 / 5, 0, 0, 2 / 4])


def test_words_from_everywhere_are_held_and_honest_texts_are_not(screen: TextScreen) -> None:
    texts, kinds = catalogue()
    own = screen.suspicions(texts, np.arange(len(texts)))
    assert own.count("stuffed") <= 1
    stuffed = [
        f"{text} {' '.join(KINDS[other])} {words}"
        for text, kind in zip(texts, kinds, strict=True)
        for other, words in KINDS.items()
        if other != kind
    ]
    assert set(screen.suspicions(stuffed, np.arange(len(texts)).repeat(2))) == {"stuffed"}


def test_what_has_too_little_text_is_not_judged(screen: TextScreen) -> None:
    nothing = ["", "tea", "unheard of words"]
    assert screen.suspicions(nothing, np.full(3, -1)) == [None] * 3
    assert TextScreen.from_texts([], np.array([], np.int64)).suspicions(["tea cup"], np.array([-1])) == [None]
    empty = TextScreen.from_texts(["", ""], np.array([1, 0]))
    assert empty.suspicions(["tea cup", ""], np.array([-1, 0])) == [None, None]


def test_a_text_of_any_length_is_judged_by_a_sample_of_its_terms() -> None:
    words = [f"word{n}" for n in range(20 * TERMS)]
    texts = [" ".join(words[n : n + 20]) for n in range(0, len(words), 10)]
    screen = TextScreen.from_texts(texts, np.arange(len(texts)))
    assert screen.suspicions([" ".join(words)], np.array([-1])) == ["stuffed"]

"""A sentence says what sets an item apart, and a sum leaves nothing over."""

import re

import numpy as np
import polars as pl
import pytest

from tailrank.api import Language
from tailrank.policy.registry import POLICIES
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.contrast import Contrast
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.phrases import WORDINGS
from tailrank.ranking.reasons import REPEATED, as_sum, because, item_titles, titles_of, why_above
from tailrank.ranking.reranker import Reranker
from tailrank.signals.registry import SIGNALS

EVENTS = ("tent", "bag")
TITLES = {"tent": "Two-person tent", "bag": "Down sleeping bag"}


def explained(**parts: float) -> Explanation:
    """Take a score apart: the first event is what speaks for it, the second what speaks against."""
    by_event = {name: [max(lift, 0.0), min(lift, 0.0)] for name, lift in parts.items()}
    return Explanation("mug", 1.0 + sum(parts.values()), {"list mean": 1.0, **parts}, by_event, EVENTS)


def test_above_the_mean_the_two_strongest_reasons_are_told() -> None:
    told = because(explained(lexical=0.2, semantic=0.5, covisitation=0.3, popularity=-0.1), TITLES)
    assert told == ("because it reads like “Two-person tent”, and it is chosen soon after “Two-person tent”")


def test_below_the_mean_what_speaks_against_it_is_told_too() -> None:
    told = because(explained(semantic=0.2, popularity=-0.5), TITLES)
    assert told == "because it reads like “Two-person tent”, but it was chosen seldom lately"
    assert because(explained(popularity=-0.5), TITLES) == "because it was chosen seldom lately"


def test_an_item_like_the_rest_has_no_reason() -> None:
    assert because(explained(semantic=0.01), TITLES) == "because nothing sets it apart"


def test_a_signal_without_words_of_its_own_goes_by_its_name() -> None:
    assert because(explained(shape=0.4), TITLES) == "because shape speaks for it"
    assert because(Explanation("mug", 2.0, {"list mean": 1.0, "upstream als": 1.0}, {}), {}) == (
        "because als speaks for it"
    )


def test_what_was_chosen_before_is_told_once() -> None:
    both = {"list mean": 1.0, "frequency": 0.4, "relative-frequency": 0.3}
    assert because(Explanation("mug", 1.7, both, {}, ("mug",)), {}) == "because it was chosen before"
    assert because(Explanation("mug", 1.7, both, {}, EVENTS), {}) == "because it was not chosen before"


@pytest.mark.parametrize("history", [[], ["172"], ["172", "174", "210", "172"]], ids=len)
def test_printed_parts_add_up_to_the_printed_score(reranker: Reranker, history: list[str]) -> None:
    for each in reranker.explain(history, ["50", "181", "?", "1682"], scores=[1.0, 2.0, 3.0, 4.0]):
        score, parts = as_sum(each).split(" = ")
        terms = re.findall(r"([+-]?) ?[a-z][\w -]*? (-?[\d.]+)", parts)
        assert sum(float(f"{sign}{size}") for sign, size in terms) == pytest.approx(float(score), abs=1e-6)
        assert score == f"{each.score:.2f}"


REMOVING = {"stock", "already-taken", "requires", "excludes"}
"""Steps that only take items from lists."""


@pytest.mark.parametrize("language", WORDINGS)
def test_every_signal_and_every_policy_has_words_in_every_language(language: Language) -> None:
    signals = (getattr(signal, "name", None) for signal in SIGNALS.values())
    named = {name for name in signals if isinstance(name, str)} | {"semantic", "tuned"}
    parts = {*named, *POLICIES, "base", "upstream", "rank kept"} - REMOVING
    assert parts - REPEATED - WORDINGS[language].phrases.keys() == set()


def test_languages_say_the_same_of_the_same_parts() -> None:
    english, *others = WORDINGS.values()
    for other in others:
        assert other.phrases.keys() == english.phrases.keys()
        for name, words in english.phrases.items():
            named = [re.findall(r"{\w+}", text) for text in words]
            assert [re.findall(r"{\w+}", text) for text in other.phrases[name]] == named, name


def test_what_counts_against_the_grain_is_only_named() -> None:
    """Under a negative weight what was chosen seldom is lifted; that it was chosen often would be false."""
    parts = {"list mean": 1.0, "popularity": 0.5}
    rare = Explanation("mug", 1.5, parts, {}, leanings={"popularity": -2.0})
    assert because(rare, {}) == "because how often it was chosen lately speaks for it"
    assert because(rare, {}, "zh") == "因为近来被选的多少对它有利"
    often = Explanation("mug", 1.5, parts, {}, leanings={"popularity": 2.0})
    assert because(often, {}) == "because it was chosen often lately"


def test_sentences_in_chinese_name_the_same_events() -> None:
    told = because(explained(lexical=0.2, semantic=0.5, popularity=-0.9), {"tent": "双人帐篷"}, "zh")
    assert told == "因为它的内容与“双人帐篷”相近，而且它与“双人帐篷”有共同的词语，但它近来较少被选择"
    assert because(explained(semantic=0.01), TITLES, "zh") == "没有什么使它与众不同"


def test_long_titles_are_cut_and_missing_ones_are_ids() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "name": ["茶" * 50, None]})
    assert item_titles(items) == {"a": "茶" * 39 + "…", "b": "b"}


def test_items_that_came_since_have_titles_too(reranker: Reranker) -> None:
    catalogue = reranker.catalogue.with_items(["new", "50"], [{"title": "A new film"}, {"genres": ["War"]}])
    found = titles_of(catalogue, ["new", "1", "?", "50", "1"])
    assert found == {"new": "A new film", "1": item_titles(catalogue.items)["1"], "?": "?", "50": "50"}
    assert titles_of(catalogue, []) == {}
    renamed = catalogue.with_items(["new"], [{"title": "Its new name"}])
    for known, title in ((renamed, "Its new name"), (catalogue, "A new film"), (renamed, "Its new name")):
        assert titles_of(known, ["new"]) == {"new": title}
    assert titles_of(renamed, ["new"], longest=5) == {"new": "Its …"}


def test_items_without_a_title_go_by_their_ids() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "genres": ["War", None]})
    catalogue = Catalogue.from_items(items, np.zeros(2, np.int64), (), "timestamp")
    assert titles_of(catalogue, ["b", "?"]) == {"b": "b", "?": "?"}


def test_what_is_not_known_of_an_item_is_not_told_of_it() -> None:
    seen = Explanation("mug", 1.3, {"list mean": 1.0, "image": 0.3}, {"image": [0.3, 0.0]}, EVENTS)
    assert because(seen, TITLES) == "because it looks like “Two-person tent”"
    lacking = frozenset({"image"})
    unseen = Explanation("cup", 0.7, {"list mean": 1.0, "image": -0.3}, {}, EVENTS, lacking=lacking)
    assert because(unseen, TITLES) == "because nothing is known of how it looks"
    assert because(unseen, TITLES, "zh") == "因为不知道它的外观"
    assert why_above(Contrast(seen, unseen), {}) == "“mug” is above “cup” because how it looks speaks for it"

"""The page that explains a ranking says all of it, runs nothing and loads nothing."""

import re
from html.parser import HTMLParser

import pytest

from tailrank.api import Language
from tailrank.policy.tail import TailBoost
from tailrank.ranking.counterfactual import Counterfactual
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.explanation_page import render
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.reasons import because, why_there
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

FILMS = ["50", "181", "?", "1682", "742", "1", "172"]


class Page(HTMLParser):
    """The tags, attributes and words of a page, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.words = list[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.words += [" ".join(data.split())]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("history", [[], ["172", "174"]], ids=len)
def test_it_shows_every_item_its_sentences_and_its_parts(
    reranker: Reranker, history: list[str], language: Language
) -> None:
    request = Request(history, FILMS, policy=(TailBoost(0.5),), k=5, explain=True)
    ranking = reranker.rank(request)
    found = reranker.explained(request, ranking)
    owed = {ranking.item_ids[1]: Counterfactual(ranking.item_ids[1], 5, 2, 6, (0,), ("172",), smallest=True)}
    words = "\n".join(Page(render(ranking, found, {}, language, owed)).words)
    for item, one in zip(ranking, found, strict=True):
        assert f"{item.rank}. {item.item_id}" in words
        assert because(one, {}, language) in words.replace("\nBecause", "\nbecause")
        for part in one.reasons:
            assert abs(part.lift) < 0.006 or f"{part.lift:+.2f}" in words
    assert why_there(owed[ranking.item_ids[1]], {}, language) in words


def test_titles_and_ids_are_text_whatever_they_hold() -> None:
    bad = '"><script src=//x></script><img onerror=x>'
    ranking = Ranking([bad], [1.5], [1], removed={f"{bad}2": bad})
    one = Explanation(bad, 1.5, {"list mean": 1.0, bad: 0.5, "semantic": 0.0}, {"semantic": [0.0]}, (bad,))
    page = Page(render(ranking, [one], {bad: bad}))
    plain = Page(
        render(
            Ranking(["a"], [1.5], [1], removed={"a2": "b"}),
            [
                Explanation(
                    "a", 1.5, {"list mean": 1.0, "c": 0.5, "semantic": 0.0}, {"semantic": [0.0]}, ("a",)
                )
            ],
            {},
        )
    )
    assert page.tags == plain.tags
    assert page.attributes == plain.attributes
    assert any(bad in words for words in page.words)


def test_it_loads_nothing_and_an_empty_ranking_has_a_page() -> None:
    page = render(Ranking([], [], []), [], {})
    assert not re.search(r"<script|<link|src=|url\(|@import|http", page)
    assert "Nothing that the model knows." in page

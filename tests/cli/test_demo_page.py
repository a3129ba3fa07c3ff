"""`tailrank demo --serve`: what it writes for the page."""

from __future__ import annotations

import asyncio
import re

import pytest

from tailrank.cli.demo_page import DemoPage
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import silent
from tailrank.server.page_files import check_story, read_prices, read_story
from tailrank.server.plain_candidates import plain_candidates
from tailrank.state.open import open_state


@pytest.fixture(scope="module")
def page(
    movielens: Dataset,
    movielens_split: Split,
    movielens_vectors: ItemVectors,
    reranker: Reranker,
    tmp_path_factory: pytest.TempPathFactory,
) -> DemoPage:
    page = DemoPage(tmp_path_factory.mktemp("demo") / "page")
    assert not page.is_made_of(movielens, 0)
    page.make(movielens_split.sampled(300, 0), reranker, movielens_vectors, movielens, 0, silent)
    return page


def test_a_second_run_knows_what_the_first_made(page: DemoPage, movielens: Dataset) -> None:
    assert page.is_made_of(movielens, 0)
    assert not page.is_made_of(movielens, 1)


def test_the_story_is_what_the_page_will_show(page: DemoPage, movielens_split: Split) -> None:
    story, model = read_story(page.story), Reranker.load(page.model)
    check_story(story, model)
    assert "answer is a tail item" in story.rule
    tail = dict(
        zip(movielens_split.full_train.item_ids, tail_items(movielens_split.full_train.counts), strict=True)
    )
    gains = []
    for user in story.users:
        assert tail[user.target]
        found = plain_candidates(model, user.history, 100, model.catalogue.known_codes)
        candidates = model.catalogue.ids_of(found.codes)
        before, after = map(int, re.findall(r"rank (\d+) by", user.why))
        assert candidates.index(user.target) == before - 1
        assert model.rank(user.history, candidates).item_ids.index(user.target) == after - 1
        gains.append(before - after)
    assert gains == sorted(gains, reverse=True)
    assert len({user.target for user in story.users}) == len({user.id for user in story.users}) == len(gains)


def test_the_state_knows_the_users_of_the_story_as_they_are_shown(page: DemoPage) -> None:
    async def stored(user: str) -> list[str]:
        state = open_state(str(page.state))
        try:
            return (await state.read(user)).history.items
        finally:
            await state.close()

    for user in read_story(page.story).users:
        assert sorted(asyncio.run(stored(user.id))) == sorted(user.history)


def test_prices_rise_with_the_dial_of_the_tail(page: DemoPage) -> None:
    prices = read_prices(page.prices)
    assert list(prices.dials) == ["tail", "mmr"]
    tail = prices.dials["tail"]
    assert (tail[0].at, tail[0].loss) == (0, 0)
    shares = [price.tail_share for price in tail]
    assert shares == sorted(shares)
    assert tail[-1].loss > tail[0].loss
    distances = [price.diversity or 0 for price in prices.dials["mmr"]]
    assert distances[-1] > distances[0]

"""Items that are put bring their own vectors for spaces that come from a column."""

from collections.abc import Iterator

import httpx
import numpy as np
import polars as pl
import pytest

from tailrank import Dataset, Event, ItemVectors, Reranker
from tailrank.benchmarks.launcher import Server
from tailrank.language.encoder import TextEncoder

WIDTH = 4
HISTORY = [Event("i0", "buy", 1.7e9), Event("i4", "buy", 1.7e9 + 60)]


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    """A model of users who buy what looks alike; all titles are one."""
    rng, shapes = np.random.default_rng(0), np.arange(40) % WIDTH
    pictures = np.eye(WIDTH)[shapes] + rng.normal(0, 0.2, (40, WIDTH))
    items = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(40)], "title": "tea", "picture": pictures.tolist()}
    )
    rows = [
        (f"u{user}", f"i{rng.choice(np.flatnonzero(shapes == user % WIDTH))}", float(day))
        for user in range(60)
        for day in range(10)
    ]
    events = pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row")
    shop = Dataset.construct(items, events)
    return Reranker.fit(shop, {"image": ItemVectors.from_column(items, "picture")})


@pytest.fixture(scope="module")
def url(reranker: Reranker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = tmp_path_factory.mktemp("models") / "shop"
    reranker.save(model)
    with Server(model, tmp_path_factory.mktemp("state")) as server:
        yield server.url


def scores(url: str, *items: str) -> dict[str, float]:
    history = [{"item_id": name, "event": "buy", "timestamp": time} for name, _, time in HISTORY]
    response = httpx.post(f"{url}/v1/rank", json={"candidates": list(items), "history": history})
    assert response.status_code == 200, response.text
    return {each["id"]: each["score"] for each in response.json()["items"]}


def test_a_new_item_ranks_by_the_vector_that_it_brings(url: str, reranker: Reranker) -> None:
    pictures = {"square": [2.0, 0.1, 0, 0], "round": [0, 0, 3, 0.2], "bare": None}
    items = [{"item_id": name, "title": "tea", "picture": each} for name, each in pictures.items()]
    response = httpx.post(f"{url}/v1/items", json=items)
    assert response.status_code == 200, response.text
    found = scores(url, *pictures)
    values = np.array([each or [0] * WIDTH for each in pictures.values()], np.float32)
    here = reranker.with_items(list(pictures), ["tea"] * 3, {"image": values})
    asked = here.rank(HISTORY, list(pictures))
    assert found == pytest.approx(
        {each.item_id: each.score for each in asked}, rel=1e-5
    )  # they round otherwise
    assert found["square"] > found["bare"] > found["round"]


@pytest.mark.parametrize("value", ["cat.png", [1, 2], [1, 2, 3, "4"]], ids=["path", "short", "text"])
def test_what_is_no_vector_is_refused(url: str, value: object) -> None:
    response = httpx.post(f"{url}/v1/items", json={"item_id": "bad", "title": "tea", "picture": value})
    assert response.status_code == 422, response.text
    assert f"`picture`: send a list of {WIDTH} finite numbers, or leave it out" in response.text


def test_a_vector_goes_by_the_name_of_its_column(url: str) -> None:
    response = httpx.post(f"{url}/v1/items", json={"item_id": "bad", "title": "tea", "image": [1, 2, 3, 4]})
    assert response.status_code == 422, response.text
    assert "`image` is a space: send its vector as `picture`, the column it comes from" in response.text


@pytest.fixture(scope="module")
def tuned(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose model looks first at vectors that count as tuned, which say nothing of new items."""
    kinds = ["green tea", "coffee beans", "wool socks", "gas stove", "garden hose", "guitar strings"]
    items = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(60)], "title": [f"{kinds[n % 6]} {n}" for n in range(60)]}
    )
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{6 * rng.integers(10) + kind}", at)
        for user in range(250)
        for at, kind in enumerate([user % 6] * 5)
    ]
    shop = Dataset.construct(items, pl.DataFrame(rows, ["user_id", "item_id", "position"], orient="row"))
    spaces = {
        "tuned": ItemVectors.encode(items, encoder, whiten=False),
        "semantic": ItemVectors.encode(items, encoder),
    }
    model = tmp_path_factory.mktemp("models") / "tuned"
    Reranker.fit(shop, spaces).save(model)
    with Server(model, tmp_path_factory.mktemp("state")) as server:
        yield server.url


def test_own_items_are_ranked_by_what_places_new_items(tuned: str) -> None:
    """All of them are new, and would rank as sent by vectors that say nothing of new items."""
    titles = {"socks": "wool socks", "tea": "green tea", "strings": "guitar strings", "cup": "a cup of tea"}
    items = [{"item_id": name, "title": title} for name, title in titles.items()]
    response = httpx.post(f"{tuned}/v1/page/own", json={"items": items, "history": ["cup"]})
    assert response.status_code == 200, response.text
    found = response.json()["items"]
    assert found[0]["id"] == "tea"
    assert len({each["score"] for each in found}) == 3


def test_texts_are_ordered_for_a_user_by_the_space_that_reads_them(tuned: str) -> None:
    event = {"event_id": "1", "user_id": "ann", "item_id": "i1", "event": "buy", "timestamp": 1.7e9}
    assert httpx.post(f"{tuned}/v1/events", json=[event]).status_code == 200
    asked = {"user": "ann", "documents": ["wool socks", "coffee beans", "guitar strings"]}
    response = httpx.post(f"{tuned}/v1/rerank", json=asked)
    assert response.status_code == 200, response.text
    assert response.json()["results"][0]["index"] == 1

"""Items that are put bring their own vectors for spaces that come from a column."""

from collections.abc import Iterator

import httpx
import numpy as np
import polars as pl
import pytest

from tailrank import Dataset, Event, ItemVectors, Reranker
from tailrank.benchmarks.launcher import Server

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

"""A server with a screen: what is put and held, who decides, and which rankings go by that."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import httpx
import pytest
from server_helpers import rank, wait_until

from tailrank import api
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client, ServerError
from tailrank.language.encoder import TextEncoder
from tailrank.ranking.reranker import Reranker
from tailrank.screening.holding import hold
from tailrank.screening.reviews import Entry
from tailrank.screening.screen import Judgement, Screen
from tailrank.server.changed_items import with_changes
from tailrank.server.loaded_model import LoadedModel
from tailrank.state.open import open_state

GORY, HARMLESS = "A killer hunts teenagers with a chainsaw", "A family of ducks crosses the road"


@pytest.fixture(scope="module")
def screen(model: Path, encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A screen that reads as the model does, and holds what is like one text; the word `banned` in `de`."""
    identity = Reranker.load(model).spaces["semantic"].encoder
    assert identity is not None
    [gory] = encoder.encode([GORY])
    file = tmp_path_factory.mktemp("screens") / "screen.json"
    Screen(
        identity.template,
        {"de": ["banned"], "us": []},
        identity,
        (40 * gory).tolist(),
        -24.0,
        {"": 0.5, "xx": 1.0},
    ).write(file)
    return file


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def server(model: Path, screen: Path, state: Path) -> Iterator[Server]:
    """One for all tests, each of which has items of its own."""
    with Server(model, state, "--screen", str(screen)) as found:
        yield found


@pytest.fixture(scope="module")
def other(model: Path, state: Path) -> Iterator[Server]:
    """Another process that has the same state, and no screen."""
    with Server(model, state) as found:
        yield found


def listed(url: str, *candidates: str, **request: object) -> tuple[list[str], dict[str, str]]:
    """Rank for somebody; returns what is in the list, and why the rest isn't."""
    ranking = rank(url, **{"user": "ann", "candidates": candidates, **request})
    return sorted(item["id"] for item in ranking["items"]), ranking.get("removed", {})


class Seen(NamedTuple):
    """A ranking: who made it, when it was asked for, when it came, and whether the item was in it."""

    url: str
    asked: float
    came: float
    shown: bool


def watch(url: str, item: str, seen: list[Seen], stop: Event) -> None:
    """Rank again and again."""
    while not stop.is_set():
        asked = time.monotonic()
        shown = item in listed(url, item, "1", "50")[0]
        seen.append(Seen(url, asked, time.monotonic(), shown))


def test_what_is_approved_appears_and_what_is_rejected_never_while_others_rank(
    server: Server, other: Server
) -> None:
    urls = server.url, other.url
    seen, stop, verdicts = list[Seen](), Event(), list[tuple[float, float, bool]]()

    def wait_for_both(since: float) -> None:
        wait_until(
            lambda: min(sum(each.asked > since and each.url == url for each in seen) for url in urls) > 2
        )

    with Client(server.url) as client, ThreadPoolExecutor() as threads:
        client.put_items({"item_id": "b1", "title": GORY})
        watching = [threads.submit(watch, url, "b1", seen, stop) for url in urls * 2]
        try:
            wait_for_both(0.0)
            for approve in (True, False, True, False):
                before, decide = time.monotonic(), client.approve if approve else client.reject
                status = decide("b1", by="grace", why="seen").status
                assert status == ("approved" if approve else "rejected")
                after = time.monotonic()
                verdicts.append((before, after, approve))
                wait_for_both(after)
        finally:
            stop.set()
        for each in watching:
            each.result()
    ends = [*(verdict[0] for verdict in verdicts[1:]), float("inf")]
    for (_, decided, shown), until in zip(verdicts, ends, strict=True):
        settled = [each for each in seen if decided < each.asked and each.came < until]
        assert {(each.url, each.shown) for each in settled} == {(server.url, shown), (other.url, shown)}
    assert not any(each.shown for each in seen if each.came < verdicts[0][0])


def test_a_held_text_is_in_no_ranking_and_the_queue_says_why(server: Server) -> None:
    with Client(server.url) as client:
        client.put_items({"item_id": "c1", "title": GORY}, {"item_id": "c2", "title": HARMLESS})
        for _ in range(6):
            shown, removed = listed(server.url, "c1", "c2", "1")
            assert shown == ["1", "c2"]
            assert removed == {"c1": "held for review: is like texts that were labelled (1.00)"}
        assert listed(server.url, "c1", "c2", context={"market": "xx"})[0] == ["c1", "c2"]
        [waiting] = [item for item in client.review_queue().held if item.item_id == "c1"]
        assert waiting.text.startswith(GORY)
        assert waiting.log[0].markets == {"": True, "de": True, "us": True, "xx": False}
        assert waiting.held == waiting.log[0].markets
        metrics = httpx.get(f"{server.url}/metrics").text
        assert re.search(r'tailrank_reviews{status="held"} [1-9]', metrics)
        client.delete_item("c1")
        assert "c1" not in [item.item_id for item in client.review_queue().held]


def test_a_word_is_denied_where_its_market_is(server: Server) -> None:
    with Client(server.url) as client:
        client.put_items({"item_id": "d3", "title": "A Banned film about ducks"})
        assert listed(server.url, "d3")[0] == ["d3"]
        assert listed(server.url, "d3", context={"market": "de"}) == (
            [],
            {"d3": "held for review: says 'banned' (de)"},
        )


def test_a_verdict_may_be_for_one_market(server: Server) -> None:
    with Client(server.url) as client:
        client.put_items({"item_id": "d4", "title": GORY})
        found = client.approve("d4", by="grace", why="art", market="us")
        assert (found.status, found.markets, found.log[-1].market) == ("held", {"us": "approve"}, "us")
        assert listed(server.url, "d4", context={"market": "us"})[0] == ["d4"]
        assert listed(server.url, "d4")[0] == []
        asked = {"id": "m1", "timestamp": "1661431896711", "items": [{"id": "d4"}, {"id": "1"}]}
        for market, shown in (("us", {"d4", "1"}), ("fr", {"1"})):
            body = {**asked, "fields": [{"name": "market", "value": market}]}
            found_items = httpx.post(f"{server.url}/rank/any", json=body).json()["items"]
            assert {each["item"] for each in found_items} == shown
        client.approve("d4", by="grace", why="art")
        client.reject("d4", by="heinz", why="the law", market="de")
        assert listed(server.url, "d4")[0] == ["d4"]
        assert listed(server.url, "d4", context={"market": "de"}) == ([], {"d4": "rejected: the law"})


def test_a_verdict_for_a_market_that_no_screen_knows_is_refused(server: Server, other: Server) -> None:
    with Client(server.url) as client, Client(other.url) as screenless:
        client.put_items({"item_id": "d5", "title": GORY})
        with pytest.raises(ServerError, match="market: no screen knows 'uss': did you mean `us`"):
            client.approve("d5", by="grace", why="art", market="uss")
        with pytest.raises(ServerError, match="there are `de`, `us`, `xx`; name it in the deny-list"):
            client.reject("1", by="grace", why="art", market="france")
        with pytest.raises(ServerError, match="no screen knows 'de': there are none"):
            screenless.reject("1", by="grace", why="art", market="de")
        assert screenless.approve("d5", by="grace", why="art", market="us").markets == {"us": "approve"}


def test_a_list_in_its_old_order_is_reviewed_too(server: Server) -> None:
    with Client(server.url) as client:
        client.put_items({"item_id": "e1", "title": GORY})
        listed(server.url, "e1")
        found = client.rank(["e1", "1"], user="ann", deadline_ms=1e-6)
        assert found.degraded
        assert [item.id for item in found.items] == ["1"]


def test_a_dry_run_says_what_is_held_and_nothing_of_other_items(server: Server) -> None:
    with Client(server.url) as client:
        client.put_items({"item_id": "e2", "title": GORY}, {"item_id": "e3", "title": GORY})
        listed(server.url, "e2", "e3")
        found = client.validate(
            api.RankRequest(["e2", "1"], user="ann", policy=[{"name": "tail", "strength": 0.5}])
        )
    reviewed, tail = found.steps
    assert (reviewed.name, reviewed.source, reviewed.settings) == ("reviewed", "server", {})
    assert reviewed.removed == {"e2": "held for review: is like texts that were labelled (1.00)"}
    assert (tail.name, tail.source) == ("tail", "request")
    assert [item.id for item in found.ranking.items] == ["1"]


def test_verdicts_are_about_the_text_that_was_read(server: Server) -> None:
    with Client(server.url) as client:
        client.put_items({"item_id": "f1", "title": GORY})
        read = client.review("f1").fingerprint
        client.put_items({"item_id": "f1", "title": f"{GORY}, again"})
        refused = post(server.url, "f1", verdict="approve", by="grace", why="fine", fingerprint=read)
        assert refused == (422, "the item has another text by now: read it again, then decide")
        now = client.review("f1")
        assert client.approve("f1", by="grace", why="fine", fingerprint=now.fingerprint).status == "approved"
        client.put_items({"item_id": "f1", "title": f"{GORY}, again", "genres": ""})
        assert client.review("f1").status == "approved"
        client.put_items({"item_id": "f1", "title": GORY})
        assert client.review("f1").status == "held"
        log = client.review("f1").log
        assert [(line.verdict, line.by) for line in log] == [
            ("screened", "screen"),
            ("screened", "screen"),
            ("approve", "grace"),
            ("screened", "screen"),
        ]


def test_a_rejected_item_stays_so_whatever_is_put_and_after_a_restart(server: Server, other: Server) -> None:
    with Client(server.url) as client:
        assert client.reject("50", by="grace", why="stolen").status == "rejected"
        client.put_items({"item_id": "50", "title": HARMLESS}, {"item_id": "g1", "title": GORY})
        assert listed(server.url, "50", "1") == (["1"], {"50": "rejected: stolen"})
    server.kill()
    server.start()
    assert listed(server.url, "50", "g1", "1")[0] == ["1"]
    with Client(other.url) as client:
        assert listed(other.url, "50", "g1", "1")[0] == ["1"]
        assert client.approve("g1", by="grace", why="art").status == "approved"
        assert listed(server.url, "50", "g1", "1")[0] == ["1", "g1"]


def test_what_makes_no_sense_is_refused(server: Server) -> None:
    verdict = {"verdict": "approve", "by": "grace", "why": "fine"}
    assert post(server.url, "soup", **verdict) == (404, "there is no item 'soup'")
    assert httpx.get(f"{server.url}/v1/review/1").status_code == 404
    for change in ({"verdict": "maybe"}, {"by": ""}, {"why": ""}, {"reason": "none"}):
        status, _ = post(server.url, "1", **{**verdict, **change})
        assert status == 422, change
    assert "did you mean `verdict`" in post(server.url, "1", **verdict, verdit="reject")[1]


def test_a_verdict_outlives_the_training_of_a_model_that_knows_the_item(model: Path, tmp_path: Path) -> None:
    async def body() -> list[str]:
        state = open_state(str(tmp_path / "state"))
        await state.change_items([Entry("50", "reject", "grace", "stolen", 1.0).as_change()])
        found = await with_changes(LoadedModel.load(model), state, None)
        await state.close()
        return found.reranker.rank([], ["50", "1"]).item_ids

    assert asyncio.run(body()) == ["1"]


def test_items_of_the_model_are_held_while_it_serves(server: Server, state: Path) -> None:
    found = {"181": Judgement("a", {"": True}, "says 'war'", None)}
    assert listed(server.url, "181", "1")[0] == ["1", "181"]
    assert asyncio.run(hold(str(state), found)) == 1
    assert listed(server.url, "181", "1") == (["1"], {"181": "held for review: says 'war'"})


def test_a_copy_of_a_best_seller_waits_with_what_it_was_copied_from(
    model: Path, encoder: TextEncoder, tmp_path: Path
) -> None:
    served = LoadedModel.load(model)
    best = served.reranker.catalogue.items["item_id"][int(served.reranker.catalogue.counts.argmax())]
    title = served.columns(best)["title"]
    template = next(iter(served.encoders.values())).template
    Screen(template, pushed=0.001).write(tmp_path / "screen.json")
    with (
        Server(model, tmp_path / "state", "--screen", str(tmp_path / "screen.json")) as running,
        Client(running.url) as client,
    ):
        columns = {name: value for name, value in served.columns(best).items() if name != "item_id"}
        client.put_items({"item_id": "h1", **columns}, {"item_id": best, **columns})
        why = f"has the words of '{best}', a best seller"
        assert listed(running.url, "h1", best) == ([best], {"h1": f"held for review: {why}"})
        [waiting] = client.review_queue().held
        assert (waiting.item_id, waiting.why) == ("h1", why)
        assert title in waiting.text
        assert client.approve("h1", by="grace", why="a new edition").status == "approved"
        assert listed(running.url, "h1")[0] == ["h1"]


def post(url: str, item: str, **verdict: Any) -> tuple[int, str]:
    response = httpx.post(f"{url}/v1/review/{item}", json=verdict)
    return response.status_code, response.json().get("error", "")

"""Files that the page at `/` shows something of: a story, and an evaluation with what policies cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import DecodeError, Struct

from tailrank.api_page import Price, Prices, Story
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker
from tailrank.server.decoding import Body

T = TypeVar("T")

NAMED: Final = 3
"""Unknown items that a message names."""


class _Point(Struct):
    value: float | None
    test: dict[str, float | None]


class _Curve(Struct):
    dial: str
    points: list[_Point]


class _Frontier(Struct):
    queries: tuple[int, int]
    plain: _Point
    curves: list[_Curve]


class _Evaluation(Struct):
    dataset: str
    frontier: _Frontier | None = None


def read_story(file: Path) -> Story:
    """Read users to begin with.

    Raises
    ------
    RequestError
        If the file can't be read, or holds something else.
    """
    return _read(file, Story)


def check_story(story: Story, reranker: Reranker) -> None:
    """Check that a model knows the items of a story.

    Raises
    ------
    RequestError
        Naming the user and the first of the items that it doesn't know.
    """
    for user in story.users:
        unknown = reranker.catalogue.unknown([*user.history, user.target], "item")
        if unknown:
            named = ", ".join(repr(item[:40]) for item in unknown[:NAMED])
            raise RequestError(
                f"--story: user {user.id[:40]!r} has {len(unknown)} items that the model doesn't know, such "
                f"as {named}: write the story again for this model"
            )


def read_prices(file: Path) -> Prices:
    """Read what policies cost from the `metrics.json` of `tailrank evaluate --frontier`.

    Raises
    ------
    RequestError
        If the file can't be read, or holds something else, or no frontier.
    """
    found = _read(file, _Evaluation)
    frontier = found.frontier
    if frontier is None:
        raise RequestError(
            f"{file}: no policy was measured: write it by `tailrank evaluate --frontier tail,mmr`"
        )
    plain = frontier.plain.test
    dials = {
        curve.dial: [_price(each.value or 0.0, each.test, plain) for each in (frontier.plain, *curve.points)]
        for curve in frontier.curves
    }
    return Prices(found.dataset, frontier.queries[1], dials)


def _price(at: float, metrics: dict[str, float | None], plain: dict[str, float | None]) -> Price:
    before, now = plain.get("ndcg@10") or 0.0, metrics.get("ndcg@10") or 0.0
    loss = 1 - now / before if before else 0.0
    return Price(at, loss, metrics.get("aplt@10") or 0.0, metrics.get("ild@10"))


def _read(file: Path, shape: type[T]) -> T:
    try:
        found: T = Body[Any](shape).decode(file.read_bytes())
    except OSError as why:
        raise RequestError(f"{file}: can't be read ({why.strerror}): name another file") from None
    except msgspec.ValidationError as why:
        raise RequestError(f"{file}: {why}") from None
    except (DecodeError, UnicodeDecodeError) as why:
        raise RequestError(f"{file}: no JSON ({why})") from None
    return found

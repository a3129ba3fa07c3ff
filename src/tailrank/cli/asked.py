"""What `tailrank rank` is asked with: the user's history, and the recommender's own scores."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tailrank.cli import options
from tailrank.data.histories import Event, History
from tailrank.errors import RequestError, needs


def asked_history(
    ids: list[str] | None, user: str | None, state: str | None
) -> Sequence[str | Event] | History:
    """Take the user's history from the ids given, from a data folder, or from what a server stores.

    Raises
    ------
    RequestError
        Unless either ids are given or both a user and a state; if the state can't be read.
    """
    if ids is not None and user is None and state is None:
        return ids
    if ids is None and user is not None and state is not None:
        if options.is_state(state):
            return _stored(user, state)
        return options.load(state).history(user)
    raise RequestError(
        "name the user's history: either --history a,b (which may be empty: ''), or --user U --state PLACE"
    )


def _stored(user: str, location: str) -> History:
    with needs("--state of a server", "server"):
        from tailrank.state.open import open_state

    async def read() -> History:
        state = open_state(location)
        try:
            return (await state.read(user)).history
        finally:
            await state.close()

    return asyncio.run(read())


def asked_scores(given: list[str]) -> list[float] | dict[str, list[float]] | None:
    """Read scores: none, one unnamed list, or lists by name.

    Raises
    ------
    RequestError
        If several lists aren't told apart by names, or one holds something else than numbers.
    """
    if len(given) <= 1 and not any("=" in text for text in given):
        return _numbers(given[0]) if given else None
    named = [text.partition("=") for text in given]
    if not all(equals for _, equals, _ in named) or len({name.strip() for name, _, _ in named}) < len(named):
        raise RequestError(
            "--scores: give each of several lists a name of its own: --scores als=0.9,0.7 --scores ncf=1,2"
        )
    return {name.strip(): _numbers(numbers) for name, _, numbers in named}


def _numbers(scores: str) -> list[float]:
    try:
        return [float(score) for score in options.comma_separated(scores)]
    except ValueError as wrong:
        raise RequestError(f"--scores: {wrong}: give numbers, one a candidate") from None

"""`tailrank rank-all`: the lists of many users, to a folder of Parquet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.data.histories import History
from tailrank.errors import needs
from tailrank.ranking.part_ranking import PartRanking, open_model
from tailrank.ranking.rankings_folder import RankingsFolder, RankingsManifest
from tailrank.ranking.storage import model_manifest
from tailrank.ranking.user_lists import ReadHistories, UserLists
from tailrank.reporting import Progress, duration, step


def rank_all(
    model: Annotated[Path, typer.Option(help="Model folder.")],
    candidates: Annotated[
        Path,
        typer.Option(help="Table of user_id, item_id and perhaps score or position: a row a candidate."),
    ],
    state: Annotated[
        str,
        typer.Option(
            callback=options.location,
            help="Where the users' events are: a data folder, or a server's state; @FILE: what it says.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the rankings; one that was begun is gone on with.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Length of each list.")] = 10,
    users: Annotated[
        Path | None, typer.Option(help="Table with the user_id of those to rank for; else all.")
    ] = None,
    policies: options.Policies = None,
    part: Annotated[int, typer.Option(min=1, help="Users in a file.")] = 1_000,
    on: options.On = None,
) -> None:
    """Rank the candidates of many users; an interrupted run goes on where it was."""
    steps, where, shared = options.policies(policies), model.resolve(), on is not None
    with progress_bars() as progress, step(progress, f"reading {model}"):
        version = model_manifest(model).sha256
        reranker = open_model(where, version, shared)  # as parts ask for it, so that it is read once
    with _events_of(state, reranker.settings.max_history) as events, progress_bars() as progress:
        with step(progress, f"reading {candidates}"):
            lists = UserLists.read(candidates, reranker.item_ids, events.users, users)
        made_from = RankingsManifest(
            version, lists.fingerprint, events.fingerprint, steps.version, k, len(lists), part, time.time()
        )
        place = RankingsFolder.begin(out.resolve(), made_from)
        how = PartRanking(where, place, steps.steps, shared)
        began = time.perf_counter()
        ranked = _write(how, lists, events, on, progress)
    seconds = time.perf_counter() - began
    before = len(lists) - ranked
    typer.echo(
        f"{out}: lists of {ranked:,} users in {duration(seconds)}"
        + (f" ({ranked / seconds:,.0f} users/s)" if ranked else "")
        + (f"; {before:,} were there" if before else "")
    )


def _write(how: PartRanking, lists: UserLists, events: _Events, on: str | None, progress: Progress) -> int:
    """Rank the parts that are missing; returns of how many users."""
    missing, size = how.place.missing(), how.place.manifest.users_per_part
    parts = lists.parts(missing, size, events.latest)
    total = sum(min(size, len(lists) - number * size) for number in missing)
    done = 0
    with ExitStack() as stack:
        if on is None or not missing:
            written = how.write_all(parts)
        else:
            from tailrank.scale.on_ray import ray_cluster
            from tailrank.scale.ranking import write_parts

            written = write_parts(stack.enter_context(ray_cluster(on)), how, parts)
        progress("ranking users", done, total)
        for number in written:
            done += number
            progress("ranking users", done, total)
    how.place.clean()
    return done


class _Events(NamedTuple):
    """Where histories come from: who has one (None: anyone may), what they are, and how to read them."""

    users: Sequence[str] | None
    fingerprint: str
    latest: ReadHistories


@contextmanager
def _events_of(location: str, n: int) -> Iterator[_Events]:
    """Open a data folder, or a state, whose events go on changing, so that it has no fingerprint."""
    if not options.is_state(location):
        dataset = options.load(location)
        yield _Events(dataset.user_ids.to_list(), dataset.fingerprint, partial(dataset.latest, n=n))
        return
    with needs("--state of a server", "server"):
        from tailrank.state.open import open_state
    with asyncio.Runner() as runner:
        state = open_state(location)

        async def read(users: Sequence[str]) -> list[History]:
            return [(await state.read(user)).history for user in users]

        try:
            yield _Events(None, "state", lambda users: runner.run(read(users)))
        finally:
            runner.run(state.close())

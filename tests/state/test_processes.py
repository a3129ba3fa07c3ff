"""Several processes share a state, and may be killed."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from state_helpers import answer, event, python, run

from tailrank.state.base import State, StateError
from tailrank.state.open import open_state

OTHER = """
    async def main(location):
        state = open_state(location)
        for line in sys.stdin:
            user, item = line.split()
            await state.append([StoredEvent(item, user, item, "click", 1e9)])
            print(len((await state.read(user)).history.items), flush=True)
        await state.close()

    asyncio.run(main(sys.argv[1]))
"""


def test_what_one_process_has_stored_the_next_read_of_another_sees(location: str) -> None:
    async def body(state: State) -> None:
        other = python(OTHER, location)
        try:
            for n in range(0, 200, 2):
                theirs = int(answer(other, f"u{n % 10} theirs{n}"))
                read = (await state.read(f"u{n % 10}")).history.items
                assert read[-1] == f"theirs{n}"
                assert len(read) == theirs
                await state.append([event(user=f"u{n % 10}", item=f"ours{n}", at=1e9)])
        finally:
            other.communicate()
        assert other.returncode == 0

    run(body, location)


INGEST = """
    async def main(location, run):
        state = open_state(location)
        async def connection(c):
            for n in range(45):
                item, users = f"{run}-{c}-{n}", [f"u{run}-{c}-{b}" for b in range(3)]
                await state.append([StoredEvent(item, user, item, "click", 1e9 + n) for user in users])
                print(c, n, flush=True)
        await asyncio.gather(*map(connection, range(8)))

    asyncio.run(main(*sys.argv[1:]))
"""


def test_what_was_acknowledged_survives_kill_9(location: str) -> None:
    for attempt in range(3):
        ingest = python(INGEST, location, str(attempt))
        acknowledged = [answer(ingest) for _ in range(40 + 60 * attempt)]
        os.kill(ingest.pid, signal.SIGKILL)
        assert ingest.stdout
        acknowledged += ingest.stdout.readlines()  # `communicate` loses what `readline` has read
        ingest.communicate()
        whole = [line for line in acknowledged if line.endswith("\n")]  # the last one may have been cut
        stored = {int(c): int(n) for c, n in map(str.split, whole)}

        async def body(state: State, attempt: int = attempt, stored: dict[int, int] = stored) -> None:
            for c, n in stored.items():
                for b in range(3):
                    found = (await state.read(f"u{attempt}-{c}-{b}")).history.items
                    assert found[: n + 1] == [f"{attempt}-{c}-{i}" for i in range(n + 1)]

        assert stored
        run(body, location)


def test_after_closing_nothing_is_stored(tmp_path: Path) -> None:
    async def body() -> None:
        state = open_state(str(tmp_path / "state"))
        pending = asyncio.gather(*(state.append([event(item=f"i{n}")]) for n in range(20)))
        await asyncio.sleep(0)
        await state.close()
        assert await pending == [1] * 20
        with pytest.raises(StateError, match="closed"):
            await state.append([event()])
        with pytest.raises(StateError, match="closed"):
            await state.read("ann")

    asyncio.run(body())

"""`tailrank rank-all`: lists of many users are those of one request each, wherever it runs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from tailrank import Dataset, Reranker, Settings
from tailrank.cli.main import app
from tailrank.errors import ModelError, TailrankError
from tailrank.policy.base import Scored
from tailrank.ranking.part_ranking import PartRanking
from tailrank.ranking.rankings_folder import RankingsFolder, RankingsManifest
from tailrank.ranking.storage import model_manifest
from tailrank.ranking.user_lists import UserLists
from tailrank.state.base import StoredEvent
from tailrank.state.open import open_state

USERS, LONG = 60, 40
"""Users of MovieLens, and candidates of each."""


@dataclass(frozen=True)
class Place:
    """What a run needs: a data folder, a model, candidates."""

    data: Path
    model: Path
    candidates: Path

    def run(self, out: Path, *options: object, **changed: object) -> Result:
        given = {"model": self.model, "candidates": self.candidates, "state": self.data, "out": out} | changed
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return CliRunner().invoke(app, ["rank-all", *words, *map(str, options)])

    def refusal(self, out: Path, *options: object, **changed: object) -> str:
        error = self.run(out, *options, **changed).exception
        assert isinstance(error, TailrankError), error
        return str(error)


@pytest.fixture(scope="module")
def place(movielens: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder, h = tmp_path_factory.mktemp("movies"), movielens.histories
    few = replace(
        movielens,
        user_ids=movielens.user_ids[:USERS],
        histories=h.cut(h.offsets[:USERS], h.offsets[1 : USERS + 1]),
    )
    data, h = folder / "data", few.histories
    data.mkdir()
    few.items.write_parquet(data / "items.parquet")
    events = {"user_id": few.user_ids.gather(h.owners), "item_id": few.items["item_id"].gather(h.items)}
    pl.DataFrame({**events, "timestamp": h.times}).write_parquet(data / "events.parquet")
    Reranker.fit(Dataset.load(data), None, Settings(max_history=20)).save(folder / "model")
    rng = np.random.default_rng(0)
    codes = [rng.choice(few.n_items, LONG, replace=False) for _ in range(USERS)]
    rows = {
        "user_id": np.repeat(few.user_ids.to_numpy(), LONG),
        "item_id": np.array(few.item_ids)[np.concatenate(codes)],
        "score": rng.normal(size=USERS * LONG),
    }
    pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=1).write_csv(folder / "candidates.csv")
    return Place(data, folder / "model", folder / "candidates.csv")


@pytest.fixture(scope="module")
def done(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All lists, 25 users a part."""
    out = tmp_path_factory.mktemp("done") / "lists"
    result = place.run(out, "--part", 25, "-k", 7)
    assert result.exit_code == 0, result.output
    assert f"lists of {USERS} users" in result.output
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_each_list_is_that_of_a_request_of_its_own(place: Place, done: Path) -> None:
    reranker, data = Reranker.load(place.model), Dataset.load(place.data)
    given = pl.read_csv(place.candidates, schema_overrides=[pl.String, pl.String, pl.Float64])
    found = pl.concat(pl.read_parquet(path).with_columns(part=pl.lit(path.name)) for path in done.glob("p*"))
    assert found.group_by("part").agg(pl.col("user_id").n_unique()).sort("part")["user_id"].to_list() == [
        25,
        25,
        10,
    ]
    assert found.group_by("user_id").agg(pl.col("part").n_unique())["part"].to_list() == [1] * USERS
    for user in data.user_ids:
        offered = given.filter(user_id=user).sort("score", descending=True)
        one = reranker.rank(
            data.history(user), offered["item_id"].to_list(), scores=offered["score"].to_list(), k=7
        )
        rows = found.filter(user_id=user)
        assert rows["rank"].to_list() == list(range(1, 8))
        assert rows["item_id"].to_list() == one.item_ids
        assert rows["score"].to_list() == pytest.approx(one.scores, abs=1e-5)


def test_a_run_that_was_killed_is_gone_on_with(place: Place, done: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "lists", tmp_path / "whole"
    command = (
        f"import sys; from tailrank.cli.main import main; sys.argv[1:] = {['rank-all', '--part', '1']!r}"
    )
    words = ("--model", place.model, "--candidates", place.candidates, "--state", place.data, "--out", out)
    command += f" + {[str(word) for word in words]!r}; main()"
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.DEVNULL) as running:
        while not list(out.glob("part-00002*")) and running.poll() is None:
            time.sleep(0.001)
        running.kill()
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert running.returncode == -signal.SIGKILL
    assert 3 <= len(before) < USERS
    (out / ".part-00059.parquet.killed").mkdir()
    result = place.run(out, "--part", 1)
    assert f"{len(before)} were there" in result.output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(out.glob(".*"))
    assert place.run(whole, "--part", 1).exit_code == 0
    assert files(out) == files(whole)
    assert f"lists of 0 users in 0.0 s; {USERS} were there" in place.run(out, "--part", 1).output


def test_a_folder_goes_on_with_what_it_was_begun_with_only(place: Place, done: Path, tmp_path: Path) -> None:
    policies, fewer, other = tmp_path / "p.toml", tmp_path / "few.csv", tmp_path / "model"
    policies.write_text('[[policy]]\nname = "tail"\nstrength = 0.5\n')
    pl.read_csv(place.candidates).head(-1).write_csv(fewer)
    Reranker.fit(Dataset.load(place.data), None, Settings(seed=1)).save(other)
    same = "--part", 25, "-k", 7
    assert "another length (-k): k is 7 there, 8 now" in place.refusal(done, "--part", 25, "-k", 8)
    assert "parts of another size" in place.refusal(done, "--part", 24, "-k", 7)
    assert "other policies" in place.refusal(done, *same, "--policies", policies)
    assert "other candidates or users" in place.refusal(done, *same, candidates=fewer)
    assert "another model" in place.refusal(done, *same, model=other)
    assert "is no folder of rankings, but a data folder" in place.refusal(place.data, *same)


def changed(place: Place, folder: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(folder / "changed.parquet")
    return folder / "changed.parquet"


def test_what_is_wrong_with_the_candidates_is_said_with_its_row(place: Place, tmp_path: Path) -> None:
    given, out = pl.read_csv(place.candidates), tmp_path / "lists"
    for frame, words in (
        (given.drop("item_id"), "missing columns (1): item_id. Add them"),
        (given.with_columns(bid=1), "unknown columns (1): bid. Leave them out; there are user_id, item_id"),
        (
            given.with_columns(item_id=pl.lit("new")).tail(2).extend(given[:1].cast({"item_id": pl.String})),
            "item_id that isn't in the model (2): row 1 has 'new'",
        ),
        (
            given.with_columns(user_id=pl.lit("ann")),
            "user_id that isn't in the events (2400)",
        ),
        (given.with_columns(score=pl.lit("high")), "missing or unreadable score"),
    ):
        error = place.refusal(out, candidates=changed(place, tmp_path, frame))
        assert words in error, error
    assert not out.exists()
    assert "no such file" in place.refusal(out, candidates=tmp_path / "none.parquet")


def test_users_of_a_file_are_ranked_for_and_no_others(place: Place, done: Path, tmp_path: Path) -> None:
    some = pl.read_parquet(done / "part-00001.parquet")
    users = changed(place, tmp_path, some.select("user_id").unique())
    assert place.run(tmp_path / "lists", "--users", users, "-k", 7, "--part", 25).exit_code == 0
    assert files(tmp_path / "lists") == {"part-00000.parquet": files(done)["part-00001.parquet"]}
    unknown = changed(place, tmp_path, pl.DataFrame({"user_id": ["ann"]}))
    assert "row 1 has 'ann'. Drop these rows, or give their candidates" in place.refusal(
        tmp_path / "other", "--users", unknown
    )


def test_the_events_may_be_those_that_a_server_stores(place: Place, done: Path, tmp_path: Path) -> None:
    data, location = Dataset.load(place.data), str(tmp_path / "state")

    async def store() -> None:
        state = open_state(location)
        for user in data.user_ids:
            events = [
                StoredEvent(str(at), user, event.item_id, event.event or "", event.timestamp or 0)
                for at, event in enumerate(data.history(user))
            ]
            await state.append(events)
        await state.close()

    asyncio.run(store())
    out = tmp_path / "lists"
    result = place.run(out, "--part", 25, "-k", 7, state=location)
    assert result.exit_code == 0, result.output
    for name in files(done):
        assert pl.read_parquet(out / name).drop("score").equals(pl.read_parquet(done / name).drop("score"))


def test_ray_is_asked_for_by_its_name(place: Place, tmp_path: Path) -> None:
    assert "give `ray`, or `ray://HOST:PORT`" in place.refusal(tmp_path / "lists", "--on", "spark")


@dataclass(frozen=True)
class KilledOnce:
    """A step whose process dies the first time, as if memory had run out."""

    marker: str

    name: ClassVar[str] = "killed once"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return scored
        os.kill(os.getpid(), signal.SIGKILL)
        return scored


def ranking_of(place: Place, out: Path, **changes: Any) -> tuple[UserLists, PartRanking]:
    reranker = Reranker.load(place.model)
    lists = UserLists.read(place.candidates, reranker.item_ids)
    version = model_manifest(place.model).sha256
    manifest = RankingsManifest(version, lists.fingerprint, "", "", 7, len(lists), 25, 1.7e9)
    folder = RankingsFolder.begin(out, replace(manifest, **changes))
    return lists, PartRanking(place.model, folder, shared=True)


def test_on_ray_files_are_the_same_bit_by_bit(on_ray: Any, place: Place, done: Path, tmp_path: Path) -> None:
    from tailrank.scale.ranking import write_parts

    data = Dataset.load(place.data)
    lists, how = ranking_of(place, tmp_path / "lists")
    killed = replace(how, standing=[KilledOnce(str(tmp_path / "killed"))])
    on_ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    parts = lists.parts(how.place.missing(), 25, lambda users: data.latest(users, 20))
    assert sum(write_parts(on_ray, killed, parts)) == USERS
    assert (tmp_path / "killed").exists()
    assert files(tmp_path / "lists") == files(done)


def test_what_fails_on_ray_is_said_as_it_is_here(on_ray: Any, place: Place, tmp_path: Path) -> None:
    from tailrank.scale.ranking import write_parts

    lists, how = ranking_of(place, tmp_path / "lists", model="0" * 64)
    parts = list(lists.parts([0], 25, lambda users: Dataset.load(place.data).latest(users, 20)))
    with pytest.raises(ModelError, match="another model than when ranking began") as failed:
        list(write_parts(on_ray, how, parts))
    assert failed.type is ModelError

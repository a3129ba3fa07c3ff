"""`tailrank train --memory` and `--on ray`: what is counted and ranked in parts makes the same model."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from tailrank.arrays import Offsets
from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.sampled_candidates import Drawing
from tailrank.ranking.weighing import TAIL_QUERIES
from tailrank.scale.on_ray import run_tasks
from tailrank.signals.covisitation import CoVisitation, ItemKNN, ItemToItem
from tailrank.signals.out_of_core import OutOfCore
from tailrank.signals.shared_users import SharedUsers
from tailrank.signals.user_blocks import Blocks

PLENTY = 10**10


@pytest.fixture(scope="module")
def few(movielens: Dataset) -> Dataset:
    """The first users of MovieLens."""
    h = movielens.histories
    return replace(
        movielens, user_ids=movielens.user_ids[:60], histories=h.cut(h.offsets[:60], h.offsets[1:61])
    )


@pytest.fixture(scope="module")
def shop(few: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their data folder: events in a folder of days."""
    folder, h = tmp_path_factory.mktemp("shop") / "data", few.histories
    folder.mkdir()
    few.items.select("item_id", "title").write_parquet(folder / "items.parquet")
    ids = {"user_id": few.user_ids.gather(h.owners), "item_id": few.items["item_id"].gather(h.items)}
    events = pl.DataFrame({**ids, "timestamp": h.times})
    events = events.with_columns(day=pl.from_epoch("timestamp").dt.date().cast(pl.String))
    for (day,), of_day in events.group_by("day"):
        place = folder / "events" / f"day={day}"
        place.mkdir(parents=True)
        of_day.drop("day").write_parquet(place / "part-0.parquet")
    return folder


def train(shop: Path, out: Path, *options: str) -> Result:
    words = ["train", "--data", str(shop), "--out", str(out), "--fast", "--encoder", "none", *options]
    return CliRunner().invoke(app, words)


def arrays(model: Path) -> dict[str, bytes]:
    return {
        f"{path.name}/{name}": array.tobytes()
        for path in model.rglob("*.safetensors")
        for name, array in load_file(path).items()
    }


def test_a_bound_of_memory_changes_nothing_in_the_model(shop: Path, tmp_path: Path) -> None:
    plain, bounded = (
        train(shop, tmp_path / "plain"),
        train(shop, tmp_path / "bounded", "--memory", "20GB"),
    )
    assert plain.exit_code == bounded.exit_code == 0, plain.output + bounded.output
    assert "memory at its peak" in bounded.output
    assert "memory at its peak" not in plain.output
    found = arrays(tmp_path / "plain")
    assert any("item-knn" in name for name in found)
    assert arrays(tmp_path / "bounded") == found
    assert {path.name for path in tmp_path.iterdir()} == {"plain", "bounded"}


def test_too_little_memory_is_refused_before_anything_is_encoded(shop: Path, tmp_path: Path) -> None:
    refused = train(shop, tmp_path / "model", "--memory", "10MB")
    assert isinstance(refused.exception, RequestError)
    assert "--memory 10MB is too little" in str(refused.exception)
    assert "Plan: signals" not in refused.output
    assert isinstance(wrong := train(shop, tmp_path / "model", "--memory", "4").exception, RequestError)
    assert "write it as 500MB or 4GB" in str(wrong)


@dataclass(frozen=True)
class KilledOnce(SharedUsers):
    """Counts in a process that dies the first time, as if memory had run out."""

    marker: str = ""

    def rows(self, read: Blocks, cut: Sequence[slice], totals: Offsets, at_once: int) -> list[Any]:
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return super().rows(read, cut, totals, at_once)
        os.kill(os.getpid(), signal.SIGKILL)
        return []


def test_shards_whose_worker_dies_are_counted_again(
    on_ray: Any, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrank.signals.out_of_core.MOST", 100_000)
    monkeypatch.setattr("tailrank.signals.out_of_core.ALONE", 2)
    on_ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    counting = OutOfCore(PLENTY, tmp_path / "place", partial(run_tasks, on_ray))
    found = counting.strongest(KilledOnce(marker=str(tmp_path / "killed")), few)
    assert (tmp_path / "killed").exists()
    want = ItemKNN.counted(few)
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(want, name))


@pytest.mark.parametrize("kind", [CoVisitation, ItemKNN])
def test_on_ray_counts_are_those_of_one_process(
    kind: type[ItemToItem], on_ray: Any, few: Dataset, tmp_path: Path
) -> None:
    counting = OutOfCore(PLENTY, tmp_path, partial(run_tasks, on_ray))
    found, want = kind.from_events(few, counting).rows, kind.from_events(few).rows
    assert found.columns.whole.tobytes() == want.columns.whole.tobytes()
    assert found.values.whole.tobytes() == want.values.whole.tobytes()


@dataclass(frozen=True)
class Mortal:
    """Does parts of work in processes of which one dies while it draws candidates."""

    run: Callable[..., Iterable[Any]]
    marker: Path

    def __call__(
        self, function: Callable[[Any, Any], Any], shared: Any, parts: Iterable[Any]
    ) -> Iterable[Any]:
        return self.run(self.done, (function, shared, self.marker), parts)

    @staticmethod
    def done(what: tuple[Callable[[Any, Any], Any], Any, Path], part: Any) -> Any:
        function, shared, marker = what
        if shared[0] is Drawing.drawn and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return function(shared, part)


def test_fusion_learns_the_same_on_ray_though_a_worker_dies(
    on_ray: Any, movielens_split: Split, tmp_path: Path
) -> None:
    on_ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    few = replace(movielens_split, validation=movielens_split.validation.sample(TAIL_QUERIES, seed=0))
    Reranker.fit(few, None).save(tmp_path / "here")
    run = Mortal(partial(run_tasks, on_ray), tmp_path / "killed")
    Reranker.fit(few, None, run=run).save(tmp_path / "there")
    assert (tmp_path / "killed").exists()
    assert arrays(tmp_path / "there") == arrays(tmp_path / "here")

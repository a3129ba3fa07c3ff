"""Pairs of items counted in parts are, bit by bit, those counted all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.memory import resident
from tailrank.signals.covisitation import CoVisitation, ItemKNN, ItemToItem
from tailrank.signals.out_of_core import OutOfCore, Plan, Shards, check_memory
from tailrank.signals.shared_users import SharedUsers
from tailrank.signals.user_blocks import Blocks

KINDS = (CoVisitation, ItemKNN)


@pytest.fixture(scope="module")
def few(movielens: Dataset) -> Dataset:
    """The first users of MovieLens."""
    h = movielens.histories
    return replace(movielens, histories=h.cut(h.offsets[:40], h.offsets[1:41]))


def rows(signal: ItemToItem) -> list[bytes]:
    stored = signal.rows
    return [a.tobytes() for a in (stored.starts, stored.lengths, stored.columns.whole, stored.values.whole)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "plan", [Plan(10**6, 10**6), Plan(1_500, 30_000), Plan(300, 10**6), Plan(10**6, 10_000)], ids=str
)
def test_parts_of_any_size_give_the_same(
    kind: type[ItemToItem], plan: Plan, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "within", lambda *given: plan)
    assert rows(kind.from_events(few, OutOfCore(0, tmp_path))) == rows(kind.from_events(few))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_enough_for_all_of_movielens(
    kind: type[ItemToItem], movielens: Dataset, tmp_path: Path
) -> None:
    told = []
    counting = OutOfCore(resident() + 200_000_000, tmp_path, progress=lambda *words: told.append(words))
    assert rows(kind.from_events(movielens, counting)) == rows(kind.from_events(movielens))
    assert told[-1] == ("counting pairs of items", len(told) - 1, len(told) - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_shards_may_be_counted_twice_and_in_any_order(
    kind: type[ItemToItem], few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def run(function: Callable[[Any, Any], Any], shared: Any, parts: Iterable[Any]) -> Iterator[Any]:
        cut = list(parts)
        seen.append(len(cut))
        for part in [*reversed(cut), cut[0]]:
            yield function(shared, part)

    monkeypatch.setattr(Plan, "within", lambda *given: Plan(2_000, 20_000))
    monkeypatch.setattr("tailrank.signals.out_of_core.PER_SHARD", 2)
    assert rows(kind.from_events(few, OutOfCore(0, tmp_path, run))) == rows(kind.from_events(few))
    assert seen[0] > 3


@pytest.mark.parametrize("kind", KINDS)
def test_users_with_single_events_and_items_without_any_have_no_pairs(
    kind: type[ItemToItem], few: Dataset, tmp_path: Path
) -> None:
    h = few.histories
    single = replace(few, histories=h.cut(h.offsets[:-1], h.offsets[:-1] + 1))
    counting = OutOfCore(resident() + 200_000_000, tmp_path)
    assert not len(kind.from_events(single, counting).rows.columns)


def test_too_little_memory_is_refused_with_what_is_needed_and_counting_takes_the_least(
    few: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=r"--memory 10MB is too little.* Give (\d+)MB") as refused:
        check_memory(10_000_000, SharedUsers(), few)
    needed = int(str(refused.value).rpartition("Give ")[2].removesuffix("MB"))
    check_memory(1_000_000 * (needed + 50), SharedUsers(), few)
    assert ItemKNN.from_events(few, OutOfCore(10_000_000, tmp_path)).rows.columns.whole.any()


def test_blocks_hold_what_they_were_made_of(few: Dataset, tmp_path: Path) -> None:
    shards = Shards.write(tmp_path, CoVisitation.pair_count(), few, Plan(1_000, 10**6))
    assert shards.n_blocks > 3
    assert np.array_equal(np.load(tmp_path / "totals.npy"), few.counts)
    assert [(shard.start, shard.stop) for shard in shards.cut()] == [(0, few.n_items)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_fits_is_one_block(kind: type[ItemToItem], few: Dataset, tmp_path: Path) -> None:
    counting = OutOfCore(resident() + 200_000_000, tmp_path)
    plan = Plan.within(counting.memory, kind.pair_count(), few)
    assert Shards.write(tmp_path, kind.pair_count(), few, plan).n_blocks == 1


def test_products_of_users_have_indices_of_32_bits(few: Dataset, tmp_path: Path) -> None:
    """With one array of 64 bits, scipy would copy a whole block to 64 bits for each product."""
    shards = Shards.write(tmp_path, SharedUsers(), few, Plan(10**6, 10**6))
    read, totals = Blocks(tmp_path, shards.n_blocks), np.load(tmp_path / "totals.npy")
    [found] = SharedUsers().rows(read, [slice(0, few.n_items)], totals, shards.at_once)
    assert found.indices.dtype == np.int32
    assert ItemKNN.counted(few).indices.dtype == np.int32

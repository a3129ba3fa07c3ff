"""Arrays with room behind them, against arrays that are copied."""

import copy

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tailrank.signals.appendable import AppendableArray, VectorTable
from tailrank.signals.room import SPARE, Room

SIZES = st.integers(0, 3 * SPARE)


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), SIZES), min_size=1, max_size=12))
def test_whatever_is_extended_nothing_else_changes(steps: list[tuple[float, int]]) -> None:
    room, held = Room(), [np.arange(5.0)]
    copies = [held[0].copy()]
    for nth, (which, n) in enumerate(steps):
        at = int(which * len(held))
        rows = np.full(n, float(nth))
        [longer] = room.extended(len(held[at]) + n, (held[at], rows))
        held.append(longer)
        copies.append(np.concatenate([copies[at], rows]))
        assert all(map(np.array_equal, held, copies))


def test_one_more_row_costs_no_copy_of_all() -> None:
    room = Room()
    first, other = room.extended(6, (np.arange(5.0), 7.0), (np.arange(5), 8))
    second, _ = room.extended(7, (first, 9.0), (other, 8))
    assert np.shares_memory(first, second)
    assert (first.tolist(), second.tolist()) == ([0, 1, 2, 3, 4, 7], [0, 1, 2, 3, 4, 7, 9])
    assert room.extended(7, (second, 0.0))[0] is second


def test_a_copy_has_room_of_its_own() -> None:
    array = AppendableArray.from_array(np.arange(3)).appended(np.array([5]))
    twin = copy.deepcopy(array)
    assert array.appended(np.array([6])).whole.tolist() == [0, 1, 2, 5, 6]
    assert twin.appended(np.array([7])).whole.tolist() == [0, 1, 2, 5, 7]


def test_vectors_that_change_often_take_bounded_room() -> None:
    table = VectorTable.from_array(np.eye(3, dtype=np.float32))
    known, late = np.array([1], np.int32), np.array([3], np.int32)
    for turn in range(100):
        vector = np.full((1, 3), turn, np.float32)
        table = table.with_vectors(late, 4, vector).with_vectors(known, 4, -vector)
        assert table.take(np.array([0, 1, 3], np.int32))[:, 0].tolist() == [1, -turn, turn]
        assert len(table.vectors.more) <= 6
    assert len(table.arrays()["vectors"]) == 5

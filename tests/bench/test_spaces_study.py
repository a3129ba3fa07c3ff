"""The parts of the studies of spaces and of devices that decide what is compared."""

import numpy as np
import polars as pl

from bench import device, spaces


def test_the_truth_is_in_the_genres_and_half_of_it_is_taken_away() -> None:
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "genres": [["war", "drama"], ["drama"], None]})
    vectors = spaces.genre_vectors(items)
    np.testing.assert_allclose(vectors, [[0.5**0.5, 0.5**0.5], [1, 0], [0, 0]], rtol=1e-6)
    many = np.ones((1000, 2), np.float32)
    half = spaces.halved(many, 3)
    assert 430 < half.any(axis=1).sum() < 570
    np.testing.assert_array_equal(half, spaces.halved(many, 3))


def test_a_rate_counts_what_was_done_after_one_to_warm_up() -> None:
    calls = list[int]()

    def work() -> int:
        calls.append(1)
        return 5

    found = device.rate(work, 0, "cpu")
    assert len(calls) == 2
    assert found["per_second"] * found["measured_seconds"] == 5
    users = device.drawn_users(20)
    assert users.histories.lengths.tolist() == [device.EVENTS_A_USER] * 20

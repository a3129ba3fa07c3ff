"""A seller's texts in small, and who sees the item."""

import numpy as np

from bench import game


def test_texts_take_what_best_sellers_say() -> None:
    everyday = ["shop thing"] * 18
    texts = ["thing blue china cup", "thing blue china mug", *everyday, "thing of wood or steel"]
    found = game.attacks(texts, np.array([20]), np.array([0, 1]), seed=0)
    assert game.magnets(texts, np.array([0, 1]))[:2] == ["blue", "china"]
    [stuffed], words = found["5 words of best sellers"]
    assert stuffed.startswith("thing of wood or steel blue china")
    assert words.tolist() == [5]
    [half], words = found["a best seller's text, half"]
    assert half == "thing blue wood or steel"
    assert words.tolist() == [2]
    assert found["a best seller's text, whole"][0][0] in texts[:2]


def test_exposure_is_among_those_who_did_not_have_the_item() -> None:
    scores = np.tile(np.arange(12, dtype=np.float32), (4, 1))
    had = np.zeros((4, 12), bool)
    had[3, 5] = True
    own = np.array([0.5, 1.5, 11.5, 11.5], np.float32)
    assert game.exposure(own, 5, scores, had) == 2 / 3

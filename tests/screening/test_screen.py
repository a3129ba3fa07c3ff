"""Screens: what they hold, the file that they are, and how the classifier is fitted."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import precision_recall_curve

from tailrank.arrays import Doubles
from tailrank.errors import DataError, ModelError, RequestError
from tailrank.language.vectors import EncoderIdentity
from tailrank.screening.fitting import fit_classifier, quality_at, screen_from, threshold_for
from tailrank.screening.labels import read_labels
from tailrank.screening.screen import Screen

TINY = EncoderIdentity("tiny", "0" * 64, "{title}")


def screen() -> Screen:
    return Screen(
        "{title}", {"": ["fake"], "de": ["cbd"]}, TINY, [2.0, 0.0], -1.0, {"": 0.5, "de": 0.2, "fr": 0.9}
    )


def vectors(*rows: float) -> np.ndarray:
    return np.array([[row, 0] for row in rows], np.float32)


def test_each_market_has_its_threshold_and_its_phrases() -> None:
    clean, like, fake, cbd = screen().judge(["tea", "pills", "a FAKE", "CBD oil"], vectors(-1, 1, -1, -1))
    assert (clean.markets, clean.why) == ({"": False, "de": False, "fr": False}, "")
    assert not clean.is_held
    assert like.score == pytest.approx(1 / (1 + np.exp(-1)))
    assert (like.markets, like.why) == (
        {"": True, "de": True, "fr": False},
        "is like texts that were labelled (0.73)",
    )
    assert (fake.markets, fake.why) == ({"": True, "de": True, "fr": True}, "says 'fake'")
    assert (cbd.markets, cbd.why) == ({"": False, "de": True, "fr": False}, "says 'cbd' (de)")
    assert len({each.text for each in (clean, like, fake, cbd)}) == 4


def test_a_screen_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "screen.json"
    screen().write(file)
    assert Screen.read(file) == screen()
    edited = json.loads(file.read_text()) | {"thresholds": {"": 0.99}}
    file.write_text(json.dumps(edited))
    [found] = Screen.read(file).judge(["pills"], vectors(1))
    assert not found.is_held


def test_what_is_written_to_be_found_is_held_in_every_market() -> None:
    screen = Screen("{title}", {"de": ["cbd"]}, pushed=0.01)
    plain, copy = screen.judge(["tea", "CBD"], pushed=["", "has the words of 'mug', a best seller"])
    assert not plain.is_held
    assert (copy.markets, copy.why) == (
        {"": True, "de": True},
        "says 'cbd' (de); has the words of 'mug', a best seller",
    )
    with pytest.raises(RequestError, match="whether it is written to be found"):
        screen.judge(["tea"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"deny": {}, "encoder": None}, "nothing would be held"),
        ({"thresholds": {"de": 0.5}}, "the other markets"),
        ({"thresholds": {"": 2}}, "thresholds"),
        ({"weights": ["1"]}, "weights"),
        ({"colour": 1}, "colour"),
        ({"format": "tailrank screen 9"}, "format"),
    ],
)
def test_what_is_no_screen_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    file = tmp_path / "screen.json"
    screen().write(file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        Screen.read(file)
    with pytest.raises(ModelError, match="no screen can be read"):
        Screen.read(tmp_path)


def test_vectors_of_another_width_are_refused() -> None:
    for given in (None, np.zeros((1, 3), np.float32), np.zeros((2, 2), np.float32)):
        with pytest.raises(RequestError, match="width 2"):
            screen().judge(["tea"], given)
    assert not Screen("{title}", {"": ["fake"]}).judge(["tea"])[0].is_held


def test_the_classifier_is_fitted_and_measured_on_what_it_has_not_seen() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.3
    points = rng.normal(size=(300, 4)).astype(np.float32)
    points[labels, 0] += 2
    fitted = fit_classifier(points, labels)
    again = fit_classifier(points, labels)
    assert np.array_equal(fitted.weights, again.weights)
    assert np.array_equal(fitted.held_out, again.held_out)
    found = screen_from("{title}", {}, TINY, fitted, labels, {"": 0.9, "de": 0.5})
    assert found.thresholds[""] < found.thresholds["de"]
    assert found.measured[""]["recall"] >= 0.9
    assert found.measured["de"]["precision"] > found.measured[""]["precision"] > labels.mean()
    scores = [each.score or 0.0 for each in found.judge(["text"] * 300, points)]
    assert np.corrcoef(scores, fitted.held_out)[0, 1] > 0.95
    # Labels that say nothing can be learned by heart, but not found out of other texts.
    wide, drawn = rng.normal(size=(60, 100)).astype(np.float32), rng.random(60) < 0.5
    assert quality_at(0.5, fit_classifier(wide, drawn).held_out, drawn)["precision"] < 0.75


def test_a_threshold_is_the_highest_that_finds_the_share() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random(200) < 0.2
    scores: Doubles = np.round(rng.random(200) * 0.5 + np.where(labels, 0.4, 0.0), 2).astype(np.float64)
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    for share in (0.01, 0.3, 0.5, 0.9, 1.0):
        found = threshold_for(scores, labels, share)
        assert found == thresholds[recall[:-1] >= share].max()
        at = int(np.flatnonzero(thresholds == found)[0])
        quality = quality_at(found, scores, labels)
        assert (quality["precision"], quality["recall"]) == pytest.approx((precision[at], recall[at]))


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(RequestError, match="label at least 10 of each"):
        fit_classifier(np.eye(12, dtype=np.float32), np.arange(12) < 9)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("item_id,label\ntea,maybe\n", "row 1: label 'maybe'"),
        ("item_id,label\ntea,1\ntea,0\n", "row 2: item 'tea' is labelled twice"),
        ("item_id,held\ntea,1\n", "lacks the column `label`"),
        ("item_id,label\nsoup,1\n", "labels none of the 2 items"),
    ],
)
def test_what_is_wrong_with_labels_is_said(tmp_path: Path, rows: str, message: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(rows)
    items = pl.DataFrame({"item_id": ["tea", "mug"]})
    with pytest.raises(DataError, match=message):
        read_labels(file, items)
    file.write_text("item_id,label\nmug,TRUE\nsoup,0\ntea,0\n")
    codes, labels = read_labels(file, items)
    assert (codes.tolist(), labels.tolist()) == ([1, 0], [True, False])
    with pytest.raises(DataError, match="no such file"):
        read_labels(tmp_path / "none.csv", items)

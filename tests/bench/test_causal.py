"""Training that corrects for popularity, in small, and the page that tells what it found."""

import numpy as np
import pytest
from bench.causal import ALONE, PLAIN, SEQUENCE_WAYS, WHOLE, DebiasedCoVisitation, Slices, held_out
from bench.stored import Studies
from bench.study import RESULTS, Json

from bench import page
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, temporal
from tailrank.signals.covisitation import CoVisitation


@pytest.fixture(scope="module")
def split(movielens: Dataset) -> Split:
    return temporal(movielens)


def test_pairs_are_damped_by_the_later_item(split: Split) -> None:
    dataset = split.train
    plain, debiased = (kind.from_events(dataset).rows for kind in (CoVisitation, DebiasedCoVisitation))
    counts = np.maximum(dataset.counts, 1)
    few = np.flatnonzero((plain.lengths > 1) & (plain.lengths < 100))
    row = plain.matrix[[few[0]]].toarray()[0]
    other = debiased.matrix[[few[0]]].toarray()[0]
    met = np.flatnonzero(row)
    ratio = other[met] / row[met] * counts[met] ** 0.5
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


def test_on_the_unbiased_slice_targets_weigh_as_if_they_came_alike(split: Split) -> None:
    slices = Slices(split)
    weights, counts = slices.weights["ndcg@10/unbiased"], split.full_train.counts[split.test.targets]
    known = counts > counts.max() / 100
    total = weights[known] * counts[known]
    np.testing.assert_allclose(total, total[0], rtol=1e-5)
    assert slices.about()["ndcg@10"] == len(split.test)
    values = np.random.default_rng(0).random((2, len(split.test)))
    found = {name: list(values) for name in (PLAIN, "weights for the tail", "weights for the tail, cost 0.1")}
    row = slices.row(list(values), found)
    assert row["ndcg@10"]["mean"] == pytest.approx(values.mean())
    assert row["ndcg@10/unbiased"]["difference"][PLAIN]["mean"] == 0


def test_on_validation_nothing_later_is_learned_from(split: Split) -> None:
    half = held_out(split)
    assert half.full_train is split.train
    assert len(half.validation) + len(half.test) == len(split.validation)
    times, ends = split.validation.source.times, half.validation.full_ends
    assert times[ends].max() <= times[half.test.full_ends].min()


def test_the_page_tells_what_is_stored() -> None:
    text = (page.ROOT / "docs" / "debiasing.md").read_text(encoding="utf-8")
    stored = Studies(RESULTS).each("causal")
    assert [one["dataset"] for one in stored] == ["amazon-scientific", "movielens-small-plots"]
    for one in stored:
        for row in one["rows"]:
            cells = [cell(row[metric]) for metric in ("ndcg@10", "ndcg@10/unbiased", "ndcg@10/tail80")]
            assert f" | {' | '.join(cells)} |\n" in text


def test_the_page_tells_what_is_stored_of_sequence_models() -> None:
    text = (page.ROOT / "docs" / "debiasing.md").read_text(encoding="utf-8")
    [stored] = Studies(RESULTS).each("causal-sequence")
    assert [row["way"] for row in stored["rows"]] == list(SEQUENCE_WAYS)
    for row in stored["rows"]:
        plain = ALONE if row["way"].startswith(ALONE) else WHOLE
        cells = [cell(row[metric], plain) for metric in ("ndcg@10", "ndcg@10/unbiased", "ndcg@10/tail80")]
        assert f" | {' | '.join(cells)} |\n" in text


def cell(metric: Json, plain: str = PLAIN) -> str:
    """Write a mean and, in parentheses, the interval of its difference from the plain one."""
    ends = metric["difference"][plain]["ci95"]
    low, high = (f"{end:+.4f}".replace("-", "\N{MINUS SIGN}").replace("0.", ".") for end in ends)
    mean = f"{metric['mean']:.4f}".lstrip("0")
    return mean if not any(ends) else f"{mean} ({low} to {high})"

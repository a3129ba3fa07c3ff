"""The sequence model: what torch trains is what NumPy ranks with."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from tailrank import Reranker, TailrankError
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import UNTYPED, Histories
from tailrank.data.splits import hold_out, leave_one_out
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.ranking import ndcg, target_ranks
from tailrank.ranking.fitting import fit_before, fuse, with_template
from tailrank.ranking.settings import Settings
from tailrank.signals.base import ItemUpdates
from tailrank.signals.sequence import losses, recall, training
from tailrank.signals.sequence.config import SASRecConfig, SequenceLoss
from tailrank.signals.sequence.losses import sampled, softmax
from tailrank.signals.sequence.model import SequenceModel
from tailrank.signals.sequence.network import Network
from tailrank.signals.sequence.training import train
from tailrank.signals.sequence.windows import Windows
from tailrank.signals.stored import StoredArrays

SMALL = SASRecConfig(epochs=4, width=16, length=8, dropout=0.1, rate=0.02, events=256)
N_ITEMS = 12


def histories(lengths: list[int], seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    times = np.sort(rng.integers(0, 10**7, n)).astype(np.float64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items, types = (rng.integers(0, high, n).astype(np.int32) for high in (N_ITEMS, 2))
    return Histories(items, types, times, offsets)


@pytest.fixture(scope="module")
def ring() -> Dataset:
    """Sixty users who walk round a ring of items from different starts."""
    items = pl.DataFrame({"item_id": [str(i) for i in range(N_ITEMS)], "title": ["thing"] * N_ITEMS})
    rows = [
        {"user_id": f"u{user}", "item_id": str((user + step) % N_ITEMS), "position": step}
        for user in range(60)
        for step in range(4 + user % 5)
    ]
    return Dataset.construct(items, pl.DataFrame(rows))


def random_network() -> Network:
    torch.manual_seed(0)
    network = Network(
        N_ITEMS, np.array([0.75, 0.25], np.float32), None, SASRecConfig(length=8, width=16, dropout=0.0)
    )
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    return network.eval()


def test_numpy_computes_what_torch_does() -> None:
    network, h = random_network(), histories([5])
    gaps = torch.from_numpy(Windows.of(h, 8).gaps).long()[None]
    with torch.no_grad():
        items, types = (torch.from_numpy(part).long()[None] for part in (h.items, h.types))
        expected = network(network.vectors(items), types, gaps)[:, -1].numpy()
    np.testing.assert_allclose(network.frozen().encode(h), expected, atol=1e-5)


def test_an_event_without_a_type_counts_as_the_mean_of_all_types() -> None:
    network, h = random_network(), histories([5])
    h = replace(h, types=np.array([0, UNTYPED, 1, UNTYPED, 1], np.int32))
    gaps = torch.from_numpy(Windows.of(h, 8).gaps).long()[None]
    model = network.frozen()
    weights = model.network.weights
    np.testing.assert_allclose(weights["untyped"], [0.75, 0.25] @ weights["types"], atol=1e-6)
    with torch.no_grad():
        items, types = (torch.from_numpy(part).long()[None] for part in (h.items, h.types))
        expected = network(network.vectors(items), types, gaps)[:, -1].numpy()
    np.testing.assert_allclose(model.encode(h), expected, atol=1e-5)
    older = {name: array for name, array in model.arrays().items() if name != "network/untyped"}
    once = SequenceModel.from_arrays(StoredArrays(older, N_ITEMS, 2))
    twice = replace(h, types=np.array([0, 1, 1, 1, 1], np.int32))
    np.testing.assert_array_equal(once.encode(twice), model.encode(twice))
    assert not np.array_equal(once.encode(h), model.encode(h))


def test_unplaced_items_without_events_share_the_mean_vector_of_the_least_known() -> None:
    placed, codes = random_network().frozen(), np.arange(N_ITEMS, dtype=np.int32)
    counts = codes.astype(np.int64) % 7
    model, vectors = placed.unplaced(counts), placed.table.take(codes)
    cold = vectors[counts == 0].mean(axis=0)
    expected = np.where((counts == 0)[:, None], cold, vectors)
    np.testing.assert_allclose(model.table.take(codes), expected, atol=1e-6)
    later = ItemUpdates(np.array([N_ITEMS], np.int32), N_ITEMS + 1, ["new"], {}, {})
    found = model.with_items(later).table.take(np.array([N_ITEMS], np.int32))
    np.testing.assert_allclose(found, cold[None], atol=1e-6)


def test_a_batch_equals_single_histories() -> None:
    model, lengths = random_network().frozen(), [0, 3, 11, 3, 1]
    h, everything = histories(lengths), Candidates.everything(N_ITEMS)
    together = model.score(h, everything)
    for at in range(len(lengths)):
        alone = model.score(h.cut(h.offsets[at : at + 1], h.offsets[at + 1 : at + 2]), everything)
        np.testing.assert_allclose(alone[0], together[at], rtol=1e-4, atol=1e-4)


def weights_of(rows: int, kind: str) -> torch.Tensor:
    return torch.ones(rows) if kind == "alike" else torch.rand(rows) * 3


@pytest.mark.parametrize("kind", ["alike", "weighted"])
def test_chunked_softmax_is_cross_entropy(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CELLS", 300 * 30)  # so that there are several blocks of several chunks
    torch.manual_seed(0)
    hidden, table = torch.randn(700, 8, requires_grad=True), torch.randn(30, 8, requires_grad=True)
    targets, weights = torch.randint(30, (700,)), weights_of(700, kind)
    loss = softmax(hidden, table, targets, weights, torch.float32)
    expected = (cross_entropy(hidden @ table.T, targets, reduction="none") * weights).mean()
    ours = torch.autograd.grad(loss, (hidden, table))
    theirs = torch.autograd.grad(expected, (hidden, table))
    torch.testing.assert_close(loss, expected)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("kind", ["alike", "weighted"])
def test_sampled_softmax_is_cross_entropy_of_corrected_logits(kind: str) -> None:
    torch.manual_seed(0)
    hidden, table = torch.randn(300, 8, requires_grad=True), torch.randn(30, 8, requires_grad=True)
    targets, counts, weights = torch.randint(30, (300,)), torch.arange(30), weights_of(300, kind)
    chosen = sampled("sampled-softmax", counts, torch.float32)
    assert chosen is not None
    drawn = chosen.draw(300)
    loss = chosen.loss(hidden, table[targets], table[drawn], targets, drawn, weights)
    odds = (counts + 1) ** 0.75 / ((counts + 1) ** 0.75).sum()
    logits = hidden @ table[drawn].T - (len(drawn) * odds[drawn]).log()
    logits = logits.masked_fill(drawn == targets[:, None], -torch.inf)
    hit = (hidden * table[targets]).sum(dim=1, keepdim=True)
    zeros = torch.zeros(300, dtype=torch.long)
    expected = (cross_entropy(torch.cat([hit, logits], dim=1), zeros, reduction="none") * weights).mean()
    torch.testing.assert_close(loss, expected)
    ours, theirs = (torch.autograd.grad(one, (hidden, table)) for one in (loss, expected))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(1, 9), st.integers(1, 64))
@settings(max_examples=50)
def test_batches_hold_every_event_once(lengths: list[int], length: int, events: int) -> None:
    h = histories(lengths)
    h = Histories(np.arange(len(h.items), dtype=np.int32), h.types, h.times, h.offsets)
    batches = list(Windows.of(h, length).batches(events, np.random.default_rng(0)))
    found = [item for batch in batches for item in batch.items[batch.real].tolist()]
    assert sorted(found) == list(range(sum(lengths)))


@pytest.mark.parametrize("loss", ["softmax", "sampled-softmax", "gbce", "bce"])
def test_every_loss_learns_what_comes_next(ring: Dataset, loss: SequenceLoss) -> None:
    split = leave_one_out(ring)
    config = SASRecConfig(epochs=40, width=16, length=8, dropout=0.0, rate=0.02, events=64, loss=loss)
    model, asked = train(split.train, None, True, None, config).model, split.validation
    scores = model.score(asked.histories, Candidates.everything(N_ITEMS))
    assert ndcg(target_ranks(scores, asked.targets)).mean() > 0.9


@pytest.mark.parametrize("loss", ["softmax", "sampled-softmax", "gbce", "bce"])
def test_logits_follow_what_popularity_a_correction_leaves(loss: SequenceLoss) -> None:
    """If histories say nothing, odds are shares of events times weights: popularity to the power 1 - 0.4."""
    rng, chances = np.random.default_rng(0), 0.7 ** np.arange(N_ITEMS)
    items = rng.choice(N_ITEMS, 4_000, p=chances / chances.sum())
    catalogue = pl.DataFrame({"item_id": range(N_ITEMS), "title": ["thing"] * N_ITEMS})
    events = pl.DataFrame({"user_id": np.arange(4_000) // 4, "item_id": items, "position": np.arange(4_000)})
    data = Dataset.construct(catalogue, events)
    config = replace(SMALL, epochs=8, dropout=0.0, loss=loss, debias=0.4)
    model = train(data, None, True, None, config).model
    logits = model.score(data.histories, Candidates.everything(N_ITEMS)).mean(axis=0)
    slope = np.polyfit(np.log(data.counts), logits, 1)[0]
    assert slope == pytest.approx(0.6, abs=0.15)


def test_a_power_out_of_bounds_is_refused() -> None:
    with pytest.raises(TailrankError, match="debias must be at least 0 and at most 1"):
        SASRecConfig(debias=1.5)


def test_an_interrupted_training_ends_as_an_undisturbed_one(
    ring: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, file = leave_one_out(ring), tmp_path / "checkpoint"
    whole = train(split.train, split.validation, True, None, SMALL)
    measure, calls = training._ndcg, iter(range(10))

    def stop_in_the_third_epoch(*given: Any) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return measure(*given)

    monkeypatch.setattr(training, "_ndcg", stop_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(split.train, split.validation, True, None, SMALL, checkpoint=file)
    monkeypatch.setattr(training, "_ndcg", measure)
    resumed = train(split.train, split.validation, True, None, SMALL, checkpoint=file)
    for name, expected in whole.model.arrays().items():
        np.testing.assert_allclose(resumed.model.arrays()[name], expected, atol=1e-6)


@pytest.mark.parametrize("loss", ["softmax", "sampled-softmax", "gbce", "bce"])
def test_several_threads_end_as_they_did_before(loss: SequenceLoss) -> None:
    rng, n = np.random.default_rng(0), 400 * 40
    users, items = np.repeat(np.arange(400), 40), rng.integers(0, N_ITEMS, n)
    events = {"user_id": users.astype(str), "item_id": items.astype(str), "position": np.arange(n)}
    catalogue = pl.DataFrame({"item_id": [str(i) for i in range(N_ITEMS)], "title": ["thing"] * N_ITEMS})
    split = leave_one_out(Dataset.construct(catalogue, pl.DataFrame(events)), repeats=True)
    config = SASRecConfig(epochs=1, width=64, events=8192, loss=loss)
    first, second = (train(split.train, split.validation, True, None, config).model for _ in range(2))
    for name, expected in first.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], expected)


def test_a_foreign_or_damaged_checkpoint_is_refused(ring: Dataset, tmp_path: Path) -> None:
    split, file = leave_one_out(ring), tmp_path / "checkpoint"
    train(split.train, split.validation, True, None, SMALL, checkpoint=file)
    with pytest.raises(TailrankError, match="another training"):
        train(split.train, split.validation, True, None, SASRecConfig(epochs=3), checkpoint=file)
    with pytest.raises(TailrankError, match="another training"):
        train(split.train, split.validation.take(slice(1, None)), True, None, SMALL, checkpoint=file)
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(TailrankError, match="damaged"):
        train(split.train, split.validation, True, None, SMALL, checkpoint=file)


def test_a_reranker_keeps_its_sequence_model(ring: Dataset, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(N_ITEMS, 8)).astype(np.float32)
    fitted = Reranker.fit(ring, ItemVectors(vectors), Settings(sequence_epochs=2))
    fitted.save(tmp_path / "model")
    loaded = Reranker.load(tmp_path / "model")
    assert any(isinstance(signal, SequenceModel) for signal in loaded.signals)
    assert loaded.rank(["3", "4"], ["5", "9", "6"]) == fitted.rank(["3", "4"], ["5", "9", "6"])


def test_events_without_a_type_train_all_types(ring: Dataset) -> None:
    types = np.where(np.arange(len(ring.histories.items)) % 3, UNTYPED, 0).astype(np.int32)
    some = replace(ring, histories=replace(ring.histories, types=types))
    split, config = leave_one_out(some), SASRecConfig(epochs=2, width=16, length=8)
    model = train(split.train, split.validation, True, None, config).model
    weights = model.network.weights
    np.testing.assert_array_equal(weights["untyped"], weights["types"][0])  # there is one type
    assert weights["untyped"].any()


def test_every_place_that_ranking_uses_is_trained(ring: Dataset) -> None:
    split, config = leave_one_out(ring), SASRecConfig(epochs=1, width=16, length=3)
    found = train(split.train, split.validation, True, None, config).model.network.weights["positions"]
    torch.manual_seed(config.seed)
    untrained = Network(N_ITEMS, np.ones(1, np.float32), None, config).frozen().network.weights["positions"]
    assert len(found) == config.length + 1
    assert (found != untrained).any(axis=1).all()


def test_without_validation_the_same_rates_lead_to_the_same_model(ring: Dataset, tmp_path: Path) -> None:
    split, config = leave_one_out(ring), replace(SMALL, epochs=9)
    watched = train(split.train, split.validation, True, None, config)
    found = train(split.train, None, True, None, config, checkpoint=tmp_path / "one", rates=watched.rates)
    assert (found.rates, found.ndcg) == (watched.rates, [])
    for name, expected in watched.model.arrays().items():
        np.testing.assert_array_equal(found.model.arrays()[name], expected)


def test_a_look_up_is_a_row_of_the_whole_table() -> None:
    torch.manual_seed(0)
    network = Network(
        N_ITEMS,
        np.ones(1, np.float32),
        np.random.default_rng(0).normal(size=(N_ITEMS, 5)).astype(np.float32),
        SMALL,
    )
    codes = torch.tensor([[3, 0], [3, 11]])
    torch.testing.assert_close(network.vectors(codes), network.vectors()[codes])


def test_new_items_are_as_likely_as_cold_ones() -> None:
    rng, n_items = np.random.default_rng(0), 60
    items, never = rng.integers(0, 40, (300, 8)), np.arange(40, 50, dtype=np.int32)
    events = pl.DataFrame({"user_id": np.repeat(np.arange(300), 8), "item_id": items.ravel()})
    catalogue = pl.DataFrame({"item_id": range(50), "title": ["thing"] * 50})
    data = Dataset.construct(catalogue, events.with_columns(position=pl.int_range(2400)))
    vectors = rng.normal(size=(n_items, 8)).astype(np.float32)
    config = SASRecConfig(epochs=6, width=16, length=8, rate=0.01, events=128)
    model = train(data, None, True, vectors[:50], config).model
    new = np.arange(50, n_items, dtype=np.int32)
    previous = {"semantic": np.zeros((10, 8), np.float32)}
    told = ItemUpdates(new, n_items, [""] * 10, {"semantic": vectors[50:]}, previous)
    scores = model.with_items(told).score(data.histories, Candidates.everything(n_items)).mean(axis=0)
    known, cold, added = scores[:40], scores[never], scores[new]
    gap = known.mean() - cold.mean()
    assert gap > 0.5
    assert abs(added.mean() - cold.mean()) < gap / 3


def test_a_fitted_model_has_learned_from_the_latest_events_too(ring: Dataset) -> None:
    settings = with_template(Settings(sequence_epochs=2), ring)
    fitted = fit_before(hold_out(ring), None, settings)
    before, after = (each[-1].arrays()["vectors"] for each in (fitted.before, fuse(fitted, settings).signals))
    assert not np.array_equal(before, after)


def test_an_epoch_that_ranks_no_better_is_undone_at_a_lower_rate(
    ring: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, figures = [], iter([0.1, 0.3, 0.2, 0.4, 0.3, 0.3, 0.9])

    def measure(model: Any, *others: Any) -> Any:
        given.append(model)
        return next(figures)

    monkeypatch.setattr(training, "_ndcg", measure)
    split = leave_one_out(ring)
    found = train(split.train, split.validation, True, None, replace(SMALL, epochs=9))
    assert found.ndcg == [0.1, 0.3, 0.2, 0.4, 0.3, 0.3]
    assert found.rates == pytest.approx([0.02, 0.02, 0.006])
    np.testing.assert_array_equal(found.model.table.vectors.base, given[3].table.vectors.base)


def test_a_training_that_diverges_is_an_error(ring: Dataset) -> None:
    split = leave_one_out(ring)
    with pytest.raises(TailrankError, match=r"diverged.*rate below"):
        train(split.train, split.validation, True, None, replace(SMALL, rate=1e300, epochs=1))


def test_without_torch_the_remedy_is_named(ring: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tailrank.signals.sequence.training")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(TailrankError, match=r"needs torch.*tailrank\[language\]"):
        Reranker.fit(ring, None, Settings(sequence_epochs=1))


def test_ranking_does_not_import_torch() -> None:
    program = "import sys, tailrank.ranking.reranker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_is_recalled_of_a_history_is_what_it_gives() -> None:
    model, candidates = random_network().frozen(), Candidates.everything(N_ITEMS)
    one, other = histories([7], seed=1), histories([7], seed=2)
    expected = [model.encode(each) @ model.table.vectors.whole.T for each in (one, other, one)]
    for history, scores in zip((one, other, one), expected, strict=True):
        np.testing.assert_array_equal(model.score(history, candidates), scores)


def window(h: Histories, start: int, end: int) -> Histories:
    return h.cut(np.array([start]), np.array([end]))


def test_going_on_from_what_is_remembered_gives_what_reading_anew_does() -> None:
    model, candidates, h = random_network().frozen(), Candidates.everything(N_ITEMS), histories([30])
    for end in [0, 1, 2, 3, 5, 6, *range(7, 22), 24, 23, 29]:  # one more, several, and one less
        history = window(h, max(0, end - 8), end)
        expected = model.encode(history) @ model.table.vectors.whole.T
        np.testing.assert_allclose(model.score(history, candidates), expected, atol=1e-5)
    other = replace(history, items=np.append(history.items[:-1], (history.items[-1:] + 1) % N_ITEMS))
    expected = model.encode(other) @ model.table.vectors.whole.T
    np.testing.assert_allclose(model.score(other, candidates), expected, atol=1e-5)


def test_one_more_event_costs_one_position(monkeypatch: pytest.MonkeyPatch) -> None:
    model, candidates = replace(random_network().frozen(), slack=3), Candidates.everything(N_ITEMS)
    h, whole = histories([2_000]), list[int]()
    read = recall._read

    def counted(key: bytes, *given: Any) -> Any:
        whole.append(len(key))
        return read(key, *given)

    monkeypatch.setattr(recall, "_read", counted)
    for end in range(1, 1_000):
        model.score(window(h, max(0, end - 8), end), candidates)
    assert whole[0] == recall.SIZE
    assert len(whole) < 1_000 / 2  # the oldest of four events is the chosen one in a quarter of the cases


def test_a_long_history_is_read_from_one_of_its_oldest_events() -> None:
    model, h = random_network().frozen(), histories([20])
    assert model.slack == 2
    older = {name: array for name, array in model.arrays().items() if name != "slack"}
    before = SequenceModel.from_arrays(StoredArrays(older, N_ITEMS, 2))
    possible = [before.encode(window(h, start, 20)) for start in (12, 13, 14)]
    np.testing.assert_array_equal(before.encode(h), possible[0])
    assert any(np.array_equal(model.encode(h), each) for each in possible)

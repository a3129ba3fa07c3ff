"""The model folder: whole or not at all, the same bit by bit, and nothing that was tampered with."""

import hashlib
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from bench.resilience.mutation import Mutator
from bench.resilience.saves import saves
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.errors import ModelError
from tailrank.language.vectors import EncoderIdentity, ItemVectors
from tailrank.metrics.popularity import count_buckets
from tailrank.ranking import storage
from tailrank.ranking.fusion import count_levels
from tailrank.ranking.manifest import ARRAYS, named_by_content
from tailrank.ranking.model_folder import read_fitted
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.base import Arrays
from tailrank.signals.registry import SIGNALS, type_of

FILES = ["items", "manifest", "signals"]
OFTEN = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def small() -> Reranker:
    items = pl.DataFrame({"item_id": list("abcd"), "title": ["tea", "tea pot", "coffee", "coffee pot"]})
    events = pl.DataFrame({"user_id": list("uuuvvv"), "item_id": list("abcbda"), "position": range(6)})
    vectors = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    identity = EncoderIdentity("a folder", "0" * 64, "{title}")
    return Reranker.fit(Dataset.construct(items, events), ItemVectors(vectors, identity))


@pytest.fixture
def model(small: Reranker, tmp_path: Path) -> Path:
    small.save(tmp_path / "model", about={"data": "tea and coffee", "ndcg@10": 0.1})
    return tmp_path / "model"


def file_of(folder: Path, name: str) -> Path:
    """The one file of a model that is called so, or so and by its content."""
    [found] = [path for path in folder.iterdir() if path.stem.partition("-")[0] == name]
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_loaded_model_ranks_bit_by_bit_as_the_saved_one(
    reranker: Reranker, movielens: Dataset, tmp_path: Path
) -> None:
    reranker.save(tmp_path / "model")
    loaded = Reranker.load(tmp_path / "model")
    rng = np.random.default_rng(0)
    for length in (0, 1, 9, 80):
        history = rng.choice(movielens.item_ids, length).tolist()
        films = rng.choice(movielens.item_ids, 300, replace=False).tolist()
        assert loaded.rank(history, films) == reranker.rank(history, films)
        assert loaded.explain(history, films[:5]) == reranker.explain(history, films[:5])
    assert loaded.settings == reranker.settings
    assert loaded.policy == reranker.policy
    assert loaded.spaces["semantic"].encoder == reranker.spaces["semantic"].encoder


@pytest.mark.parametrize("name", ["model [1]", "a*", "what?"])
def test_a_name_that_looks_like_a_pattern_is_a_name(small: Reranker, tmp_path: Path, name: str) -> None:
    small.save(tmp_path / name)
    assert Reranker.load(tmp_path / name).rank(["a"], ["c", "b"]) == small.rank(["a"], ["c", "b"])


def test_the_folder_holds_three_files_and_no_pickle(model: Path) -> None:
    assert sorted(path.stem.partition("-")[0] for path in model.iterdir()) == FILES
    for path in model.iterdir():
        digest = path.stem.partition("-")[2]
        assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest)
    pickled = *(bytes([0x80, protocol]) for protocol in range(2, 6)), b"PK"
    assert not any(raw.startswith(pickled) for raw in content(model).values())
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_the_manifest_tells_what_it_was_told(model: Path) -> None:
    manifest = json.loads((model / "manifest.json").read_text())
    assert manifest["about"] == {"data": "tea and coffee", "ndcg@10": 0.1}
    assert {"tailrank", "numpy", "polars"} <= set(manifest["packages"])
    assert manifest["settings"]["max_history"] == 50


@pytest.mark.parametrize("name", FILES)
@OFTEN
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_any_changed_byte_is_refused(model: Path, name: str, where: float, change: int) -> None:
    path = file_of(model, name)
    whole = path.read_bytes()
    at = int(where * len(whole))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
    with pytest.raises(ModelError, match="model"):
        Reranker.load(model)
    path.write_bytes(whole)
    Reranker.load(model)


@pytest.mark.parametrize("name", FILES)
@OFTEN
@given(where=st.floats(0, 1, exclude_max=True))
def test_any_truncation_is_refused(model: Path, name: str, where: float) -> None:
    path = file_of(model, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(where * len(whole))])
    with pytest.raises(ModelError, match="model"):
        Reranker.load(model)
    path.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("more", [b"\n", b" ", b"\0" * 64], ids=["line", "blank", "zeros"])
def test_anything_appended_is_refused(model: Path, name: str, more: bytes) -> None:
    with file_of(model, name).open("ab") as stream:
        stream.write(more)
    with pytest.raises(ModelError, match=name):
        Reranker.load(model)


@pytest.mark.parametrize(
    "edit",
    [("\n ", "\n\t"), (": 0.1", ": 1e-1"), ('"about"', '"\\u0061bout"')],
    ids=["tabs", "exponent", "escape"],
)
def test_a_manifest_written_differently_is_refused_though_it_says_the_same(
    model: Path, edit: tuple[str, str]
) -> None:
    path = model / "manifest.json"
    before = path.read_text()
    after = before.replace(*edit)
    assert after != before
    assert json.loads(after) == json.loads(before)
    path.write_text(after)
    with pytest.raises(ModelError, match="edited or damaged"):
        Reranker.load(model)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("signals", {"novel": "novel"}),
        ("policy", [{"name": "novel", "strength": 0.5}]),
        ("settings", {"novel": 1}),
        ("spaces", {"semantic": {"novel": 1}}),
    ],
)
def test_what_a_later_version_writes_is_refused(model: Path, field: str, value: object) -> None:
    path = model / "manifest.json"
    manifest = json.loads(path.read_text()) | {field: value}
    del manifest["sha256"]
    sign(model, manifest)
    with pytest.raises(ModelError, match=r"novel.*train it again with this version"):
        Reranker.load(model)


def test_a_setting_that_an_earlier_version_lacked_is_at_its_default(model: Path) -> None:
    manifest = json.loads((model / "manifest.json").read_text())
    del manifest["sha256"], manifest["settings"]["debias"]
    sign(model, manifest)
    assert Reranker.load(model).settings.debias == 0


@pytest.fixture(scope="module")
def mutator(small: Reranker, tmp_path_factory: pytest.TempPathFactory) -> Mutator:
    """Of a model with every signal, grown since."""
    names = [f"tea of sort {at}" for at in range(12)]
    items = pl.DataFrame({"item_id": [str(at) for at in range(12)], "title": names})
    walks = [(user, (user + step) % 12, step) for user in range(30) for step in range(4 + user % 5)]
    events = pl.DataFrame(walks, schema=["user_id", "item_id", "timestamp"], orient="row").with_columns(
        timestamp=1.7e9 + 86_400.0 * pl.col("timestamp"),
        event=pl.when(pl.col("timestamp") % 2 == 0).then(pl.lit("click")).otherwise(pl.lit("buy")),
    )
    vectors = np.random.default_rng(0).standard_normal((12, 6)).astype(np.float32)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    spaces = {
        "semantic": ItemVectors(vectors, EncoderIdentity("a folder", "0" * 64, "{title}")),
        "tuned": ItemVectors(units, whiten=False),
    }
    kinds = pl.DataFrame(
        {"head": items["item_id"], "relation": "kind", "tail": [f"kind {at % 3}" for at in range(12)]}
    )
    pairs = pl.DataFrame({"item_id": "0", "neighbour": ["1", "2"], "score": [1.0, 0.5]})
    split = leave_one_out(Dataset.construct(items, events, triples=kinds, taught=pairs), repeats=True)
    fitted = Reranker.fit(split, spaces, Settings(sequence_epochs=1))
    assert {type_of(signal) for signal in fitted.signals} == set(SIGNALS)
    grown = fitted.with_items(
        ["new", "3"], ["new tea", "old tea"], {"semantic": vectors[:2], "tuned": units[:2]}
    )
    folder = tmp_path_factory.mktemp("models") / "model"
    replace(grown.without_items(["5"]), upstream={"als": 0.5}).save(folder, {"data": "tea"})
    return Mutator(folder)


def assert_ranks(reranker: Reranker, change: str) -> None:
    ids = [*reranker.catalogue.items["item_id"], "new", "newer", "gone"]
    for history in ([], ids):
        for item in reranker.rank(history, ids, scores={"als": list(range(len(ids)))}, explain=True):
            numbers = [item.score, *(item.contributions or {}).values()]
            assert all(map(math.isfinite, numbers)), (change, item)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_a_whole_folder_says_it_is_refused_in_words_or_ranks(mutator: Mutator, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        change = mutator.write(folder, random.Random(seed))
        try:
            loaded = Reranker.load(folder)
        except ModelError as why:
            refusal = str(why)
        else:
            assert_ranks(loaded, change)
            assert_ranks(loaded.with_items(["newer"], ["newest tea"]), change)
            return
        assert name in refusal, change


def test_what_is_no_json_cannot_be_remembered(small: Reranker, model: Path) -> None:
    before = content(model)
    with pytest.raises(ModelError, match=r"PosixPath is not JSON serializable.*change `about`"):
        small.save(model, about={"data": Path("shop")})
    assert content(model) == before
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(model: Path, name: str) -> None:
    file_of(model, name).unlink()
    with pytest.raises(ModelError, match=name):
        Reranker.load(model)


@pytest.mark.parametrize(
    "text",
    [
        '{"format": "tailrank model 3"}',
        '{"format": "tailrank model 99"}',
        "[]",
        "3",
        "[" * 100_000,
        "\xff",
        "",
    ],
    ids=["older", "newer", "list", "number", "deep", "no JSON", "empty"],
)
def test_another_format_is_refused(model: Path, text: str) -> None:
    (model / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"format|damaged"):
        Reranker.load(model)


def test_a_place_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is this a model folder"):
        Reranker.load(tmp_path / "nowhere")


def test_a_model_replaces_a_model(small: Reranker, model: Path) -> None:
    file_of(model, "items").write_bytes(b"damaged")
    small.save(model)
    assert Reranker.load(model).rank(["a"], ["c", "d"]) == small.rank(["a"], ["c", "d"])
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_an_empty_folder_is_filled(small: Reranker, tmp_path: Path) -> None:
    small.save(tmp_path)
    assert sorted(path.stem.partition("-")[0] for path in tmp_path.iterdir()) == FILES


def test_a_link_goes_on_naming_its_place(small: Reranker, model: Path) -> None:
    link = model.with_name("latest")
    link.symlink_to("model")
    small.save(link)
    assert link.is_symlink()
    Reranker.load(link)
    assert sorted(path.name for path in model.parent.iterdir()) == ["latest", "model"]


def test_something_else_is_left_untouched(small: Reranker, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    (tmp_path / "notes").write_text("months of work")
    for place in ("thesis", "notes"):
        with pytest.raises(ModelError, match="exists and is no model"):
            small.save(tmp_path / place)
    assert content(tmp_path / "thesis") == {"chapter.txt": b"years of work"}
    assert (tmp_path / "notes").read_text() == "months of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "thesis"]


def test_a_place_below_a_file_is_refused(small: Reranker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    for place in ("file/model", "file/deeper/model"):
        with pytest.raises(ModelError, match="can't be written"):
            small.save(tmp_path / place)
    assert (tmp_path / "file").read_text() == "here"


FULL_DISK = """
import resource, sys
from tailrank.errors import ModelError
from tailrank.ranking.reranker import Reranker

model = Reranker.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    model.save(sys.argv[1])
except ModelError as error:
    print(error)
"""


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_full_disk_leaves_the_old_model_and_nothing_beside(model: Path, share: float) -> None:
    before = content(model)
    limit = int(share * max(map(len, before.values())))
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(model), str(limit)], capture_output=True, text=True, check=False
    )
    assert "can't be written" in run.stdout, run.stderr
    assert run.returncode == 0
    assert content(model) == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_the_model_before_stays_for_its_readers_and_older_ones_go(small: Reranker, model: Path) -> None:
    folders = [content(model)]
    for at in range(3):
        replace(small, upstream={"als": float(at)}, fusion=replace(small.fusion, loss=float(at))).save(model)
        folders.append(content(model))
        assert Reranker.load(model).upstream == {"als": at}
    names = [set(folder) for folder in folders]
    signals = [max(after - before) for before, after in pairwise(names)]
    assert [sorted(name for name in after if name in signals) for after in names[1:]] == [
        sorted(signals[max(0, at - 1) : at + 1]) for at in range(3)
    ]
    assert len(names[-1]) == 4  # a manifest, one catalogue, two files of arrays


@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_writer_left_is_cleared_away(small: Reranker, model: Path, there: bool) -> None:
    left = model / ".new.killed"
    left.mkdir()
    (left / "signals-0123456789abcdef.safetensors").write_bytes(b"half")
    (model / "items-0123456789abcdef.parquet").write_bytes(b"whole, but no manifest speaks of it")
    for path in (*model.iterdir(), left):
        os.utime(path, (1e9, 1e9))
    if there:
        os.utime(model / "manifest.json", (1.1e9, 1.1e9))
    else:
        (model / "manifest.json").unlink()
    for _ in range(2):
        small.save(model)
    assert sorted(path.stem.partition("-")[0] for path in model.iterdir()) == FILES
    Reranker.load(model)


def test_a_reader_in_between_finds_the_model_whose_manifest_is_there(
    small: Reranker, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models are written after the manifest was read, so the files that it names have gone."""
    checked, before = storage._checked, file_of(model, "signals")
    waiting = [1.0, 2.0]

    def late(path: Path, digest: str) -> Any:
        while waiting:
            replace(small, fusion=replace(small.fusion, loss=waiting.pop())).save(model)
        return checked(path, digest)

    monkeypatch.setattr(storage, "_checked", late)
    assert Reranker.load(model).fusion.loss == 1.0
    assert not before.exists()


def test_a_reader_is_never_without_a_model_while_writers_are_killed(model: Path, tmp_path: Path) -> None:
    found = saves(model, tmp_path / "place", 2)
    assert (found["faults"], found["mixed"]) == ({}, 0)
    assert found["times_the_size"] < 3
    assert found["loads"] > 0


def as_format_4(model: Path) -> None:
    """Write a model as the version before the last but one wrote it, weights of fusion aside."""
    manifest = json.loads((model / "manifest.json").read_text())
    for name, suffix in (("items", "parquet"), ("signals", "safetensors")):
        file_of(model, name).rename(model / f"{name}.{suffix}")
    del manifest["sha256"], manifest["as_of"]
    sign(model, manifest | {"format": "tailrank model 4"})


def sign(model: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest with the sum that belongs to it."""
    digest = hashlib.sha256((json.dumps(manifest, indent=1) + "\n").encode()).hexdigest()
    text = json.dumps(manifest | {"sha256": digest}, indent=1) + "\n"
    (model / "manifest.json").write_text(text)


def test_a_folder_of_the_version_before_opens_and_is_replaced(small: Reranker, model: Path) -> None:
    as_format_4(model)
    loaded = Reranker.load(model)
    assert loaded.rank(["a", "b"], ["c", "d"]) == small.rank(["a", "b"], ["c", "d"])
    assert loaded.as_of == 0
    assert all(
        array.flags.owndata or array.base is not None for s in loaded.signals for array in s.arrays().values()
    )
    for size in (5, 3):
        small.save(model)
        assert len(content(model)) == size
        Reranker.load(model)


def rewrite(model: Path, arrays: Arrays, **fields: object) -> None:
    """Write a model with other arrays and other fields of the manifest, every sum right."""
    content = save_arrays(dict(arrays))
    digest = hashlib.sha256(content).hexdigest()
    file_of(model, "signals").unlink()
    (model / named_by_content(ARRAYS, digest)).write_bytes(content)
    manifest = json.loads((model / "manifest.json").read_text())
    del manifest["sha256"]
    manifest["files"][ARRAYS] = digest
    sign(model, manifest | fields)


def test_a_folder_that_does_not_say_how_signals_spread_ranks_as_ever(small: Reranker, model: Path) -> None:
    arrays = load_arrays(file_of(model, "signals").read_bytes())
    del arrays["fusion/spreads"]
    rewrite(model, arrays)
    loaded = Reranker.load(model)
    assert loaded.rank(["a"], ["c", "b"]) == small.rank(["a"], ["c", "b"])
    assert loaded.fusion.standardised_weights is loaded.fusion.weights


def test_weights_in_buckets_of_counts_score_as_they_did(model: Path, tmp_path: Path) -> None:
    """So a model of format 5 has them: for 0, 1 to 5, 6 to 20, and more interactions."""
    rng = np.random.default_rng(0)
    arrays = load_arrays(file_of(model, "signals").read_bytes())
    del arrays["fusion/knots"], arrays["fusion/tail_emphasis"], arrays["fusion/spreads"]
    n_signals = arrays["fusion/weights"].shape[2]
    arrays["fusion/weights"] = weights = rng.standard_normal((4, 5, n_signals)).astype(np.float32)
    arrays["fusion/biases"] = biases = rng.standard_normal((4, 5)).astype(np.float32)
    rewrite(model, arrays, format="tailrank model 5")
    loaded = Reranker.load(model)
    loaded.save(tmp_path / "again")

    counts, histories = np.array([0, 1, 3, 5, 6, 13, 20, 21, 150, 200]), np.arange(5, dtype=np.int32)
    signals = list(rng.standard_normal((n_signals, 5, len(counts))).astype(np.float32))
    buckets = count_buckets(counts)
    expected = biases[buckets].T + np.einsum("chs,shc->hc", weights[buckets], signals)
    for each in (loaded, Reranker.load(tmp_path / "again")):
        fused = each.fusion.fuse(signals, count_levels(counts), histories)
        np.testing.assert_allclose(fused.total, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("knots", "why"),
    [
        ([0, 5, 10, 10, 50, 150], "must ascend"),
        ([5, 0, 10, 20, 50, 150], "must ascend"),
        ([0, 5, 10, 20, 50], r"of shape \(5,\) where \(6\) is expected"),
        ([0, 5, 10, 20, 50, 151], "from 0 to 150"),
        ([-1, 5, 10, 20, 50, 150], "from 0 to 150"),
    ],
    ids=["twice", "falling", "five", "too large", "negative"],
)
def test_knots_that_make_no_sense_are_refused(model: Path, knots: list[int], why: str) -> None:
    arrays = load_arrays(file_of(model, "signals").read_bytes())
    rewrite(model, arrays | {"fusion/knots": np.array(knots)})
    with pytest.raises(ModelError, match=rf"fusion/knots: .*{why}.*train it again"):
        Reranker.load(model)


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("weights", lambda weights: weights[..., :-1], "is expected"),
        ("tail_emphasis", lambda _: np.array([1.5]), "from 0 to 1"),
        ("spreads", lambda spreads: spreads[:-1], "is expected"),
        ("spreads", np.negative, "from 0 to"),
    ],
)
def test_stored_weights_that_make_no_sense_are_refused(
    model: Path, name: str, change: Callable[[Any], Any], why: str
) -> None:
    arrays = load_arrays(file_of(model, "signals").read_bytes())
    rewrite(model, arrays | {f"fusion/{name}": np.ascontiguousarray(change(arrays[f"fusion/{name}"]))})
    with pytest.raises(ModelError, match=rf"fusion/{name}: .*{why}.*train it again"):
        Reranker.load(model)


def test_a_model_from_before_new_items_were_lifted_lifts_none(model: Path) -> None:
    arrays = load_arrays(file_of(model, "signals").read_bytes())
    del arrays["fusion/new_lift"]
    rewrite(model, arrays)
    assert Reranker.load(model).fusion.new_lift == 0


def test_models_copied_over_leave_the_loaded_one_alone(small: Reranker, model: Path, tmp_path: Path) -> None:
    other = replace(small, fusion=replace(small.fusion, biases=small.fusion.biases + 1))
    other.save(tmp_path / "other")
    shutil.copytree(model, tmp_path / "again")
    loaded, expected = Reranker.load(model), small.rank(["a", "b"], ["c", "d"])
    for name in ("other", "again"):
        shutil.copytree(tmp_path / name, model, dirs_exist_ok=True)
        assert loaded.rank(["a", "b"], ["c", "d"]) == expected
    for arrays in model.glob("signals-*"):
        arrays.write_bytes(b"")  # as the first step of `cp` does
    assert loaded.rank(["a", "b"], ["c", "d"]) == expected


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_ordinary_file_is_refused(model: Path, name: str, kind: str) -> None:
    path = file_of(model, name)
    path.rename(model / "aside")
    if kind == "link":
        path.symlink_to("aside")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(ModelError, match=f"{name}.*no ordinary file"):
        Reranker.load(model)


def test_a_loaded_model_remembers_what_it_was_told(small: Reranker, model: Path, tmp_path: Path) -> None:
    loaded = Reranker.load(model)
    assert loaded.about == {"data": "tea and coffee", "ndcg@10": 0.1}
    loaded.save(tmp_path / "again")
    assert Reranker.load(tmp_path / "again").about == loaded.about


def test_arrays_are_views_that_nobody_can_write(model: Path) -> None:
    loaded = Reranker.load(model)
    arrays = {f"{s.name}/{name}": array for s in loaded.signals for name, array in s.arrays().items()}
    for name in ("semantic/vectors", "semantic/rows", "lexical/columns", "lexical/terms", "item-knn/values"):
        assert not arrays[name].flags.writeable
        assert not arrays[name].flags.owndata


def test_a_model_goes_on_ranking_when_its_folder_is_replaced_or_gone(small: Reranker, model: Path) -> None:
    loaded, expected = Reranker.load(model), small.rank(["a", "b"], ["c", "d"])
    small.save(model)
    assert loaded.rank(["a", "b"], ["c", "d"]) == expected
    shutil.rmtree(model)
    assert loaded.rank(["a", "b"], ["c", "d"]) == expected
    assert loaded.explain(["a", "b"], ["c", "d"]) == small.explain(["a", "b"], ["c", "d"])


def test_processes_share_a_copy_of_the_arrays(small: Reranker, model: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    one, again = (read_fitted(model, copies)[0] for _ in range(2))
    [copy] = copies.iterdir()
    assert copy.read_bytes() == file_of(model, "signals").read_bytes()
    expected = small.rank(["a", "b"], ["c", "d"])
    replace(small, fusion=replace(small.fusion, loss=9.0)).save(model)
    other, _ = read_fitted(model, copies)
    assert [path.exists() for path in (copy, *copies.iterdir())] == [False, True]
    for fitted in (one, again, other):
        assert Reranker.from_fitted(fitted).rank(["a", "b"], ["c", "d"]) == expected
    (tmp_path / "file").touch()
    read_fitted(model, tmp_path / "file")  # where no copy can be made


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what is mapped is told on Linux")
def test_who_reads_a_model_at_once_shares_a_copy_too(model: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda _: read_fitted(model, copies), range(8)))
    files = re.findall(rf"{re.escape(str(copies))}/.*", Path("/proc/self/maps").read_text())
    assert len(read) == 8
    assert {*files} == {str(copy) for copy in copies.iterdir()}  # and none "(deleted)"


def test_ranking_imports_nothing_that_only_fitting_needs(model: Path) -> None:
    program = (
        "import sys; from tailrank.ranking.reranker import Reranker; model = Reranker.load(sys.argv[1]); "
        "model.with_items(['e'], ['tea'], None).rank(['a'], ['c', 'e']); "
        "sys.exit(bool({'scipy', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(model)], check=False).returncode == 0


def test_a_copied_folder_loads_anywhere(small: Reranker, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "elsewhere" / "copy")
    loaded = Reranker.load(tmp_path / "elsewhere" / "copy")
    assert loaded.rank(["b"], ["a", "c"]) == small.rank(["b"], ["a", "c"])

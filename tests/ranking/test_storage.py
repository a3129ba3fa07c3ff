"""The model folder: whole or not at all, the same bit by bit, and nothing that was tampered with."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrank.data.dataset import Dataset
from tailrank.errors import ModelError
from tailrank.language.vectors import EncoderIdentity, ItemVectors
from tailrank.ranking.reranker import Reranker

FILES = ["items.parquet", "manifest.json", "signals.safetensors"]
OFTEN = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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
    assert sorted(path.name for path in model.iterdir()) == FILES
    assert not any(raw.startswith((b"\x80", b"PK")) for raw in content(model).values())
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
    path = model / name
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
    path = model / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(where * len(whole))])
    with pytest.raises(ModelError, match="model"):
        Reranker.load(model)
    path.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("more", [b"\n", b" ", b"\0" * 64])
def test_anything_appended_is_refused(model: Path, name: str, more: bytes) -> None:
    with (model / name).open("ab") as stream:
        stream.write(more)
    with pytest.raises(ModelError, match=name):
        Reranker.load(model)


@pytest.mark.parametrize(
    "edit", [("\n ", "\n\t"), (": 0.1", ": 1e-1"), ('"about"', '"\\u0061bout"')], ids=str
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
    digest = hashlib.sha256((json.dumps(manifest, indent=1) + "\n").encode()).hexdigest()
    path.write_text(json.dumps(manifest | {"sha256": digest}, indent=1) + "\n")
    with pytest.raises(ModelError, match=r"'novel'.*train it again with this version"):
        Reranker.load(model)


def test_what_is_no_json_cannot_be_remembered(small: Reranker, model: Path) -> None:
    before = content(model)
    with pytest.raises(ModelError, match=r"PosixPath is not JSON serializable.*change `about`"):
        small.save(model, about={"data": Path("shop")})
    assert content(model) == before
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
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
)
def test_another_format_is_refused(model: Path, text: str) -> None:
    (model / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"format|damaged"):
        Reranker.load(model)


def test_a_place_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is this a model folder"):
        Reranker.load(tmp_path / "nowhere")


def test_a_model_replaces_a_model(small: Reranker, model: Path) -> None:
    (model / "items.parquet").write_bytes(b"damaged")
    small.save(model)
    assert Reranker.load(model).rank(["a"], ["c", "d"]) == small.rank(["a"], ["c", "d"])
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_an_empty_folder_is_filled(small: Reranker, tmp_path: Path) -> None:
    small.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


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
        with pytest.raises(ModelError, match="not a model folder"):
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


def test_the_old_model_returns_where_the_new_one_cannot_take_its_place(
    small: Reranker, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, replace = content(model), Path.replace

    def refuse_the_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_the_new)
    with pytest.raises(ModelError, match="Input/output error"):
        small.save(model)
    assert content(model) == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_a_loaded_model_remembers_what_it_was_told(small: Reranker, model: Path, tmp_path: Path) -> None:
    loaded = Reranker.load(model)
    assert loaded.about == {"data": "tea and coffee", "ndcg@10": 0.1}
    loaded.save(tmp_path / "again")
    assert Reranker.load(tmp_path / "again").about == loaded.about


def test_arrays_stay_in_the_file_where_nobody_can_write_them(model: Path) -> None:
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


def test_processes_share_the_pages_of_a_model(reranker: Reranker, tmp_path: Path) -> None:
    reranker.save(tmp_path / "model")
    program = (
        "import sys; from tailrank.ranking.reranker import Reranker; model = Reranker.load(sys.argv[1]); "
        "model.rank(['1'], ['50', '2']); print(open('/proc/self/smaps').read())"
    )
    if not Path("/proc/self/smaps").exists():
        pytest.skip("this system doesn't tell what processes share")
    run = [sys.executable, "-c", program, str(tmp_path / "model")]
    found = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    mapped = found[found.index(str(tmp_path / "model" / "signals.safetensors")) :].splitlines()[1:25]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in mapped if line.endswith("kB")}
    size = (tmp_path / "model" / "signals.safetensors").stat().st_size
    assert kilobytes["Rss"] * 1024 >= size
    assert kilobytes["Anonymous"] == 0


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

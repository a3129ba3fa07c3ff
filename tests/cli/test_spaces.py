"""`--space`: a column of vectors becomes a signal, in training, ranking, retraining and evaluation alike."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank import Dataset, ItemVectors, Reranker, Settings
from tailrank.cli.main import app

ITEMS, SHAPES = 60, 4
BARE = "i9"
"""An item without a picture."""


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder: Path, days: int) -> Path:
    """Write users who buy at random what has the one shape they like; only pictures tell shapes apart."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    shapes = np.arange(ITEMS) % SHAPES
    pictures = np.eye(SHAPES)[shapes] + rng.normal(0, 0.2, (ITEMS, SHAPES))
    rows = [
        {"item_id": f"i{n}", "title": "tea", "picture": pictures[n].round(3).tolist()} for n in range(ITEMS)
    ]
    rows[9]["picture"] = None
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    events = [
        (f"u{user}", f"i{rng.choice(np.flatnonzero(shapes == user % SHAPES))}", 1.7e9 + day * 86_400)
        for user in range(60)
        for day in range(days)
    ]
    table = pl.DataFrame(events, ["user_id", "item_id", "timestamp"], orient="row")
    table.write_csv(folder / "events.csv")
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "shop", 12)


@pytest.fixture(scope="module")
def model(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "model"
    done = call("train", "--data", shop, "--encoder", "none", "--space", "image=picture", "--out", out)
    assert done.exit_code == 0, done.output
    assert "space image: 59 of 60 items have a vector, of 4 numbers, by `picture`" in done.output
    return out


def test_a_new_item_ranks_by_its_picture(model: Path) -> None:
    reranker = Reranker.load(model)
    vectors = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], np.float32)
    with_new = reranker.with_items(["round", "bare", "square"], ["tea"] * 3, {"image": vectors})
    told = with_new.explain(["i0", "i4", "i8"], ["round", "bare", "square"])
    assert [each.item_id for each in told] == ["square", "bare", "round"]
    assert [each.lacking for each in told] == [frozenset(), {"image"}, frozenset()]
    assert told[1].by_event["image"] != []
    assert not reranker.attention("image").vectors_of(np.array([9], np.int32)).any()


def test_the_model_folder_says_where_the_space_comes_from_and_holds_its_vectors_once(model: Path) -> None:
    spaces = json.loads((model / "manifest.json").read_text())["spaces"]
    column = {"name": "picture", "encoder": None, "sha256": ""}
    assert spaces == {"image": {"encoder": None, "width": SHAPES, "column": column}}
    reranker = Reranker.load(model)
    assert reranker.catalogue.items.columns == ["item_id", "title"]
    known = [{"item_id": "new", "picture": [1, 2, 3, 4], "brand": "B"}]
    later = reranker.with_items(["new"], ["tea"], {"image": np.ones((1, 4), np.float32)}, known)
    assert later.catalogue.attributes.later["new"] == {"item_id": "new", "brand": "B"}


def test_a_model_of_the_library_is_the_same(shop: Path, model: Path) -> None:
    dataset = Dataset.load(shop)
    spaces = {"image": ItemVectors.from_column(dataset.items, "picture")}
    mine = Reranker.fit(dataset, spaces, Settings(sequence_epochs=None))
    theirs = Reranker.load(model)
    request = ["i3", "i7"], [f"i{n}" for n in range(ITEMS)]
    assert [(each.item_id, each.score) for each in mine.rank(*request)] == [
        (each.item_id, each.score) for each in theirs.rank(*request)
    ]


def test_sentences_tell_of_pictures(model: Path) -> None:
    asked = "rank", "--model", model, "--history", "i0,i4", "--candidates", f"i8,i1,{BARE}", "--json"
    others = [name for name in Reranker.load(model).fusion.signals if name != "image"]
    told = json.loads(call(*asked, "--explain", "--without", ",".join(others)).output)
    because = {each["id"]: each["explanation"]["because"] for each in told["items"]}
    assert "it looks like “tea”" in because["i8"]
    assert "it looks less like the history" in because["i1"]
    assert "looks like" not in because[BARE]


def test_retrain_reads_the_column_again(model: Path, shop: Path, tmp_path: Path) -> None:
    before = (model / "manifest.json").read_text()
    longer = write(tmp_path / "shop", 17)
    copy = tmp_path / "model"
    Reranker.load(model).save(copy)
    done = call("retrain", "--data", longer, "--model", copy, "--log", tmp_path / "log")
    assert done.exit_code in {0, 3}, done.output
    assert "new events" in done.output
    assert json.loads((copy / "manifest.json").read_text())["spaces"] == json.loads(before)["spaces"]


def test_it_is_evaluated_as_it_serves(shop: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[evaluate]\nspace = ["image=picture"]\nencoder = "none"\nfast = true\n')
    done = call(
        *("--config", settings, "evaluate", "--data", shop, "--models", "tailrank,popularity", "--repeats"),
        *("--out", tmp_path / "report"),
    )
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert found["settings"]["encoders"]["image"]["name"] == "picture"
    ndcg = {name: each["ndcg@10"] for name, each in found["models"].items()}
    assert ndcg["tailrank"] > 1.5 * ndcg["popularity"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("image", "--space image: write NAME=COLUMN, such as image=picture, or NAME=COLUMN:ENCODER"),
        ("lexical=picture", "a vector space can't be called 'lexical'"),
        ("semantic=picture", "'semantic' is the space of an encoder of texts: give another name"),
        ("image=pictures", "items have no column `pictures`: did you mean `picture`?"),
        ("image=title", "items row 1 (item 'i0'): `title` holds 'tea', no list of numbers"),
    ],
)
def test_a_mistake_is_named(given: str, said: str, shop: Path, tmp_path: Path) -> None:
    done = call("train", "--data", shop, "--encoder", "none", "--space", given, "--out", tmp_path / "model")
    assert said in str(done.exception)


def test_every_space_is_looked_at_before_files_are_read(shop: Path, tmp_path: Path) -> None:
    spaces = "--space", "image=title:encoder", "--space", "image=picture"
    done = call("train", "--data", shop, "--encoder", "none", *spaces, "--out", tmp_path / "model")
    assert str(done.exception) == (
        "--space image=picture: there is a space 'image' already: give another name"
    )


def test_a_space_of_zeros_is_refused(shop: Path, tmp_path: Path) -> None:
    items = pl.read_ndjson(shop / "items.jsonl").with_columns(picture=[0.0] * SHAPES)
    (tmp_path / "shop").mkdir()
    items.write_ndjson(tmp_path / "shop" / "items.jsonl")
    (tmp_path / "shop" / "events.csv").write_bytes((shop / "events.csv").read_bytes())
    place = "train", "--data", tmp_path / "shop", "--encoder", "none", "--out", tmp_path / "model"
    done = call(*place, "--space", "image=picture")
    assert "all vectors of the column `picture` are zero: leave --space image=… out" in str(done.exception)


def test_without_an_encoder_the_models_that_need_one_are_left_out(shop: Path, tmp_path: Path) -> None:
    done = call("evaluate", "--data", shop, "--encoder", "none", "--fast", "--out", tmp_path / "report")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "report" / "metrics.json").read_text())["models"]
    assert list(found) == ["tailrank", "popularity", "item-knn", "tfidf"]


def test_two_spaces_of_a_column_and_a_template_of_vectors_are_refused(shop: Path, tmp_path: Path) -> None:
    place = "train", "--data", shop, "--encoder", "none", "--out", tmp_path / "model"
    twice = call(*place, "--space", "image=picture", "--space", "again=picture")
    assert "two vector spaces come from one column" in str(twice.exception)
    read = call(*place, "--space", "image=picture", "--template", "{title} {picture}")
    assert "the template reads `picture`" in str(read.exception)

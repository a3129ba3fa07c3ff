"""Versions of a model: one serves, whatever happens to those who change that."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from stopped_changes import is_killed

from tailrank import Reranker, Settings
from tailrank.data.dataset import Dataset
from tailrank.errors import ModelError, RequestError
from tailrank.folders import MANIFEST
from tailrank.ranking import registry as module
from tailrank.ranking.registry import CURRENT, HISTORY, Registry, publish

REFUSED = {"metrics": {"passed": False, "current": 0.2, "candidate": 0.1}}


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    items = pl.DataFrame({"item_id": list("abcdef"), "title": "tea"})
    rows = [(f"u{user}", "abcdef"[(user + day) % 6], day) for user in range(20) for day in range(6)]
    events = pl.DataFrame(rows, ["user_id", "item_id", "position"], orient="row")
    return Reranker.fit(Dataset.construct(items, events), None, Settings(sequence_epochs=0))


@pytest.fixture
def registry(reranker: Reranker, tmp_path: Path) -> Registry:
    """Three versions, of which the third serves."""
    found = Registry(tmp_path / "models")
    for n in range(3):
        found.promote(found.add(reranker, {"n": n}))
    return found


def number(registry: Registry) -> int:
    """Say which version a server would read now."""
    found = Reranker.load(registry.folder / CURRENT).about["n"]
    assert isinstance(found, int)
    return found


def names(registry: Registry) -> dict[object, str]:
    return {version.about["n"]: version.name for version in registry.versions()}


def test_rolling_back_twice_goes_back_two(registry: Registry) -> None:
    numbers = [number(registry)]
    for _ in range(2):
        registry.rollback()
        numbers.append(number(registry))
    assert numbers == [2, 1, 0]
    with pytest.raises(RequestError, match="nothing is kept that served before"):
        registry.rollback()
    assert number(registry) == 0
    registry.promote(names(registry)[2])
    assert number(registry) == 2
    registry.rollback()
    assert number(registry) == 0


def test_what_can_not_rank_is_not_promoted(registry: Registry) -> None:
    first = names(registry)[0]
    [arrays] = (registry.folder / first).glob("signals*")
    arrays.write_bytes(arrays.read_bytes()[:-1])
    with pytest.raises(ModelError, match="truncated"):
        registry.promote(first)
    with pytest.raises(RequestError, match="serves already"):
        registry.promote(names(registry)[2])
    assert number(registry) == 2
    (registry.folder / first / MANIFEST).write_text("{}")
    assert [bool(version.damage) for version in registry.versions()].count(True) == 1


def test_what_the_gate_refused_is_kept_and_not_promoted(registry: Registry, reranker: Reranker) -> None:
    refused = registry.add(reranker, {"n": 3, **REFUSED})
    assert registry.find(refused[-12:]).refused
    with pytest.raises(RequestError, match="the gate refused"):
        registry.promote(refused)
    assert number(registry) == 2


def test_a_candidate_serves_only_instead_of_the_one_that_it_was_compared_with(
    registry: Registry, reranker: Reranker
) -> None:
    compared = registry.serving
    candidate = registry.add(reranker, {"n": 3})
    registry.rollback()
    with pytest.raises(RequestError, match="serves by now, not"):
        registry.promote(candidate, compared)
    registry.promote(candidate, registry.serving)
    assert number(registry) == 3


def test_the_one_that_serves_and_the_one_before_are_never_pruned(
    registry: Registry, reranker: Reranker
) -> None:
    for n in range(3, 6):
        registry.add(reranker, {"n": n}, keep=1)
    assert set(names(registry)) == {1, 2, 5}
    registry.rollback()
    assert number(registry) == 1
    with pytest.raises(RequestError, match="nothing is kept that served before"):
        registry.rollback()


def test_a_model_folder_is_taken_in_by_a_copy(reranker: Reranker, tmp_path: Path) -> None:
    reranker.save(tmp_path / "first", {"n": 0})
    registry = Registry(tmp_path / "models")
    with pytest.raises(ModelError, match="has no version"):
        registry.find("x")
    assert not registry.folder.exists()
    name = registry.copy(tmp_path / "first")
    registry.promote(name)
    publish(reranker, registry.folder / CURRENT, {"n": 1})
    assert (number(registry), registry.before) == (1, name)
    publish(reranker, tmp_path / "first", {"n": 2})
    assert Registry.of(tmp_path / "first") is None
    assert Reranker.load(tmp_path / "first").about["n"] == 2
    assert number(registry) == 1


def test_a_model_folder_called_current_stays(reranker: Reranker, tmp_path: Path) -> None:
    reranker.save(tmp_path / CURRENT, {"n": 0})
    registry = Registry(tmp_path)
    with pytest.raises(ModelError, match="a model folder of its own"):
        registry.promote(registry.copy(tmp_path / CURRENT))
    assert number(registry) == 0
    assert not (tmp_path / HISTORY).exists()


def test_one_waits_for_another_and_not_for_ever(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    with registry._changing(), pytest.raises(ModelError, match="another command is changing it"):
        registry.rollback()
    registry.rollback()


def test_a_link_that_was_moved_by_hand_is_followed(registry: Registry, reranker: Reranker) -> None:
    link = registry.folder / CURRENT
    link.unlink()
    link.symlink_to(names(registry)[0])
    assert number(registry) == 0
    registry.promote(registry.add(reranker, {"n": 3}))
    assert number(registry) == 3


@pytest.mark.parametrize(("change", "after"), [("promote", 0), ("rollback", 1), ("add", 2)])
def test_killed_at_any_step_a_registry_serves_and_knows_what_did(
    registry: Registry, reranker: Reranker, tmp_path: Path, change: str, after: int
) -> None:
    step = 0
    while is_killed(copied(registry, tmp_path / f"{change}-{step}").folder, change, step):
        left = Registry(tmp_path / f"{change}-{step}")
        serves = number(left)
        assert serves in {2, after}
        assert left.before == names(left)[{0: 2, 1: 0, 2: 1}[serves]]
        left.promote(left.add(reranker, {"n": 7}))  # and others go on
        assert number(left) == 7
        assert left.before == names(left)[serves]
        assert not list(left.folder.glob(".*"))
        step += 1
    assert step > 3
    assert number(Registry(tmp_path / f"{change}-{step}")) == after


def copied(registry: Registry, to: Path) -> Registry:
    return Registry(shutil.copytree(registry.folder, to, symlinks=True))


def test_versions_name_the_model_as_servers_do(registry: Registry) -> None:
    digest = registry.find(str(registry.serving)).manifest
    assert digest is not None
    assert str(registry.serving).endswith(digest.sha256[:12])

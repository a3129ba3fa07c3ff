"""What others rely on stays: folders of earlier versions open and say the same, and the API is as agreed."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tools.fixtures import (
    FIXTURES,
    OPENAPI,
    Letters,
    answers,
    chances,
    desk_folder,
    model_folder,
    monitor_folder,
    said,
    scores,
    state_folder,
    task_folder,
    watched,
)

from tailrank.ranking.reranker import Reranker
from tailrank.server.openapi import description
from tailrank.state.embedded import EmbeddedState
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.monitor.monitor import Monitor
from tailrank.tasks.support.folder import read_desk

MODELS, STATES, TASKS, DESKS, MONITORS = (
    sorted(folder for folder in FIXTURES.glob(f"{what}-*") if folder.is_dir())
    for what in ("model", "state", "task", "desk", "monitor")
)


def kept(folder: Path) -> Any:
    """Read what the version that wrote a folder said of it."""
    return json.loads(folder.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_model_that_an_earlier_version_wrote_ranks_as_it_did(folder: Path) -> None:
    then, now = kept(folder), scores(Reranker.load(folder))
    assert list(now) == list(then)
    np.testing.assert_allclose(list(now.values()), list(then.values()), atol=1e-5)


@pytest.mark.parametrize("folder", STATES, ids=lambda folder: folder.name)
def test_a_state_that_an_earlier_version_wrote_lost_nothing(folder: Path, tmp_path: Path) -> None:
    async def read(copy: Path) -> dict[str, Any]:
        state = EmbeddedState(copy)
        try:
            return await said(state)
        finally:
            await state.close()

    copy = shutil.copytree(folder, tmp_path / "state")
    assert asyncio.run(read(copy)) == kept(folder)
    assert asyncio.run(read(copy)) == kept(folder)  # what opening it rewrote says the same


@pytest.mark.parametrize("folder", TASKS, ids=lambda folder: folder.name)
def test_a_task_that_an_earlier_version_wrote_labels_as_it_did(folder: Path) -> None:
    then, now = kept(folder), chances(TextClassifier.load(folder, lambda _: Letters()))
    assert list(now) == list(then)
    np.testing.assert_allclose(list(now.values()), list(then.values()), atol=1e-5)


@pytest.mark.parametrize("folder", DESKS, ids=lambda folder: folder.name)
def test_a_support_desk_that_an_earlier_version_wrote_answers_as_it_did(folder: Path) -> None:
    then, now = kept(folder), answers(read_desk(folder, Letters()))
    for question, (decision, ranked) in then.items():
        assert now[question][0] == decision
        assert now[question][1] == pytest.approx(ranked, abs=1e-5)


@pytest.mark.parametrize("folder", MONITORS, ids=lambda folder: folder.name)
def test_a_monitor_that_an_earlier_version_left_lost_nothing(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "monitor")
    assert watched(copy) == kept(folder)
    monitor = Monitor.open(copy)
    assert [alert.id for alert in monitor.log] == [alert["id"] for alert in kept(folder)["alerts"]] != []
    monitor.close()
    assert watched(copy) == kept(folder)  # what opening it rewrote says the same


def test_each_present_format_is_kept() -> None:
    present = {model_folder(), state_folder(), task_folder(), desk_folder(), monitor_folder()}
    assert present <= {*MODELS, *STATES, *TASKS, *DESKS, *MONITORS}, "python tools/fixtures.py"


def test_the_api_is_as_it_was_agreed_to() -> None:
    """If this fails and the change is meant: `python tools/fixtures.py openapi`, and commit the diff."""
    now = json.loads(json.dumps(description("VERSION")))
    assert now == json.loads(OPENAPI.read_text(encoding="utf-8")), "python tools/fixtures.py openapi"

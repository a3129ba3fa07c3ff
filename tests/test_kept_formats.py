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
    chances,
    model_folder,
    said,
    scores,
    state_folder,
    task_folder,
)

from tailrank.ranking.reranker import Reranker
from tailrank.server.openapi import description
from tailrank.state.embedded import EmbeddedState
from tailrank.tasks.classifier import TextClassifier

MODELS, STATES, TASKS = (
    sorted(folder for folder in FIXTURES.glob(f"{what}-*") if folder.is_dir())
    for what in ("model", "state", "task")
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


def test_each_present_format_is_kept() -> None:
    assert {model_folder(), state_folder(), task_folder()} <= {*MODELS, *STATES, *TASKS}, (
        "python tools/fixtures.py"
    )


def test_the_api_is_as_it_was_agreed_to() -> None:
    """If this fails and the change is meant: `python tools/fixtures.py openapi`, and commit the diff."""
    now = json.loads(json.dumps(description("VERSION")))
    assert now == json.loads(OPENAPI.read_text(encoding="utf-8")), "python tools/fixtures.py openapi"

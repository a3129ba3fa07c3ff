"""What reads turns."""

from __future__ import annotations

import pytest
from turn_helpers import CARS

from tailrank.conversation.reader import TurnReader
from tailrank.language.onnx_encoder import OnnxEncoder


@pytest.fixture(scope="module")
def reader() -> TurnReader:
    return TurnReader.from_catalogue(CARS)


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder.load()

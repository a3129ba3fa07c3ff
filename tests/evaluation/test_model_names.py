"""Models are found by their names; those of other packages only when asked for."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from tailrank import plugins
from tailrank.errors import RequestError
from tailrank.evaluation import baselines


def installed(*names: str) -> EntryPoints:
    return EntryPoints(EntryPoint(name, "builtins:sorted", plugins.MODELS) for name in names)


def test_an_unknown_model_is_answered_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda **how: installed().select(**how))
    with pytest.raises(
        RequestError, match=r"choose from tailrank, .*frequent; the package tailrank-peers.*als, bpr"
    ):
        baselines.find_model("als")


def test_a_package_adds_models(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (*baselines.PEERS, "theirs")
    monkeypatch.setattr(plugins, "entry_points", lambda **how: installed(*names).select(**how))
    found: object = baselines.find_model("theirs")
    assert found is sorted
    with pytest.raises(RequestError, match=r"choose from tailrank, .*frequent, als, bpr.*, theirs$"):
        baselines.find_model("nobody")

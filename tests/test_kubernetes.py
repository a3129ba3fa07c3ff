"""The chart, by Helm itself and the schemas of Kubernetes. No cluster runs here: what it names must exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from typer.core import TyperGroup
from typer.main import get_command

from tailrank.cli.main import app
from tailrank.server.routes import ROUTES, Router

pytest.importorskip("helm_python", reason="there is no wheel of helm-python-sdk for this platform")

import helm_python
import kubernetes_validate
from deploy.render import CHART, HEAD, MANIFESTS, render

ROOT = Path(__file__).parents[1]
EVERYTHING = {
    "consumers": 2,
    "args": ["--ttl-days", "30", "--log-impressions", "/tmp/log"],
    "imagePullSecrets": [{"name": "registry"}],
    "service": {"type": "LoadBalancer", "port": 8080},
    "maxUnavailable": "50%",
}


def rendered(values: dict[str, Any] | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """Render; returns what is to be created, by kind and name."""
    found = [each for each in yaml.safe_load_all(render(values)) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


@pytest.fixture(scope="module")
def everything() -> dict[tuple[str, str], dict[str, Any]]:
    return rendered(EVERYTHING)


def parsed(words: list[str]) -> None:
    """Read a command with its options as `tailrank` does."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    command = group.commands[words[0]]
    command.make_context(words[0], words[1:])


def mounts(pod: dict[str, Any], container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The volumes of a container, by where they are mounted."""
    volumes = {each["name"]: each for each in pod["volumes"]}
    return {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}


def test_helm_finds_nothing_to_complain_of() -> None:
    found = helm_python.lint(CHART, strict=True)
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]
    assert found["errors"] == []


@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_kubernetes_knows_every_field(everything: dict[tuple[str, str], Any], version: str) -> None:
    assert set(rendered()) == {
        ("Deployment", "tailrank"),
        ("Service", "tailrank"),
        ("PodDisruptionBudget", "tailrank"),
    }
    assert set(everything) == {*rendered(), ("Deployment", "tailrank-consumer")}
    for each in (*rendered().values(), *everything.values()):
        kubernetes_validate.validate(each, version, strict=True)


def test_the_manifests_are_those_of_the_chart() -> None:
    assert MANIFESTS.read_text(encoding="utf-8") == HEAD + render(), "write it anew: python deploy/render.py"


def test_what_selects_pods_selects_those_of_servers(everything: dict[tuple[str, str], Any]) -> None:
    server, consumer = (everything["Deployment", name] for name in ("tailrank", "tailrank-consumer"))
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in (server, consumer)]
    assert [each["spec"]["selector"]["matchLabels"] for each in (server, consumer)] == labels
    assert labels[0] != labels[1]
    assert everything["Service", "tailrank"]["spec"]["selector"] == labels[0]
    assert everything["PodDisruptionBudget", "tailrank"]["spec"]["selector"]["matchLabels"] == labels[0]


def test_servers_are_started_as_the_image_starts_them(
    everything: dict[tuple[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = everything["Deployment", "tailrank"]["spec"]["template"]["spec"]
    [container], [before] = pod["containers"], pod["initContainers"]
    places = mounts(pod, container)
    [entry] = re.findall(r"^ENTRYPOINT (.*)$", (ROOT / "Dockerfile").read_text(), re.M)
    [(name, value)] = [(each["name"], each["value"]) for each in container["env"]]
    secret = next(place for place, volume in places.items() if "secret" in volume)
    assert value == f"@{secret}/state"
    monkeypatch.setenv(name, "redis://valkey:6379/0")
    parsed([*json.loads(entry)[1:], *container["args"]])
    options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert options["--keys"] == f"{secret}/keys"
    assert options["--model"].rpartition("/")[0] in places
    assert places["/models"]["persistentVolumeClaim"]["readOnly"]
    [cache] = [place for place, volume in mounts(pod, before).items() if volume == places["/cache"]]
    assert before["command"] == ["cp", "-r", "/cache/.", f"{cache}/"]
    assert "/tmp" in places
    assert container["ports"] == [{"name": "http", "containerPort": int(json.loads(entry)[-1])}]
    for each in (container, before):
        assert each["securityContext"]["readOnlyRootFilesystem"]
    [user] = re.findall(r"useradd --uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert pod["securityContext"]["runAsUser"] == int(user)


def test_probes_ask_what_the_server_answers_without_a_key(everything: dict[tuple[str, str], Any]) -> None:
    pod = everything["Deployment", "tailrank"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    paths = {
        name: container[name]["httpGet"]["path"]
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/healthz", "livenessProbe": "/healthz"}
    for path in paths.values():
        found = Router(ROUTES).find("GET", path)
        assert found is not None
        assert found[0].scope is None
    _, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(pause) + 30


def test_consumers_know_where_events_come_from_and_go(
    everything: dict[tuple[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = everything["Deployment", "tailrank-consumer"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    [secret] = [place for place, volume in mounts(pod, container).items() if "secret" in volume]
    values = {each["name"]: each["value"] for each in container["env"]}
    assert set(values.values()) == {f"@{secret}/state", f"@{secret}/stream"}
    for name in values:
        monkeypatch.setenv(name, "redis://valkey:6379/0?stream=events")
    parsed(container["command"][1:])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replcas": 3}, "'replcas' not allowed"),
        ({"replicas": 0}, "minimum"),
        ({"models": {"path": "/models/current"}}, "pattern"),
        ({"service": {"type": "ExternalName"}}, "/service/type"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm_python.HelmValuesError, match=told):
        render(values)

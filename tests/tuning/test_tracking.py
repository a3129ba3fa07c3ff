"""Trackers: what they keep, read back by the reader of each library; and that they send and say nothing."""

import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pytest

from tailrank.errors import TailrankError
from tailrank.tuning.tracking import (
    TRACKERS,
    MLflow,
    Setting,
    Tracker,
    TrackingError,
    run_name,
    trackers,
)

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")  # of mlflow

SETTINGS: dict[str, Setting] = {"method": "lora", "rate": 1e-3, "rank": 8, "cosine": True, "limit": None}


class Kept(NamedTuple):
    """What is found of one run."""

    settings: dict[str, Any]
    metrics: dict[str, list[tuple[int, float]]]
    succeeded: bool


def read_tensorboard(folder: Path) -> dict[str, Kept]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS

    kept = {}
    for run in folder.iterdir():
        events = EventAccumulator(str(run)).Reload()
        about = events.PluginTagToContent("hparams")
        start = metadata.parse_session_start_info_plugin_data(about[metadata.SESSION_START_INFO_TAG])
        settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
        metrics = {
            tag: [(event.step, event.value) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
        end = about.get(metadata.SESSION_END_INFO_TAG)
        ended = end and metadata.parse_session_end_info_plugin_data(end).status
        kept[run.name] = Kept(settings, metrics, ended == STATUS_SUCCESS)
    return kept


def read_mlflow(folder: Path) -> dict[str, Kept]:
    from mlflow import MlflowClient

    assert (folder / "mlflow.db").is_file()
    client = MlflowClient(f"sqlite:///{quote(str(folder))}/mlflow.db")
    experiment = client.get_experiment_by_name("tailrank")
    kept = {}
    for run in client.search_runs([experiment.experiment_id]):
        metrics = {
            name: [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        kept[run.info.run_name] = Kept(run.data.params, metrics, run.info.status == "FINISHED")
    return kept


def read_wandb(folder: Path) -> dict[str, Kept]:
    kept: dict[str, Kept] = {}
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        printed = subprocess.run(inspect, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
        records: dict[str, list[Any]] = {"run": [], "history": [], "exit": []}
        for record in map(json.loads, printed.splitlines()):
            records.setdefault(record["type"], []).append(record[record["type"]])
        run, settings = records["run"][0]["run_id"], records["run"][0]["config"]["update"]
        assert settings.pop("_wandb") == {}
        succeeded = [end.get("exit_code", 0) for end in records["exit"]] == [0]
        metrics = kept[run].metrics if run in kept else {}
        for row in records["history"]:
            for name, value in row["item"].items():
                if not name.startswith("_"):
                    metrics.setdefault(name, []).append((row["item"]["_step"], float(value)))
        kept[run] = Kept(settings, metrics, succeeded)
    return kept


def single(value: float) -> float:
    return float(np.float32(value))


class Library(NamedTuple):
    """How a library gives things back."""

    package: str
    read: Callable[[Path], dict[str, Kept]]
    setting: Callable[[Any], Any]
    value: Callable[[float], float]
    name: Callable[[str], str]


LIBRARIES = {
    "tensorboard": Library(
        "tensorboard", read_tensorboard, lambda x: "None" if x is None else x, single, str
    ),
    "mlflow": Library("mlflow", read_mlflow, str, float, lambda name: name.replace("@", "_")),
    "wandb": Library("wandb", read_wandb, lambda x: x, float, str),
}


@pytest.fixture(params=TRACKERS)
def kind(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(LIBRARIES[request.param].package)
    return str(request.param)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests, as MLflow takes seconds to make a database; its name means something in a URI."""
    return tmp_path_factory.mktemp("tracking") / "50%25 off? #1"


@pytest.fixture
def folder(root: Path, kind: str) -> Path:
    return root / kind


def tracker(kind: str, folder: Path) -> Tracker:
    (made,) = trackers([f"{kind}={folder}"])
    return made


def test_what_is_logged_is_read_back(kind: str, folder: Path) -> None:
    losses = [4.25, 0.1, math.pi, -1e-8]
    tracking = tracker(kind, folder)
    tracking.start(SETTINGS)
    for step, loss in enumerate(losses):
        tracking.log(10 * step, {"loss": loss})
    tracking.log(40, {"loss": float(np.float32(2.5)), "ndcg@10/tail80": 0.0574})
    tracking.finish(succeeded=True)

    _, read, setting, as_kept, name = LIBRARIES[kind]
    kept = read(folder)[run_name(SETTINGS)]
    assert kept.settings == {key: setting(value) for key, value in SETTINGS.items()}
    assert kept.metrics == {
        "loss": [(10 * step, as_kept(loss)) for step, loss in enumerate([*losses, 2.5])],
        name("ndcg@10/tail80"): [(40, as_kept(0.0574))],
    }
    assert kept.succeeded


def test_a_metric_that_is_not_finite_is_kept_as_nan(kind: str, folder: Path) -> None:
    tracking = tracker(kind, folder)
    tracking.start({"rate": 100.0})
    for step, loss in enumerate([math.inf, 1.0, -math.inf, math.nan]):
        tracking.log(step, {"loss": loss})
    tracking.finish(succeeded=False)

    kept = LIBRARIES[kind].read(folder)[run_name({"rate": 100.0})]
    steps, losses = zip(*kept.metrics["loss"], strict=True)
    assert steps == (0, 1, 2, 3)
    np.testing.assert_equal(losses, (math.nan, 1.0, math.nan, math.nan))
    assert not kept.succeeded


def test_a_training_that_goes_on_goes_on_in_its_run(kind: str, folder: Path) -> None:
    settings = SETTINGS | {"rank": 16}
    reordered = dict(reversed(settings.items()))
    for given, steps, succeeded in ((settings, (0, 1), False), (reordered, (2, 3), True)):
        tracking = tracker(kind, folder)
        tracking.start(given)
        for step in steps:
            tracking.log(step, {"loss": 1 / (1 + step)})
        tracking.finish(succeeded)

    kept, as_kept = LIBRARIES[kind].read(folder)[run_name(settings)], LIBRARIES[kind].value
    assert kept.metrics == {"loss": [(step, as_kept(1 / (1 + step))) for step in range(4)]}
    assert kept.succeeded


def test_metrics_are_there_before_the_end(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    tracking = tracker("tensorboard", tmp_path)
    tracking.start(SETTINGS)
    tracking.log(0, {"loss": 0.5})
    kept = read_tensorboard(tmp_path)[run_name(SETTINGS)]
    tracking.finish(succeeded=True)
    assert kept.metrics == {"loss": [(0, 0.5)]}
    assert not kept.succeeded


def test_a_folder_that_cannot_be_written(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match=r"file/runs.*can't be logged there \(Not a directory\)"):
        tracker(kind, tmp_path / "file" / "runs").start(SETTINGS)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_an_address_that_is_none_of_mlflow(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    with pytest.raises(TrackingError, match=r"nowhere://here: the training can't be logged there.*nowhere"):
        MLflow("nowhere://here").start(SETTINGS)


@pytest.mark.parametrize(
    ("kind", "package"),
    [("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("mlflow", "sqlalchemy"), ("wandb", "wandb")],
)
def test_a_package_that_is_missing(
    kind: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [package, *(name for name in sys.modules if name.startswith((f"{package}.", "alembic")))]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TrackingError, match=r'needs \S+: pip install "tailrank\[tracking\]"'):
        tracker(kind, tmp_path / "runs").start(SETTINGS)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("place", ["neptune=runs", "tensorboard", "wandb=", "=runs", "TensorBoard=runs"])
def test_a_tracker_that_nobody_knows(place: str) -> None:
    with pytest.raises(TailrankError, match=f"'{place}'.*one of tensorboard, mlflow, wandb"):
        trackers(["mlflow=runs", place])


def test_one_mlflow_at_a_time() -> None:
    with pytest.raises(TrackingError, match="mlflow is named twice"):
        trackers(["mlflow=one", "mlflow=two"])


RUN = """
import sys
from tailrank.tuning.tracking import trackers
(tracker,) = trackers(sys.argv[1:])
tracker.start({"rank": 8})
tracker.log(0, {"loss": 1.0})
tracker.finish(True)
"""


def test_nothing_is_sent_and_nothing_is_said(kind: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        address = "http://{}:{}".format(*proxy.getsockname())
        # MLflow is silent by itself if the environment looks like a test's: so a new one.
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        caught = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), address)
        online = {"WANDB_MODE": "online", "WANDB_API_KEY": 40 * "0"}
        done = subprocess.run(
            [sys.executable, "-c", RUN, f"{kind}={tmp_path / 'runs'}"],
            env=inherited | caught | online | {"HOME": str(tmp_path)},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {found.name for found in tmp_path.iterdir()} <= {"runs", ".cache", ".config"}

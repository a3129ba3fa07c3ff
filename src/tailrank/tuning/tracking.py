"""Where the figures of a tuning are kept: TensorBoard, MLflow, Weights & Biases.

All of them write to a folder, and nothing leaves the machine unasked: only `MLflow` uses the network, where
its place is a server. A run is named by its settings: a training that was interrupted goes on in the same run
when it goes on with the same settings.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from tailrank.errors import TailrankError

Setting: TypeAlias = str | int | float | bool | None
"""What a setting of a training may be."""


class TrackingError(TailrankError):
    """Figures can't be kept where they were asked for."""


class Tracker(Protocol):
    """Keeps the figures of one training: `start` once, then `log` any number of times, then `finish` once.

    Each raises `TrackingError` where the place can't be written, and `start` where a package is missing.
    """

    def start(self, settings: Mapping[str, Setting]) -> None:
        """Begin a run, or go on with the one of the same settings: what tells this training from others."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Keep figures of one step, by name; one that is NaN or infinite is kept as NaN.

        Steps never fall within a run: a training that was resumed goes on with the step where it stood. Not
        every step needs the same figures.
        """

    def finish(self, succeeded: bool) -> None:
        """End the run: False where the training failed or was interrupted, and may be resumed."""


class TensorBoard:
    """Writes event files, which ``tensorboard --logdir FOLDER`` shows; figures are kept in float32.

    Parameters
    ----------
    folder
        Where each run has a folder of its own.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._writer: Any = None

    def start(self, settings: Mapping[str, Setting]) -> None:
        """Open an event file, with the settings as hyperparameters."""
        with _installed("TensorBoard"):
            from tensorboard.plugins.hparams.summary_v2 import hparams_pb
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        self._writer = EventFileWriter(str(_writable(self.folder / run_name(settings))))
        self._write(hparams_pb({name: "None" if x is None else x for name, x in settings.items()}))

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures as scalars."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in _known(figures).items()]
        self._write(Summary(value=values), step)

    def finish(self, succeeded: bool) -> None:
        """Close the event file; only success is told: TensorBoard believes the first end that a run had."""
        if succeeded:
            self._write(_success())
        self._writer.close()

    def _write(self, summary: Any, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        with _explained(self.folder, OSError):
            self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
            self._writer.flush()


def _success() -> Any:
    """Say in the words of TensorBoard's table of hyperparameters that a run ended well."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=end))
    tag = metadata.SESSION_END_INFO_TAG
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])


class MLflow:
    """Writes to an MLflow store: ``mlflow.db`` in a folder, or a server.

    MLflow allows letters, digits, spaces and ``_-./:`` in names; other signs become ``_``, ndcg@10 ndcg_10.

    Parameters
    ----------
    place
        A folder, or the tracking URI of a server or database, such as ``http://localhost:5000``.
    experiment
        Name of the experiment that the runs belong to; made where there is none.
    """

    def __init__(self, place: str | Path, experiment: str = "tailrank") -> None:
        self.place = str(place)
        self.experiment = experiment
        self._client: Any = None
        self._run = ""

    def start(self, settings: Mapping[str, Setting]) -> None:
        """Make a run, or open it again, with the settings as parameters."""
        for name, value in _MLFLOW.items():
            os.environ.setdefault(name, value)  # the first two are read at the import
        with _installed("MLflow"):
            import alembic  # noqa: F401 - needed for a database, and not by mlflow-skinny itself
            from mlflow import MlflowClient
            from mlflow.entities import Param
        uri, files = (self.place, None) if "://" in self.place else _database(Path(self.place))
        with self._explained():
            self._client = MlflowClient(uri)
            self._run = self._open(run_name(settings), files)
            parameters = [Param(_allowed(name), str(value)) for name, value in settings.items()]
            self._client.log_batch(self._run, params=parameters)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures as metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_allowed(name), value, now, step) for name, value in _known(figures).items()]
        with self._explained():
            self._client.log_batch(self._run, metrics=metrics)

    def finish(self, succeeded: bool) -> None:
        """Mark the run as finished or failed."""
        with self._explained():
            self._client.set_terminated(self._run, "FINISHED" if succeeded else "FAILED")

    def _open(self, name: str, files: str | None) -> str:
        """Find the run of a name, or make it; gives its id."""
        client = self._client
        found = client.get_experiment_by_name(self.experiment)
        experiment = found.experiment_id if found else client.create_experiment(self.experiment, files)
        runs = client.search_runs([experiment], f"attributes.run_name = '{name}'", max_results=1)
        run = str((runs[0] if runs else client.create_run(experiment, run_name=name)).info.run_id)
        client.update_run(run, status="RUNNING")
        return run

    def _explained(self) -> AbstractContextManager[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        return _explained(self.place, MlflowException, SQLAlchemyError)


_MLFLOW: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
}
"""Nothing sent unasked, nothing on the terminal, and half a minute, not four, for a server that is down."""


def _database(folder: Path) -> tuple[str, str]:
    """Give the URIs of the store in a folder, and of where files of its runs would be."""
    folder = _writable(folder).resolve()
    path = folder.as_posix().replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}/mlflow.db", (folder / "files").as_uri()


def _allowed(name: str) -> str:
    return re.sub(r"[^\w./: -]", "_", name)


class WeightsAndBiases:
    """Writes offline runs, which ``wandb sync`` sends where and when the user wants to; asks for no login.

    A run that is resumed becomes a second offline run of the same id, and ``wandb sync`` joins them.

    Parameters
    ----------
    folder
        Where the runs are kept, in a folder named wandb.
    project
        Name of the project that the runs belong to.
    """

    def __init__(self, folder: str | Path, project: str = "tailrank") -> None:
        self.folder = Path(folder)
        self.project = project
        self._run: Any = None

    def start(self, settings: Mapping[str, Setting]) -> None:
        """Begin an offline run, with the settings as its configuration and nothing kept about the machine."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read at the import
        with _installed("Weights & Biases"):
            import wandb
        with _explained(self.folder, wandb.Error):
            self._run = wandb.init(
                mode="offline",
                dir=_writable(self.folder),
                project=self.project,
                id=run_name(settings),
                resume="allow",
                reinit="create_new",
                config=dict(settings),
                settings=wandb.Settings(**_WANDB),
            )

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures."""
        self._run.log(_known(figures), step=step)

    def finish(self, succeeded: bool) -> None:
        """End the run, with exit code 0 or 1."""
        self._run.finish(exit_code=0 if succeeded else 1)


_WANDB: Final[dict[str, Any]] = {
    "silent": True,
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
"""Nothing on the terminal, and nothing kept but what is logged."""


KINDS: Final[dict[str, Callable[[str], Tracker]]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
"""Trackers by the names that a user gives them."""


def trackers(places: Sequence[str]) -> list[Tracker]:
    """Make the trackers that a user asked for, each one as KIND=FOLDER; MLflow takes a tracking URI as well.

    Raises
    ------
    TrackingError
        Where one isn't of that form, or its kind isn't among `KINDS`.

    Examples
    --------
    >>> first, second = trackers(["tensorboard=runs", "mlflow=http://localhost:5000"])
    >>> second.place
    'http://localhost:5000'
    """
    made = []
    for text in places:
        kind, _, place = text.partition("=")
        if kind not in KINDS or not place:
            kinds = ", ".join(KINDS)
            raise TrackingError(f"{text!r} names no tracker: write KIND=FOLDER, where KIND is one of {kinds}")
        made.append(KINDS[kind](place))
    return made


def run_name(settings: Mapping[str, Setting]) -> str:
    """Name a run by its settings, in whatever order they come: 12 hexadecimal digits."""
    return hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()[:12]


def _known(figures: Mapping[str, float]) -> dict[str, float]:
    """Make infinite figures NaN, the one value among those that aren't finite which every tracker keeps."""
    return {name: float(value) if math.isfinite(value) else math.nan for name, value in figures.items()}


def _writable(folder: Path) -> Path:
    """Make sure that a folder takes files: where it can't, the libraries wait, or write elsewhere."""
    with _explained(folder, OSError):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    return folder


@contextmanager
def _explained(place: str | Path, *mistakes: type[Exception]) -> Iterator[None]:
    try:
        yield
    except mistakes as why:
        reason = getattr(why, "strerror", None) or " ".join(str(why).split())
        raise TrackingError(f"{place}: figures can't be kept there ({reason}): name another place") from None


@contextmanager
def _installed(name: str) -> Iterator[None]:
    try:
        yield
    except ImportError as missing:
        raise TrackingError(f'{name} needs {missing.name}: pip install "tailrank[tracking]"') from None

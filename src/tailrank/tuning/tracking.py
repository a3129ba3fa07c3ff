"""Where losses and metrics of a training are logged: TensorBoard, MLflow, Weights & Biases.

The trackers are accelerate's, set up to write to a folder, so that nothing leaves the machine unasked: only
`MLflow` uses the network, if its place is a server. A run is named by its settings: an interrupted training
goes on in the same run when it goes on with the same settings.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from tailrank import plugins
from tailrank.errors import TailrankError, needs

Setting: TypeAlias = str | int | float | bool | None
"""A setting of a training."""


class TrackingError(TailrankError):
    """A tracker can't log to its place."""


class Tracker(Protocol):
    """Logs one training: `start` once, then `log` any number of times, then `finish` once.

    Each raises `TrackingError` if the place can't be written, and `start` if a package is missing.
    """

    def start(self, settings: Mapping[str, Setting]) -> None:
        """Begin a run, or go on with the one of the same settings: what tells this training from others."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics of one step, by name; one that is NaN or infinite is logged as NaN.

        Steps never fall within a run: a training that was resumed goes on with the step where it stood. Not
        every step needs the same metrics.
        """

    def finish(self, succeeded: bool) -> None:
        """End the run: False if the training failed or was interrupted, and may be resumed."""


class AccelerateTracker(ABC):
    """Logs through a tracker of accelerate.

    Parameters
    ----------
    place
        A folder; for `MLflow` also the tracking URI of a server or database, such as `http://localhost:5000`.
    """

    packages: ClassVar[tuple[str, ...]]
    errors: ClassVar[tuple[str, ...]] = ()
    """What the packages raise if they can't write, beside an OSError."""
    environment: ClassVar[dict[str, str]] = {}
    """Variables that the packages read when they are imported, unless the user has set them."""

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        self._tracker: Any = None

    def start(self, settings: Mapping[str, Setting]) -> None:
        """Begin a run with the settings, or go on with it."""
        for name, value in self.environment.items():
            os.environ.setdefault(name, value)
        with needs(type(self).__name__, "tracking", TrackingError):
            for package in self.packages:
                import_module(package)
            from accelerate import PartialState

        PartialState()  # without which accelerate's loggers raise
        with self._explained():
            self._tracker = self._started(run_name(settings), settings)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics; infinite ones as NaN, the only one of those values that every library keeps."""
        finite = {name: float(x) if math.isfinite(x) else math.nan for name, x in metrics.items()}
        with self._explained():
            self._tracker.log(finite, step=step)

    def finish(self, succeeded: bool) -> None:
        """End the run."""
        with self._explained():
            self._finish(succeeded)

    @abstractmethod
    def _started(self, name: str, settings: Mapping[str, Setting]) -> Any: ...

    @abstractmethod
    def _finish(self, succeeded: bool) -> None: ...

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, *map(resolve_name, self.errors)) as why:
            reason = getattr(why, "strerror", None) or " ".join(str(why).split())
            raise TrackingError(
                f"{self.place}: the training can't be logged there ({reason}): name another place"
            ) from None


class TensorBoard(AccelerateTracker):
    """Writes event files, which ``tensorboard --logdir FOLDER`` shows; each run has a folder of its own."""

    packages = ("tensorboard",)

    def _started(self, name: str, settings: Mapping[str, Setting]) -> Any:
        from accelerate.tracking import TensorBoardTracker
        from torch.utils.tensorboard.summary import hparams

        tracker = TensorBoardTracker(name, _writable(self.place))
        tracker.start()
        # accelerate's own way makes a new folder at each start, and says there that the run ended well.
        named = {name: "None" if x is None else x for name, x in settings.items()}
        _, start, self._success = hparams(named, {})  # type: ignore[no-untyped-call]
        tracker.writer.file_writer.add_summary(start)
        tracker.writer.flush()
        return tracker

    def _finish(self, succeeded: bool) -> None:
        if succeeded:  # of several ends TensorBoard believes the first
            self._tracker.writer.file_writer.add_summary(self._success)
        self._tracker.finish()


class MLflow(AccelerateTracker):
    """Writes to an MLflow store: ``mlflow.db`` in a folder, or a server.

    MLflow allows letters, digits, spaces and ``_-./:`` in names; other signs become ``_``, ndcg@10 ndcg_10.
    """

    packages = ("sqlalchemy", "alembic", "mlflow")  # mlflow-skinny needs the others for a database
    errors = ("mlflow.exceptions.MlflowException", "sqlalchemy.exc.SQLAlchemyError")
    # Nothing sent unasked, nothing on the terminal, and half a minute, not four, for a server that is down.
    environment: ClassVar = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    }

    def _started(self, name: str, settings: Mapping[str, Setting]) -> Any:
        import mlflow
        from accelerate.tracking import MLflowTracker

        uri, files, runs = self.place, None, []
        if "://" not in self.place:
            folder = _writable(self.place).resolve()
            path = folder.as_posix().replace("%", "%25").replace("?", "%3F")
            uri, files = f"sqlite:///{path}/mlflow.db", (folder / "files").as_uri()
        mlflow.set_tracking_uri(uri)
        if experiment := mlflow.get_experiment_by_name(PROJECT):
            same = f"attributes.run_name = '{name}'"
            runs = mlflow.search_runs([experiment.experiment_id], same, max_results=1, output_format="list")
        run = runs[0].info.run_id if runs else None
        tracker = MLflowTracker(PROJECT, files, run, nested_run=True, run_name=name)
        tracker.start()
        tracker.store_init_configuration(_renamed(settings))
        return tracker

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics."""
        super().log(step, _renamed(metrics))

    def _finish(self, succeeded: bool) -> None:
        import mlflow

        mlflow.end_run("FINISHED" if succeeded else "FAILED")


class WeightsAndBiases(AccelerateTracker):
    """Writes offline runs, which ``wandb sync`` sends where and when the user wants to; asks for no login.

    A run that is resumed becomes a second offline run of the same id, and ``wandb sync`` joins them. Nothing
    goes to the terminal, and nothing is kept but what is logged.
    """

    packages = ("wandb",)
    errors = ("wandb.Error",)
    environment: ClassVar = {"WANDB_ERROR_REPORTING": "false"}

    def _started(self, name: str, settings: Mapping[str, Setting]) -> Any:
        from accelerate.tracking import WandBTracker

        off = ("disable_code", "disable_git", "x_disable_machine_info", "x_disable_meta", "x_disable_stats")
        quiet = {"silent": True, "console": "off", "x_save_requirements": False, **dict.fromkeys(off, True)}
        place = {"mode": "offline", "dir": _writable(self.place), "settings": quiet}
        resumed = {"id": name, "resume": "allow", "reinit": "create_new"}
        tracker = WandBTracker(PROJECT, **place, **resumed, config=dict(settings))
        tracker.start()
        return tracker

    def _finish(self, succeeded: bool) -> None:
        self._tracker.run.finish(exit_code=0 if succeeded else 1)


PROJECT: Final = "tailrank"
"""Name of MLflow's experiment, or the project of Weights & Biases."""

TRACKERS: Final[dict[str, type[AccelerateTracker]]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
"""Trackers by the names that a user gives them; installed packages add to them."""


def trackers(places: Sequence[str]) -> list[Tracker]:
    """Make trackers from NAME=FOLDER; MLflow takes a tracking URI as well.

    Raises
    ------
    TrackingError
        If one isn't of that form, its name isn't known, or MLflow, which has one place a process,
        is named twice.

    Examples
    --------
    >>> first, second = trackers(["tensorboard=runs", "mlflow=http://localhost:5000"])
    >>> type(second).__name__
    'MLflow'
    """
    made: list[Tracker] = []
    for text in places:
        name, _, place = text.partition("=")
        tracker = TRACKERS.get(name) or plugins.plugged(plugins.TRACKERS, name)
        if tracker is None or not place:
            names = ", ".join([*TRACKERS, *plugins.plugged_names(plugins.TRACKERS)])
            raise TrackingError(f"{text!r} names no tracker: write NAME=FOLDER, where NAME is one of {names}")
        made.append(tracker(place))
    if [type(tracker) for tracker in made].count(MLflow) > 1:
        raise TrackingError("mlflow is named twice, but logs to one place at a time: leave one out")
    return made


@contextmanager
def tracked(logs: Sequence[Tracker], settings: Mapping[str, Setting]) -> Iterator[None]:
    """Start trackers, and finish them, whatever becomes of the training within."""
    for tracker in logs:
        tracker.start(settings)
    succeeded = False
    try:
        yield
        succeeded = True
    finally:
        for tracker in logs:
            tracker.finish(succeeded)


def run_name(settings: Mapping[str, Setting]) -> str:
    """Name a run by its settings, in whatever order they come: 12 hexadecimal digits."""
    return hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()[:12]


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub(r"[^\w./: -]", "_", name): value for name, value in values.items()}


def _writable(place: str) -> Path:
    """Make sure that a folder takes files: if it can't, the libraries wait, or write elsewhere."""
    folder = Path(place)
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    return folder

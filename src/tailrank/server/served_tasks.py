"""The tasks and the support desk that a server answers by, read when it starts, and a monitor to look at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tailrank.errors import RequestError
from tailrank.server.encoding import Encoders

if TYPE_CHECKING:  # it brings scipy, which a server that only ranks does without
    from tailrank.tasks.classifier import TextClassifier
    from tailrank.tasks.monitor.view import MonitorView
    from tailrank.tasks.support.live_desk import LiveDesk

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
"""What a task may be called, so that its name is a part of a path as it is."""


@dataclass(frozen=True)
class ServedTasks:
    """What is served beside rankings.

    Attributes
    ----------
    tasks
        By the names that they are served under.
    desk
        Answers customers; None if there is none.
    monitor
        Shows what another process watches; None if there is none.
    """

    tasks: Mapping[str, TextClassifier] = field(default_factory=dict)
    desk: LiveDesk | None = None
    monitor: MonitorView | None = None

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.tasks) or self.desk is not None or self.monitor is not None

    @classmethod
    def read(
        cls, folders: Mapping[str, Path], support: Path | None, monitor: Path | None, encoders: Encoders
    ) -> ServedTasks:
        """Read the folders of tasks, by name, of a desk and of a monitor; encoders are loaded now, each once.

        Raises
        ------
        ModelError, EncoderError
            If one can't be read, or its encoder is missing or has changed.
        DataError
            If no monitor has run in its folder.
        """
        if not folders and support is None and monitor is None:
            return cls()
        from tailrank.tasks.classifier import TextClassifier
        from tailrank.tasks.monitor.view import MonitorView
        from tailrank.tasks.support.live_desk import LiveDesk

        tasks = {name: TextClassifier.load(each, encoders.load_named) for name, each in folders.items()}
        desk = None if support is None else LiveDesk(support, load_encoder=encoders.load_named)
        return cls(tasks, desk, None if monitor is None else MonitorView(monitor))


def named_folders(option: str, given: Sequence[str]) -> dict[str, Path]:
    """Read the `NAME=FOLDER` of an option, each name once.

    Raises
    ------
    RequestError
        If one is written otherwise, or a name is repeated.

    Examples
    --------
    >>> named_folders("--task", ["intents=models/intents"])
    {'intents': PosixPath('models/intents')}
    """
    found: dict[str, Path] = {}
    for each in given:
        name, _, folder = each.partition("=")
        if not NAME.fullmatch(name) or not folder:
            raise RequestError(
                f"{option} {each}: write NAME=FOLDER, such as intents=models/intents; a name has letters, "
                "digits, `_`, `.` and `-`"
            )
        if name in found:
            raise RequestError(f"{option} {each}: {name!r} is another one already: give it another name")
        found[name] = Path(folder)
    return found

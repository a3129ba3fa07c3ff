"""The settings that every server has: one that ranks, and one that only labels texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.server.auth import ApiKey, is_loopback


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """Where a server listens, to whom, within which limits, and what it labels and answers.

    Attributes
    ----------
    host, port
        Address to listen at; port 0 chooses a free one.
    workers
        Processes.
    keys
        Who may send requests; without any, only this machine.
    rate_limit
        Requests a second for each key or, without keys, each address; None sets no limit.
    queue_ms
        Milliseconds that a request may wait for its turn; after more it is refused with 429, if the line was
        long when it joined.
    body_mb
        Megabytes of a request's body, at most.
    access_log
        Whether each request is logged, without what it contains.
    traces
        Whether spans are sent to where the OpenTelemetry variables say.
    tasks
        Folders of tasks, by the names that they are served under.
    support
        Folder of a support desk; None if there is none.
    monitor
        Folder of a monitor that another process runs; None shows none.
    monitor_inbox
        Folder in which texts for the opinion monitor are kept; None takes none.

    Raises
    ------
    RequestError
        On an address that others reach, without keys; on numbers out of range.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8000
    workers: Annotated[int, Meta(ge=1)] = 1
    keys: tuple[ApiKey, ...] = ()
    rate_limit: Annotated[float, Meta(gt=0)] | None = None
    queue_ms: Annotated[float, Meta(gt=0)] = 12.0
    body_mb: Annotated[float, Meta(gt=0)] = 4.0
    access_log: bool = False
    traces: bool = False
    tasks: Mapping[str, Path] = field(default_factory=dict)
    support: Path | None = None
    monitor: Path | None = None
    monitor_inbox: Path | None = None

    def __post_init__(self) -> None:
        if not self.keys and not is_loopback(self.host):
            raise RequestError(
                f"--host {self.host}: others would reach the server without a key: give --keys FILE, "
                "or set TAILRANK_API_KEYS"
            )
        check_bounds(self)

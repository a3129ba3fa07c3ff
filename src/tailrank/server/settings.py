"""How a server is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tailrank.errors import RequestError
from tailrank.server.auth import Key, is_loopback


@dataclass(frozen=True)
class ServerSettings:
    """What a server serves, to whom, and within which limits.

    Attributes
    ----------
    model
        Model folder; replaced while the server runs, the new model serves.
    state
        See `tailrank.state.open.open_state`.
    host, port
        Address to listen at.
    workers
        Processes.
    keys
        Who may ask; without any, only this machine.
    rate_limit
        Requests a second for each key or, without keys, each address; None sets no limit.
    ttl_days
        After how many days an event is forgotten; None keeps it until 50 later ones came.
    queue_ms
        Milliseconds that a request may have waited to be looked at; after more it is refused with 429.
    body_mb
        Megabytes of a request's body, at most.
    access_log
        Whether each request is logged, without what it says.
    traces
        Whether spans go to where the OpenTelemetry variables say.

    Raises
    ------
    RequestError
        On an address that others reach, without keys; on numbers out of range.
    """

    model: Path
    state: str
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    keys: tuple[Key, ...] = ()
    rate_limit: float | None = None
    ttl_days: float | None = None
    queue_ms: float = 12.0
    body_mb: float = 4.0
    access_log: bool = False
    traces: bool = False

    def __post_init__(self) -> None:
        if not self.keys and not is_loopback(self.host):
            raise RequestError(
                f"--host {self.host}: others would reach the server without a key: give --keys FILE, "
                "or set TAILRANK_API_KEYS"
            )
        if self.workers < 1 or not 0 <= self.port < 65_536:
            raise RequestError("--workers must be at least 1, and --port a number from 0 to 65535")
        for name in ("rate_limit", "ttl_days", "queue_ms", "body_mb"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RequestError(f"--{name.replace('_', '-')} must be above 0, not {value}")

"""`server_trouble`: what went wrong at a Valkey or Redis server, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailrank.state.base import StateError
from tailrank.state.server_url import TIMEOUT, ServerUrl

_REMEDIES: Final = {
    "OutOfMemoryError": "its memory is full: raise maxmemory, or keep events for fewer days",
    "MISCONF": "it can't write to its disk: free some space there",
    "ReadOnlyError": "it is a replica: name the primary",
    "WRONGTYPE": "something else uses its keys: name another database number",
    "AuthenticationError": "it refuses the password, or wants one: correct the address",
    "NoPermissionError": "the user of the address may not do this: allow commands and scripts on tailrank:*",
    "BusyLoadingError": "it is still reading its files: wait",
    "TimeoutError": f"no answer within {TIMEOUT:g} s: check the server",
    "CLUSTERDOWN": "the cluster has no server for some keys: wait until a replica takes over, or start it",
    "MASTERDOWN": "its primary is down: wait, or name the primary",
    "NOREPLICAS": "it has too few replicas to write: start them",
    "NotReplicated": "its replica hasn't confirmed what was written: wait, or check the replica",
    "TRYAGAIN": "the cluster is moving keys: wait",
    "MOVED": "the cluster is moving keys: wait",
    "ASK": "the cluster is moving keys: wait",
    "BUSY": "it is busy with a script of somebody else's: wait",
}


def server_trouble(url: ServerUrl, error: Exception, remedies: Mapping[str, str] | None = None) -> StateError:
    """Make an error that names the server and a remedy.

    Parameters
    ----------
    url
        Of the server.
    error
        What its client raised, or it answered.
    remedies
        By type or first word of the error, above those of a state.
    """
    message = str(error).partition(", with args")[0].rstrip(".")  # args would quote keys and events
    known = _REMEDIES | dict(remedies or {})
    remedy = known.get(type(error).__name__) or known.get(message.partition(" ")[0])
    remedy = remedy or f"{message}: start the server, or correct the address"
    return StateError(f"{url}: {remedy}")

"""`open_state`: from a location to the state that is stored there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tailrank import plugins
from tailrank.state.base import State, StateError

SECONDS_PER_DAY: Final = 86_400
SERVER_SCHEMES: Final = ("redis", "rediss", "valkey", "valkeys")


def open_state(location: str, ttl_days: float | None = None) -> State:
    """Open the state at a location.

    Parameters
    ----------
    location
        A folder, for the processes of one machine, created if it is missing; or `redis://HOST:PORT/NUMBER`
        (`valkey://`, and with TLS `rediss://`, `valkeys://`), for many machines; or of a scheme that an
        installed package plugs in.
    ttl_days
        Days after which events expire; None keeps them.

    Raises
    ------
    StateError
        If the location makes no sense, or the folder can't be used. Whether a server can be reached shows
        with the first call.
    """
    if ttl_days is not None and not ttl_days > 0:
        raise StateError(f"{ttl_days} days to keep events: give more than 0, or nothing to keep them")
    ttl = None if ttl_days is None else ttl_days * SECONDS_PER_DAY
    if not location:
        raise StateError("the state has no location: name a folder, or redis://HOST:PORT/NUMBER")
    scheme, is_url, _ = location.partition("://")
    if is_url and scheme.lower() not in SERVER_SCHEMES:
        other = plugins.plugged(plugins.STATES, scheme.lower())
        if other is not None:
            state: State = other(location, ttl)
            return state
        known = ", ".join(f"{name}://" for name in [*SERVER_SCHEMES, *plugins.plugged_names(plugins.STATES)])
        named = scheme if scheme.isalnum() else "…"  # which may be anything, such as a secret
        raise StateError(f"state at {named}://…: unknown; name a folder, or one of {known}")
    if is_url:
        from tailrank.state.networked import NetworkedState

        return NetworkedState(location, ttl)
    if re.match(rf"({'|'.join(SERVER_SCHEMES)}):|[^/]*:[^/]*@", location):
        raise StateError("state: no folder, and no address of a server without redis:// before it: add that")
    from tailrank.state.embedded import EmbeddedState

    return EmbeddedState(Path(location).expanduser(), ttl)

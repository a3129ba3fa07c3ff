"""Locations that make no sense are refused."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import pytest
from state_helpers import event, run, valkey_server

from tailrank.state.base import State, StateError
from tailrank.state.open import open_state
from tailrank.state.server_url import ServerUrl


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("", "no location"),
        ("mysql://localhost/x", "mysql"),
        ("redis://127.0.0.1:port/0", "address"),
        ("redis://127.0.0.1/zero", "address"),
        ("redis:///0", "address"),
        ("redis://127.0.0.1/0#1", "address"),
        ("/dev/null/state", "can't be used"),
        ("redis://127.0.0.1?decode_responses=true", "option 'decode_responses'"),
        ("redis://127.0.0.1/0?protocol=3", "option 'protocol'"),
        ("redis://127.0.0.1/0?max_connections=many", "option 'max_connections'"),
        ("redis://127.0.0.1/0?password=x", "option 'password'"),
        ("redis://127.0.0.1?encoding", "option 'encoding'"),
        ("redis://127.0.0.1/?db=x", "makes no sense"),
    ],
)
def test_a_location_that_makes_no_sense_is_refused(location: str, why: str) -> None:
    with pytest.raises(StateError, match=why):
        open_state(location)


@pytest.mark.parametrize(
    ("location", "why"),
    [
        *((f"redis://:hun{mark}ter@127.0.0.1:6379/0", "%2F, %3F, %23") for mark in "/?#"),
        ("redis://:2/3ter@127.0.0.1", "%2F"),
        ("rediss://hun:ter?x=1@127.0.0.1", "%3F"),
        ("redis://:hun@ter/x@127.0.0.1", "%2F"),
        *((f"redis://:hun{mark}ter@127.0.0.1", "%XX") for mark in ("[", "]", "\N{ACCOUNT OF}")),
        ("redis://:hunter", "%XX"),
        ("http://:hunter@127.0.0.1", "http://…: unknown"),
        ('"redis://:hunter@127.0.0.1', "…: unknown"),
        (":hunter@127.0.0.1:6379", "redis:// before it"),
        ("redis:/:hunter@127.0.0.1", "redis:// before it"),
        ("redis://:hunter@127.0.0.1/x", "no address of a server at redis://"),
        ("redis://:hunter@127.0.0.1?protocol=3", "redis://127.0.0.1:6379: option 'protocol'"),
    ],
)
def test_nothing_of_a_password_is_quoted(location: str, why: str) -> None:
    with pytest.raises(StateError, match=why) as raised:
        open_state(location)
    assert not re.search("hun|3ter", "".join(traceback.format_exception(raised.value)))


def test_what_a_password_holds_may_be_written_in_percent(tmp_path: Path) -> None:
    async def body(state: State) -> int:
        return await state.append([event()])

    with valkey_server(tmp_path, "--requirepass", "h/u#n?t@e:r%") as server:
        url = server.url.replace("//", "//:h%2Fu%23n%3Ft%40e%3Ar%25@")
        assert run(body, url) == 1
        with pytest.raises(StateError, match="refuses the password") as raised:
            run(body, url.replace("%25", "x"))
    assert str(raised.value).startswith(server.url)
    assert "%2F" not in repr(ServerUrl.parse(url))


def test_days_to_keep_are_positive(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="more than 0"):
        open_state(str(tmp_path), ttl_days=0)

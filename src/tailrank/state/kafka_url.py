"""`KafkaUrl`: the URL of a Kafka topic, and what of it may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qsl, unquote

from tailrank.errors import RequestError

SCHEMES: Final = ("kafka", "kafkas")

DEFAULT_PORT: Final = 9092

MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

FILES: Final = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")
"""What a connection with TLS may be told; the client's other settings change what it reads, or run code."""

OPTIONS: Final = ("topic", "sasl.mechanism", *FILES)

FORM: Final = "name kafka://HOST:PORT?topic=NAME"

_SERVER = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?")


def is_kafka(url: str) -> bool:
    """Tell whether a URL is one of Kafka.

    Examples
    --------
    >>> is_kafka("kafka://queue:9092?topic=events"), is_kafka("redis://queue/0?stream=events")
    (True, False)
    """
    scheme, is_url, _ = url.partition("://")
    return bool(is_url) and scheme.lower() in SCHEMES


@dataclass(frozen=True)
class KafkaUrl:
    """Where a topic is, and how to log in; its text shows nothing of the user info.

    Attributes
    ----------
    shown
        What messages and logs may hold.
    topic
        Name of the topic.
    settings
        Of librdkafka, to reach the brokers.
    """

    shown: str
    topic: str
    settings: dict[str, str] = field(repr=False)

    def __str__(self) -> str:
        """Return what may be shown."""
        return self.shown

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse `kafka://USER:PASSWORD@HOST:PORT,HOST:PORT?topic=NAME`; with TLS, `kafkas://`.

        Raises
        ------
        RequestError
            If it makes no sense, or names no file; the message holds nothing that may be part of a password.

        Examples
        --------
        >>> url = KafkaUrl.parse("kafka://ada:hush@one,two:9093?topic=events&sasl.mechanism=SCRAM-SHA-512")
        >>> str(url), url.settings["bootstrap.servers"]
        ('kafka://one:9092,two:9093?topic=events', 'one:9092,two:9093')
        """
        scheme, _, rest = url.partition("://")
        authority, _, query = rest.partition("?")
        user_info, _, named = authority.rpartition("@")
        hosts = named.rstrip("/").split(",")
        if "@" in query or "\0" in unquote(rest) or not all(map(_is_server, hosts)):
            raise RequestError(f"no brokers at {scheme}://…: {FORM}, signs of a password written as %XX")
        servers = ",".join(host if re.search(r":\d+$", host) else f"{host}:{DEFAULT_PORT}" for host in hosts)
        shown, is_safe = f"{scheme}://{servers}", scheme.lower() == "kafkas"
        topic, options = _options(shown, query, is_safe)
        login = _login(shown, user_info, options)
        protocol = ("SASL_" if login else "") + ("SSL" if is_safe else "PLAINTEXT")
        settings = {"bootstrap.servers": servers, "security.protocol": protocol, **options, **login}
        return cls(f"{shown}?topic={topic}", topic, settings)


def _options(shown: str, query: str, is_safe: bool) -> tuple[str, dict[str, str]]:
    """Read the topic, and what else the client is told."""
    options = parse_qsl(query, keep_blank_values=True)
    for name, value in options:
        if name not in OPTIONS:
            raise RequestError(f"{shown}: option {name!r} in the address: there are {', '.join(OPTIONS)}")
        if name in FILES and not is_safe:
            raise RequestError(f"{shown}: {name} is for TLS: write kafkas://")
        if name in FILES and not Path(value).is_file():
            raise RequestError(f"{shown}: {name}: there is no file {value}")
    topics = [value for name, value in options if name == "topic"]
    if len(topics) != 1 or not topics[0]:
        raise RequestError(f"{shown}: name one topic: {shown}?topic=NAME")
    return topics[0], {name: value for name, value in options if name != "topic"}


def _is_server(written: str) -> bool:
    """Tell whether this is a host, with a port or without."""
    found = _SERVER.fullmatch(written)
    return found is not None and 0 < int(found[2] or DEFAULT_PORT) < 1 << 16


def _login(shown: str, user_info: str, options: dict[str, str]) -> dict[str, str]:
    mechanism = options.get("sasl.mechanism")
    if not user_info:
        if mechanism:
            raise RequestError(f"{shown}: sasl.mechanism needs USER:PASSWORD@ before the host")
        return {}
    if mechanism not in MECHANISMS:
        one_of = ", ".join(MECHANISMS)
        raise RequestError(f"{shown}: a user needs &sasl.mechanism= behind the topic, one of {one_of}")
    user, _, password = user_info.partition(":")
    return {"sasl.username": unquote(user), "sasl.password": unquote(password)}

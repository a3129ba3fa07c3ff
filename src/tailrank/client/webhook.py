"""`Webhook`: posts signed JSON to a URL, as https://www.standardwebhooks.com says."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from tailrank.errors import RequestError

TIMEOUT: Final = 10.0
"""Seconds that a receiver has to take a connection and answer, however slowly bytes come."""

SCHEMES: Final = ("http", "https")

PREFIX: Final = "whsec_"
"""What secrets may start with."""

LEAST, MOST = 24, 64
"""Bytes of a secret."""


@dataclass(frozen=True)
class Webhook:
    """A receiver; its text shows nothing of the path, which may be a secret.

    Attributes
    ----------
    url
        http or https.
    secret
        Signs what is sent; None signs nothing.

    Raises
    ------
    RequestError
        If the URL is of another kind, or holds a password.

    Examples
    --------
    >>> print(Webhook("https://hooks.example.com:8443/services/T0/B1"))
    https://hooks.example.com:8443
    """

    url: str = field(repr=False)
    secret: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:  # it would quote the URL
            host, port = None, None
        if not host or parts.scheme not in SCHEMES or port == 0:
            raise RequestError("no URL of a receiver: write https://HOST/PATH")
        if "@" in parts.netloc:
            raise RequestError(f"{host}: leave the user info out of the URL; a secret signs")

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def post(self, message: str, body: bytes, time: float) -> str:
        """Send JSON once; redirects aren't followed.

        Parameters
        ----------
        message
            Id of what is sent: the same if it is sent again.
        body
            JSON.
        time
            Now, in seconds since 1970.

        Returns
        -------
        str
            Why it wasn't accepted; empty if it was, which an answer of 200 to 299 says.
        """
        headers = {"content-type": "application/json", "user-agent": "tailrank"}
        headers |= {"webhook-id": message, "webhook-timestamp": f"{time:.0f}"}
        if self.secret is not None:
            headers["webhook-signature"] = signature(self.secret, message, f"{time:.0f}", body)
        try:
            status = asyncio.run(asyncio.wait_for(self._status(body, headers), TIMEOUT))
        except (TimeoutError, httpx.TimeoutException):
            return f"no answer within {TIMEOUT:g} seconds"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as why:  # the last two: its settings
            return f"it can't be reached ({type(why).__name__})"
        return "" if httpx.codes.is_success(status) else f"it answers {status}"

    async def _status(self, body: bytes, headers: dict[str, str]) -> int:
        """Post; of the answer only the status is read."""
        async with (
            httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client,
            client.stream("POST", self.url, content=body, headers=headers) as response,
        ):
            return response.status_code


def decoded_secret(text: str) -> bytes:
    """Decode a secret.

    Parameters
    ----------
    text
        24 to 64 bytes in Base64, with `whsec_` before them or not.

    Raises
    ------
    RequestError
        If it is anything else; the message holds nothing of it.
    """
    try:
        secret = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not LEAST <= len(secret) <= MOST:
        raise RequestError(
            f"the secret isn't {LEAST} to {MOST} bytes in Base64, such as `openssl rand -base64 32` makes"
        )
    return secret


def signature(secret: bytes, message: str, time: str, body: bytes) -> str:
    """Sign a message: HMAC-SHA256 of its id, its time and its body.

    Examples
    --------
    >>> secret = decoded_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = b".".join([message.encode(), time.encode(), body])
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, 'sha256')).decode()}"

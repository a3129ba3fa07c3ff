"""Requests that are refused: by which HTTP status, and why."""

from __future__ import annotations

import logging
from typing import Final

from msgspec import DecodeError, ValidationError

from tailrank.api import ErrorResponse
from tailrank.errors import EncoderError, RequestError
from tailrank.feedback.records import LogError
from tailrank.server.call import encode
from tailrank.server.content_encoding import TooLargeError
from tailrank.server.encoding import EncoderBusyError
from tailrank.server.exchange import Answer
from tailrank.server.streams import TooManyStreamsError
from tailrank.state.base import StateError

RETRY_AFTER: Final = b"retry-after", b"1"

log = logging.getLogger("tailrank.server")


class RequestRefused(Exception):  # noqa: N818 - it is a response, not a fault
    """A request that gets no further: its status, why, and headers that go with that."""

    def __init__(self, status: int, why: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(why)
        self.answer = Answer(encode(ErrorResponse(why)), status, headers=headers)


def as_refusal(why: Exception) -> RequestRefused:
    """Map an error to an HTTP status and a message."""
    if isinstance(why, RequestRefused):
        return why
    if isinstance(why, ValidationError | RequestError | TooLargeError):
        return RequestRefused(413 if isinstance(why, TooLargeError) else 422, str(why))
    if isinstance(why, DecodeError | UnicodeError | RecursionError):
        return RequestRefused(400, f"not JSON: {why}")
    if isinstance(why, EncoderBusyError | TooManyStreamsError):
        return RequestRefused(429, str(why), RETRY_AFTER)
    if isinstance(why, StateError | EncoderError | LogError):
        log.warning("not at the moment", extra={"why": str(why)})
        return RequestRefused(503, str(why), RETRY_AFTER)
    log.error("request failed", exc_info=why)
    return RequestRefused(500, "something went wrong here; the log says where")

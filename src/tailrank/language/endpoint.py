"""`EndpointModel`: a generative model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import urldefrag, urlsplit

import httpx
import msgspec

from tailrank.errors import EncoderError
from tailrank.language.generative import KEY_VARIABLE, before_stop, check_scored, common_start

TIMEOUT: Final = 300.0
"""Seconds for an answer: a large model may have a queue."""

ATTEMPTS: Final = 6
RETRIED: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may succeed, after a pause that doubles from one second."""

AT_ONCE: Final = 8
"""Requests at a time: endpoints batch them."""

SHOWN: Final = 300
"""Characters of a refusal."""

T = TypeVar("T")
_Scored: TypeAlias = tuple[list[str], list[float | None]]
"""Tokens of a text, and the log probability of each; None for the first."""


class _LogProbabilities(msgspec.Struct):
    tokens: list[str]
    token_logprobs: list[float | None]


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    logprobs: _LogProbabilities | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class EndpointModel:
    """A model of another machine; methods as `GenerativeModel` says.

    Log probabilities need `echo` with `logprobs` in ``/completions``, which vLLM has and llama.cpp's server
    has not.

    Parameters
    ----------
    url
        Such as ``http://localhost:8000/v1``, or ``http://localhost:8000/v1#MODEL``.
    key
        API key, sent as a bearer token.
    transport
        How requests are sent, if not over the network.
    sleep
        Waits for so many seconds before a request is sent again.

    Raises
    ------
    EncoderError
        If the URL or the key can't be one, the endpoint can't be reached, or it serves several models and
        none is named.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        base, model = _base_and_model(url)
        headers = {"authorization": f"Bearer {key}"} if (key := _checked_key(key)) else {}
        self._url = base.rstrip("/")
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT, transport=transport)
        self._scored_prompt, self._sleep = lru_cache(maxsize=64)(self._scored), sleep
        self.model = model or self._only_model()

    @property
    def identity(self) -> str:
        """URL and model: an endpoint doesn't tell its weights."""
        return f"{self._url}#{self.model}"

    def complete(self, prompt: str, max_tokens: int, stop: Sequence[str] = ()) -> str:
        """Answer an instruction; see `GenerativeModel.complete`."""
        said = [{"role": "user", "content": prompt}]
        body: dict[str, Any] = {"messages": said, "max_tokens": max_tokens, "temperature": 0}
        if stop:
            body["stop"] = list(stop)
        choices = self._post("/chat/completions", body).choices
        if not choices or choices[0].message is None or choices[0].message.content is None:
            raise EncoderError(f"{self._url}: the answer holds no text")
        return before_stop(choices[0].message.content, stop)

    def log_probabilities(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """Score continuations, several at once; see `GenerativeModel.log_probabilities`."""
        check_scored(prompt, continuations)
        alone, _ = self._scored_prompt(prompt)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(self._scored, [prompt + text for text in continuations]))
        return [sum(log or 0.0 for log in logs[common_start(alone, tokens) :]) for tokens, logs in found]

    def log_probability(self, prompt: str, continuation: str) -> float:
        """Score one continuation."""
        return self.log_probabilities(prompt, [continuation])[0]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _scored(self, text: str) -> _Scored:
        """Ask for the tokens of a text with their probabilities; what is written behind them is left out."""
        body = {"prompt": text, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
        answer = self._post("/completions", body)
        found = answer.choices[0].logprobs if answer.choices else None
        count = answer.usage.prompt_tokens if answer.usage else 0
        if found is None or not 0 < count <= min(len(found.tokens), len(found.token_logprobs)):
            raise EncoderError(
                f"{self._url}: no probabilities of the prompt's tokens came back: serve the model by "
                "something that has `echo` with `logprobs` in /completions, such as vLLM"
            )
        return found.tokens[:count], found.token_logprobs[:count]

    def _only_model(self) -> str:
        """Name the model that is served."""
        names = [model.id for model in self._send("GET", "/models", None, _Models).data]
        if len(names) != 1:
            raise EncoderError(
                f"{self._url} serves {', '.join(names) or 'no model'}: name one, as in URL#MODEL"
            )
        return names[0]

    def _post(self, path: str, body: dict[str, Any]) -> _Completion:
        """Send what the model is to do."""
        return self._send("POST", path, body | {"model": self.model}, _Completion)

    def _send(self, method: str, path: str, body: dict[str, Any] | None, kind: type[T]) -> T:
        """Send a request, again if the endpoint is busy."""
        for attempt in range(ATTEMPTS):
            try:
                answer = self._http.request(method, self._url + path, json=body)
            except (httpx.HTTPError, httpx.InvalidURL) as failed:
                why = str(failed) or type(failed).__name__
                raise EncoderError(f"{self._url}: no answer ({why}): does the endpoint run?") from None
            if answer.status_code not in RETRIED or attempt == ATTEMPTS - 1:
                break
            self._sleep(2.0**attempt)
        if not answer.is_success:
            raise EncoderError(f"{method} {self._url}{path}: {answer.status_code}: {answer.text[:SHOWN]}")
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as why:
            raise EncoderError(
                f"{method} {self._url}{path}: not the answer of such an endpoint ({why})"
            ) from None


def _base_and_model(url: str) -> tuple[str, str]:
    """Split a URL at the name of the model."""
    try:
        base, model = urldefrag(url)
        where = urlsplit(base).netloc
    except ValueError as why:
        raise EncoderError(f"{url}: no URL ({why}): write it like http://HOST:8000/v1") from None
    if "@" in where:
        raise EncoderError(
            "leave the user info out of the endpoint's URL: the key is read from the environment"
        )
    return base, model


def _checked_key(key: str | None) -> str:
    """Give a key without blanks or the end of a line around it; one that can't be sent is refused, unseen."""
    found = (key or "").strip()
    if not (found.isascii() and found.isprintable()):
        raise EncoderError(
            f"the key in {KEY_VARIABLE} holds something else than letters, digits and signs of ASCII, so it "
            "can't be sent: copy it again"
        )
    return found

"""Generative language models, here or behind an endpoint: they write, and say how likely a text is.

They work offline, as teachers and writers; no ranking waits for one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, Protocol

from tailrank.errors import EncoderError, needs

KEY_VARIABLE: Final = "TAILRANK_MODEL_KEY"
"""Variable of the environment that holds an endpoint's API key; it is sent, and never shown."""


class GenerativeModel(Protocol):
    """A model that continues texts.

    Attributes
    ----------
    identity
        Names the model and what decides its answers: provenance, and the key of caches.
    """

    @property
    def identity(self) -> str: ...  # noqa: D102 - above

    def complete(self, prompt: str, max_tokens: int, stop: Sequence[str] = ()) -> str:
        """Answer an instruction: the likeliest token each time, so that the same question has one answer.

        Parameters
        ----------
        prompt
            What a user says; the model's own chat template is put around it, if it has one.
        max_tokens
            The answer is cut there.
        stop
            The answer ends before the first of these.

        Raises
        ------
        EncoderError
            If the model fails or can't be reached.
        """
        ...

    def log_probabilities(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """Return the natural logarithm of how likely each text is to follow the prompt, as it stands.

        A token that holds the end of the prompt and the start of a continuation counts for the continuation.

        Parameters
        ----------
        prompt
            Not empty, as nothing is known of a first token; no chat template is put around it.
        continuations
            Usually starts with a blank, which begins a token of its own.

        Raises
        ------
        EncoderError
            If the model fails or can't be reached, or the endpoint gives no probabilities of a prompt.
        """
        ...

    def log_probability(self, prompt: str, continuation: str) -> float:
        """Return `log_probabilities` of one continuation."""
        ...


def load_generative_model(name: str, device: str | None = None) -> GenerativeModel:
    """Load a model from a folder, or connect to an endpoint.

    Parameters
    ----------
    name
        A folder in the format of transformers, with safetensors; or the URL of an OpenAI-compatible endpoint,
        such as ``http://localhost:8000/v1``, with ``#MODEL`` behind it if it serves several. An endpoint's
        API key is taken from the environment: `KEY_VARIABLE`.
    device
        Of a folder's model; see `TextEncoder.load`.

    Raises
    ------
    EncoderError
        If there is no such model, or it can't be used.
    """
    if name.startswith(("http://", "https://")):
        with needs("an endpoint", "client", EncoderError):
            from tailrank.language.endpoint import EndpointModel
        return EndpointModel(name, os.environ.get(KEY_VARIABLE))
    with needs("a generative model", "language", EncoderError):
        from tailrank.language.causal import CausalModel
    return CausalModel(name, device)


def before_stop(text: str, stop: Sequence[str]) -> str:
    """Cut a text before the first of the given ones.

    Examples
    --------
    >>> before_stop("a mug. Another", [".", ";"])
    'a mug'
    """
    return text[: min((at for end in stop if (at := text.find(end)) >= 0), default=len(text))]


def common_start(prompt: Sequence[Any], whole: Sequence[Any]) -> int:
    """Count the tokens that a prompt has in common with itself and a continuation.

    Examples
    --------
    >>> common_start(["A", " mug"], ["A", " mug", "gy"]), common_start(["A", " mug"], ["A", " muggy"])
    (2, 1)
    """
    differ = (at for at, (one, other) in enumerate(zip(prompt, whole, strict=False)) if one != other)
    return next(differ, min(len(prompt), len(whole)))


def check_scored(prompt: str, continuations: Sequence[str]) -> None:
    """Refuse what has no probability.

    Raises
    ------
    EncoderError
        If there is no prompt, or a continuation is empty.
    """
    if not prompt or not all(continuations):
        raise EncoderError("a text without a prompt before it, or without a character, has no probability")

"""`CausalModel`: a generative model from a folder, run by transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.cache_utils import DynamicCache
from transformers.generation.stopping_criteria import StoppingCriteria, StoppingCriteriaList

from tailrank.devices import chosen_device
from tailrank.errors import EncoderError, first_line
from tailrank.language.generative import before_stop, check_scored, common_start
from tailrank.language.loading import quiet
from tailrank.language.sources import find_encoder

AT_ONCE: Final = 16
"""Continuations that are read at once: each token of them has a number for every token that there is."""


class CausalModel:
    """A model of this machine; parameters and methods as `load_generative_model` and `GenerativeModel` say.

    Attributes
    ----------
    identity
        The folder's name and the sha256 of its files.
    """

    def __init__(self, folder: str, device: str | None = None) -> None:
        if not Path(folder).expanduser().is_dir():
            raise EncoderError(
                f"no generative model {folder!r}: name a folder, or an endpoint's URL such as http://HOST:8000/v1"
            )
        source = find_encoder(folder)
        self.identity = f"{source.path.name} sha256:{source.fingerprint}"
        where = str(source.path)
        try:
            with quiet():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(where, local_files_only=True)
                loaded: Any = AutoModelForCausalLM.from_pretrained(
                    where,
                    local_files_only=True,
                    use_safetensors=True,
                    output_loading_info=True,
                    dtype=torch.float32,
                )
        except Exception as error:  # noqa: BLE001 - a broken folder makes the libraries below raise anything
            raise EncoderError(f"{folder}: holds no generative model ({first_line(error)})") from None
        model, found = loaded
        if found["missing_keys"]:
            names = ", ".join(sorted(found["missing_keys"])[:3])
            raise EncoderError(f"{folder}: the weights lack {names}, so it is no whole generative model")
        best = torch.accelerator.current_accelerator(check_available=True)
        self._model: Any = model.eval().to(device or chosen_device() or best or "cpu")

    def complete(self, prompt: str, max_tokens: int, stop: Sequence[str] = ()) -> str:
        """Answer an instruction; see `GenerativeModel.complete`."""
        if self._tokenizer.chat_template:
            said = [{"role": "user", "content": prompt}]
            prompt = self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        rows = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=False).to(self._model.device)
        end = _Written(stop, partial(self._written, rows["input_ids"].shape[1]))
        with torch.inference_mode(), quiet():
            found = self._model.generate(
                **rows,
                do_sample=False,
                max_new_tokens=max_tokens,
                stopping_criteria=StoppingCriteriaList([end]),
            )
        return before_stop(end.written(found[0]), stop)

    def log_probabilities(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """Score continuations, after reading the prompt once; see `GenerativeModel.log_probabilities`."""
        check_scored(prompt, continuations)
        some = range(0, len(continuations), AT_ONCE)
        return [log for at in some for log in self._scored(prompt, continuations[at : at + AT_ONCE])]

    def _scored(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """Score some, whose probabilities of every token fit in memory."""
        first, *tokens = self._tokenizer([prompt, *(prompt + text for text in continuations)])["input_ids"]
        shared = min(common_start(first, row) for row in tokens)
        width = max(map(len, tokens))
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in tokens])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in tokens])
        logs = self._logs(ids.to(self._model.device), mask.to(self._model.device), max(shared - 1, 0))
        starts = [max(common_start(first, row), 1) for row in tokens]
        places = zip(logs.double().tolist(), starts, tokens, strict=True)
        return [sum(row[at - 1 : len(one) - 1]) for row, at, one in places]

    def log_probability(self, prompt: str, continuation: str) -> float:
        """Score one continuation."""
        return self.log_probabilities(prompt, [continuation])[0]

    def _written(self, start: int, row: Tensor) -> str:
        """Decode the tokens that come after the first `start`."""
        return str(self._tokenizer.decode(row[start:], skip_special_tokens=True))

    @torch.inference_mode()
    def _logs(self, ids: Tensor, mask: Tensor, shared: int) -> Tensor:
        """Compute each token's log probability after those before it; shape (rows, tokens - 1), 0 if shared.

        The first `shared` tokens are the same in all rows, and are read once.
        """
        known = DynamicCache(config=self._model.config)
        if shared:
            self._model(ids[:1, :shared], past_key_values=known, logits_to_keep=1)
            known.batch_repeat_interleave(len(ids))
        logits = self._model(ids[:, shared:], attention_mask=mask, past_key_values=known).logits[:, :-1]
        found = logits.float().log_softmax(dim=2).gather(2, ids[:, shared + 1 :, None])[:, :, 0]
        return torch.cat([found.new_zeros(len(ids), shared), found], dim=1)


class _Written(StoppingCriteria):
    """Stops at a text, however it is cut into tokens."""

    def __init__(self, stop: Sequence[str], written: Callable[[Tensor], str]) -> None:
        self.stop, self.written = stop, written

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        text = self.written(input_ids[0])
        return torch.full((1,), any(end in text for end in self.stop), device=input_ids.device)

"""Adapters: what a fine-tuned encoder differs in from its base, in a folder beside it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tailrank.errors import EncoderError
from tailrank.language.sources import Source, resolve

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor, nn

LABEL: Final = "adapter.json"
"""File that makes a folder an adapter; it names the base."""

HEAD: Final = "head.safetensors"
PARTS: Final = "peft"
_FORMAT: Final = "tailrank adapter 1"


def base_of(folder: Path) -> Source | None:
    """Find the base that an adapter belongs to; None where the folder is no adapter.

    Raises
    ------
    EncoderError
        Where the folder is damaged, or the base isn't there or has changed.
    """
    label = folder / LABEL
    if not label.is_file():
        return None
    try:
        about = json.loads(label.read_text(encoding="utf-8"))
        form, name, fingerprint = (about[key] for key in ("format", "base", "base_fingerprint"))
    except (ValueError, KeyError, TypeError):
        raise EncoderError(f"{label}: the adapter is damaged: tune the encoder again") from None
    if form != _FORMAT:
        raise EncoderError(f"{label}: an adapter of the format {form!r}; this version reads {_FORMAT!r}")
    base = resolve(name)
    if base.fingerprint != fingerprint:
        raise EncoderError(
            f"{label}: the adapter belongs to another version of {name!r} (fingerprint {fingerprint[:12]}, "
            f"found {base.fingerprint[:12]}): restore that version, or tune again"
        )
    return base


def write(folder: Path, model: SentenceTransformer, base: Source) -> None:
    """Write what differs from the base: the head, and peft's parts where there are any."""
    from safetensors.torch import save_file

    parts = {
        f"{at}.{name}": value.contiguous()
        for at, layer in enumerate(head_of(model))
        for name, value in layer.linear.state_dict().items()
    }
    save_file(parts, folder / HEAD)
    local = Path(base.name).expanduser().is_dir()
    name = str(base.path.resolve()) if local else base.name  # found from wherever it is loaded
    inner = _inner(model)
    if hasattr(inner, "peft_config"):
        for settings in inner.peft_config.values():
            settings.base_model_name_or_path = name
        inner.save_pretrained(str(folder / PARTS))
        (folder / PARTS / "README.md").unlink(missing_ok=True)
    about = {
        "format": _FORMAT,
        "base": name,
        "base_fingerprint": base.fingerprint,
        "max_tokens": model.max_seq_length,
    }
    (folder / LABEL).write_text(json.dumps(about, indent=1), encoding="utf-8")


def attach(model: SentenceTransformer, folder: Path) -> None:
    """Change a base, as `load_model` gives it, into the tuned encoder.

    Raises
    ------
    EncoderError
        Where the adapter is damaged, or peft is needed and missing.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.max_seq_length = json.loads((folder / LABEL).read_text(encoding="utf-8"))["max_tokens"]
        if (folder / PARTS).is_dir():
            adapt(model, peft().PeftModel.from_pretrained(_inner(model), str(folder / PARTS)))
        state = load_file(folder / HEAD)
        add_head(model, [(state[f"{at}.weight"], state[f"{at}.bias"]) for at in range(len(state) // 2)])
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as why:
        reason = str(why).splitlines()[0]
        raise EncoderError(f"{folder}: the adapter is damaged ({reason}): tune the encoder again") from None


def adapt(model: SentenceTransformer, inner: Any) -> None:
    """Put peft's model in the place of the one it wraps; no pooling sees the outputs of a prompt."""
    model[0].model = inner
    settings = inner.active_peft_config
    if settings.is_prompt_learning:
        prompt = settings.num_virtual_tokens

        def without_prompt(_: nn.Module, __: object, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[:, prompt:]
            return output

        inner.register_forward_hook(without_prompt)


def merge(model: SentenceTransformer) -> None:
    """Add low-rank updates to the weights that they change, so that the encoder needs no peft.

    Raises
    ------
    EncoderError
        Where the encoder has a prompt, which is no change of weights.
    """
    inner = _inner(model)
    if not hasattr(inner, "peft_config"):
        return
    if inner.active_peft_config.is_prompt_learning:
        raise EncoderError(
            "a prompt can't be merged into the weights: keep it as an adapter, or tune by lora"
        )
    model[0].model = inner.merge_and_unload()


def add_head(model: SentenceTransformer, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Append a head: linear maps of the unit vector with ReLU between them, scaled to length one in the end.

    It is made of modules of sentence-transformers, so that a whole encoder with a head is an ordinary one.

    Parameters
    ----------
    model
        Changed.
    layers
        Weight, shape (out, in), and bias, shape (out,), of each map.
    """
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize
    from torch import nn

    if not isinstance(model[-1], Normalize):
        model.append(Normalize())
    for at, (weight, bias) in enumerate(layers):
        last = at == len(layers) - 1
        form: Any = nn.Identity() if last else nn.ReLU()
        narrow, wide = weight.shape
        layer = Dense(wide, narrow, activation_function=form, init_weight=weight, init_bias=bias)
        model.append(layer.to(model.device))
    model.append(Normalize())


def head_of(model: SentenceTransformer) -> list[Any]:
    """List the maps of the head that `add_head` appended; none where there is no head."""
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    if not isinstance(model[-1], Normalize):
        return []
    modules = list(model)[:-1]
    end = len(modules)
    while end and isinstance(modules[end - 1], Dense):
        end -= 1
    return modules[end:]


def peft() -> Any:
    """Import peft.

    Raises
    ------
    EncoderError
        Where it is missing.
    """
    # These say nothing that a user could act on.
    warnings.filterwarnings("ignore", "Could not find a config file in", UserWarning)
    warnings.filterwarnings("ignore", "Unable to fetch remote file", UserWarning)
    warnings.filterwarnings("ignore", "Token type ids are not supported", UserWarning)
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
    try:
        import peft as found
    except ImportError:
        raise EncoderError('lora and prompt need peft: pip install "tailrank[tuning]"') from None
    return found


def _inner(model: SentenceTransformer) -> Any:
    return model[0].model

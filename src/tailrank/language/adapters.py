"""Adapters: the difference between a fine-tuned encoder and its base, in a folder of its own."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tailrank.errors import EncoderError, first_line, needs
from tailrank.language.sources import EncoderSource, find_encoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor, nn

ADAPTER_FILE: Final = "adapter.json"
"""File that makes a folder an adapter; it names the base."""

HEAD_FILE: Final = "head.safetensors"
PEFT_FOLDER: Final = "peft"
_FORMAT: Final = "tailrank adapter 1"


def find_base(folder: Path) -> EncoderSource | None:
    """Find the base that an adapter belongs to; None if the folder is no adapter.

    Raises
    ------
    EncoderError
        If the folder is damaged, or the base isn't there or has changed.
    """
    label = folder / ADAPTER_FILE
    if not label.is_file():
        return None
    try:
        about = json.loads(label.read_text(encoding="utf-8"))
        form, name, fingerprint = (about[key] for key in ("format", "base", "base_fingerprint"))
    except (ValueError, KeyError, TypeError):
        raise EncoderError(f"{label}: the adapter is damaged: tune the encoder again") from None
    if form != _FORMAT:
        raise EncoderError(f"{label}: an adapter of the format {form!r}; this version reads {_FORMAT!r}")
    base = find_encoder(name)
    if base.fingerprint != fingerprint:
        raise EncoderError(
            f"{label}: the adapter belongs to another version of {name!r} (fingerprint {fingerprint[:12]}, "
            f"found {base.fingerprint[:12]}): restore that version, or tune again"
        )
    return base


def write(folder: Path, model: SentenceTransformer, base: EncoderSource) -> None:
    """Write what differs from the base: the head, and the weights of peft if there are any."""
    from safetensors.torch import save_file

    parts = {
        f"{at}.{name}": value.contiguous()
        for at, layer in enumerate(head_layers(model))
        for name, value in layer.linear.state_dict().items()
    }
    save_file(parts, folder / HEAD_FILE)
    local = Path(base.name).expanduser().is_dir()
    name = str(base.path.resolve()) if local else base.name  # found from wherever it is loaded
    inner: Any = model[0].model
    if hasattr(inner, "peft_config"):
        for settings in inner.peft_config.values():
            settings.base_model_name_or_path = name
        inner.save_pretrained(str(folder / PEFT_FOLDER))
        (folder / PEFT_FOLDER / "README.md").unlink(missing_ok=True)
    about = {
        "format": _FORMAT,
        "base": name,
        "base_fingerprint": base.fingerprint,
        "max_tokens": model.max_seq_length,
    }
    (folder / ADAPTER_FILE).write_text(json.dumps(about, indent=1), encoding="utf-8")


def attach(model: SentenceTransformer, folder: Path) -> None:
    """Change a base, as `load_model` returns it, into the tuned encoder.

    Raises
    ------
    EncoderError
        If the adapter is damaged, or peft is needed and missing.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.max_seq_length = json.loads((folder / ADAPTER_FILE).read_text(encoding="utf-8"))["max_tokens"]
        if (folder / PEFT_FOLDER).is_dir():
            adapt(model, peft().PeftModel.from_pretrained(model[0].model, str(folder / PEFT_FOLDER)))
        state = load_file(folder / HEAD_FILE)
        add_head(model, [(state[f"{at}.weight"], state[f"{at}.bias"]) for at in range(len(state) // 2)])
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as why:
        raise EncoderError(
            f"{folder}: the adapter is damaged ({first_line(why)}): tune the encoder again"
        ) from None


def adapt(model: SentenceTransformer, inner: Any) -> None:
    """Replace the inner model by peft's, which wraps it; the outputs of a prompt are hidden from pooling."""
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
        If the encoder has a prompt, which is no change of weights.
    """
    inner: Any = model[0].model
    if not hasattr(inner, "peft_config"):
        return
    if inner.active_peft_config.is_prompt_learning:
        raise EncoderError(
            "a prompt can't be merged into the weights: keep it as an adapter, or tune by lora"
        )
    model[0].model = inner.merge_and_unload()


def add_head(model: SentenceTransformer, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Append a head: linear maps of the unit vector with ReLU between them, then normalisation.

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
        activation: Any = nn.Identity() if last else nn.ReLU()
        width_out, width_in = weight.shape
        layer = Dense(width_in, width_out, activation_function=activation, init_weight=weight, init_bias=bias)
        model.append(layer.to(model.device))
    model.append(Normalize())


def head_layers(model: SentenceTransformer) -> list[Any]:
    """List the maps of the head that `add_head` appended; none if there is no head."""
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
        If it is missing.
    """
    # No user could act on these warnings.
    warnings.filterwarnings("ignore", "Could not find a config file in", UserWarning)
    warnings.filterwarnings("ignore", "Unable to fetch remote file", UserWarning)
    warnings.filterwarnings("ignore", "Token type ids are not supported", UserWarning)
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
    with needs("tuning by lora or prompt", "tuning", EncoderError):
        import peft as found
    return found

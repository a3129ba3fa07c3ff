"""Adapters: the difference between a fine-tuned encoder and its base, in a folder of its own."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from tailrank.errors import EncoderError, first_line, needs
from tailrank.language.sources import EncoderSource, find_encoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor, nn

ADAPTER_FILE: Final = "adapter.json"
"""File that makes a folder an adapter; it names the base."""

HEAD_FILE: Final = "head.safetensors"
PEFT_FOLDER: Final = "peft"
PEFT_SETTINGS: Final = "adapter_config.json"
CODE_SETTINGS: Final = ("megatron_config", "megatron_core")
"""Settings of peft that name a module to import, unless they have their default."""

_FORMAT: Final = "tailrank adapter 1"


class AdapterDescription(Struct, frozen=True):
    """What `ADAPTER_FILE` says."""

    format: str
    base: str
    base_fingerprint: str
    max_tokens: Annotated[float, Meta(ge=1)] | None


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
    about = _read_description(label)
    base = find_encoder(about.base)
    if base.fingerprint != about.base_fingerprint:
        raise EncoderError(
            f"{label}: the adapter belongs to another version of {about.base!r} (fingerprint "
            f"{about.base_fingerprint[:12]}, found {base.fingerprint[:12]}): restore that version, or tune "
            "again"
        )
    return base


def _read_description(label: Path) -> AdapterDescription:
    try:
        about = msgspec.convert(json.loads(label.read_text(encoding="utf-8")), AdapterDescription)
    except (ValueError, RecursionError) as why:
        raise EncoderError(f"{label}: the adapter is damaged ({why}): tune the encoder again") from None
    if about.format != _FORMAT:
        raise EncoderError(
            f"{label}: an adapter of the format {about.format!r}; this version reads {_FORMAT!r}"
        )
    return about


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
    from safetensors.torch import load_file

    most = _read_description(folder / ADAPTER_FILE).max_tokens
    model.max_seq_length = most if most is None or math.isinf(most) else int(most)
    try:
        if (folder / PEFT_FOLDER).is_dir():
            _refuse_code(folder / PEFT_FOLDER / PEFT_SETTINGS)
            adapt(model, peft().PeftModel.from_pretrained(model[0].model, str(folder / PEFT_FOLDER)))
        state, width = load_file(folder / HEAD_FILE), model.get_embedding_dimension()
        layers = [(state[f"{at}.weight"], state[f"{at}.bias"]) for at in range(len(state) // 2)]
        for at, (weight, bias) in enumerate(layers):
            if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
                raise ValueError(f"{HEAD_FILE}: {at}.weight of shape {tuple(weight.shape)} for width {width}")
            width = len(weight)
        add_head(model, layers)
    except EncoderError:
        raise
    except Exception as why:  # noqa: BLE001 - a broken folder makes the libraries below raise anything
        raise EncoderError(
            f"{folder}: the adapter is damaged ({first_line(why)}): tune the encoder again"
        ) from None


def _refuse_code(settings: Path) -> None:
    """Refuse settings that make peft import what they name."""
    found = json.loads(settings.read_text(encoding="utf-8"))
    for name in CODE_SETTINGS:
        if found.get(name) not in (None, "megatron.core"):
            raise EncoderError(f"{settings}: {name!r} names code to import, which is refused")


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


def low_rank(rank: int, dropout: float) -> Any:
    """Describe low-rank updates of every linear map to peft (Hu et al., ICLR 2022)."""
    return peft().LoraConfig(
        task_type="FEATURE_EXTRACTION",
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=dropout,
        target_modules="all-linear",
        exclude_modules=r".*pooler.*",  # of BERT: computed, but in no vector
    )


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

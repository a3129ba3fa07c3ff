"""What torch computes on, and what the processor can do."""

from __future__ import annotations

from typing import Final

from tailrank.errors import RequestError, needs

AUTO: Final = "auto"

_chosen: str | None = None


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively: twice as fast, cosine above .9999 to float32."""
    import torch

    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def device_names() -> list[str]:
    """Name the devices that torch can compute on here, an accelerator first.

    Examples
    --------
    >>> device_names()[-1]
    'cpu'
    """
    import torch

    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return ["cpu"]
    numbered = (f"{accelerator.type}:{n}" for n in range(torch.accelerator.device_count()))
    return [accelerator.type, *numbered, "cpu"]


def use_device(name: str) -> None:
    """Choose what this process encodes and trains on from now on.

    Parameters
    ----------
    name
        One of `device_names`, or `auto` for the best that each part can use.

    Raises
    ------
    RequestError
        If there is no such device, or torch is missing; the message names those that there are.

    Examples
    --------
    >>> use_device("cpu")
    >>> chosen_device()
    'cpu'
    >>> use_device("auto")
    """
    global _chosen  # noqa: PLW0603 - like the number of threads, it holds for the process
    if name != AUTO:
        with needs(f"--device {name}", "language"):
            names = device_names()
        if name not in names:
            raise RequestError(
                f"--device {name}: there is none here: choose from {', '.join([AUTO, *names])}"
            )
    _chosen = None if name == AUTO else name


def chosen_device() -> str | None:
    """Name the device that was chosen; None if each part may take the best that it can use."""
    return _chosen

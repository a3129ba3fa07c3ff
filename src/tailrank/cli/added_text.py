"""What the commands that add texts to items say at their end."""

from __future__ import annotations

from pathlib import Path


def how_to_measure(out: Path, template: str, longer: str) -> str:
    """Say how to find out on held-out items whether a longer template pays.

    Parameters
    ----------
    out
        Data folder that was written.
    template, longer
        Without the added texts, and with them.
    """
    evaluate = f"  tailrank evaluate --data {out} --protocol cold-items --template"
    return (
        "no template reads what was added yet. Measure first whether that pays:\n"
        f"{evaluate} '{template}' --out without\n{evaluate} '{longer}' --out with\n"
        "  tailrank report without with"
    )

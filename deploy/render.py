"""Renders the chart: `python deploy/render.py` writes `kubernetes.yaml` anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import helm_python

CHART: Final = Path(__file__).parent / "chart"
MANIFESTS: Final = Path(__file__).parent / "kubernetes.yaml"
HEAD: Final = (
    "# The chart beside this file with its defaults, for those without Helm: docs/serving.md, Kubernetes.\n"
)


def render(values: dict[str, Any] | None = None) -> str:
    """Render all templates as `helm template` does.

    Parameters
    ----------
    values
        In place of those of `values.yaml`.

    Raises
    ------
    helm_python.errors.HelmValuesError
        If `values.schema.json` doesn't allow them.
    """
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        found = chart.render(values, name="tailrank", namespace="default")
    written = [text.strip() for _, text in sorted(found.items()) if text.strip()]
    lines = "\n---\n".join(written).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    MANIFESTS.write_text(HEAD + render(), encoding="utf-8")

"""Ray on this machine, once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def on_ray() -> Iterator[Any]:
    pytest.importorskip("ray", reason='ray is not installed: pip install "tailrank[ray]"')
    from tailrank.scale.on_ray import ray_cluster

    with ray_cluster("ray") as ray:
        yield ray

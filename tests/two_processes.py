"""Two processes, as torchrun starts them; both start again once if one dies."""

from collections.abc import Callable
from typing import Any

from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def in_two_processes(function: Callable[..., Any], *arguments: object) -> list[Any]:
    """Call a function in each; gives what the first and the second one returned."""
    launched = LaunchConfig(
        1,
        1,
        2,
        run_id="tailrank",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=1,
        monitor_interval=0.1,
        start_method="spawn",
    )
    found = elastic_launch(launched, function)(*arguments)
    return [found[0], found[1]]

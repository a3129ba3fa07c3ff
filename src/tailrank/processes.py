"""Training in several processes that torchrun starts: each does its share of a batch, all learn the same."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:  # what trains without torch needs none of it
    from torch import Tensor

T = TypeVar("T")

LAUNCHED: Final = "TORCHELASTIC_RUN_ID"
"""Variable of the environment that torchrun sets."""

PATIENCE: Final = timedelta(days=7)
"""That one waits for another, which may be encoding; torchrun ends all if one dies."""


@dataclass(frozen=True)
class Processes:
    """Which of several processes this is; they have the same weights after every step.

    Attributes
    ----------
    rank
        From 0; that one writes files and speaks.
    size
        How many there are.
    """

    rank: int = 0
    size: int = 1

    def own(self, parts: Sequence[T]) -> list[tuple[int, T]]:
        """Choose this one's share of parts in descending order of work, each with its number.

        Examples
        --------
        >>> Processes(0, 2).own("abcde"), Processes(1, 2).own("abcde")
        ([(0, 'a'), (3, 'd'), (4, 'e')], [(1, 'b'), (2, 'c')])
        """
        width = 2 * self.size  # there and back, so that nobody has all of the longer ones
        return [
            (at, part)
            for at, part in enumerate(parts)
            if min(at % width, width - 1 - at % width) == self.rank
        ]

    def add_up(self, tensor: Tensor) -> None:
        """Put the sum over all processes in place of a tensor, bit by bit the same everywhere."""
        if self.size > 1:
            from torch import distributed

            distributed.all_reduce(tensor)

    def add_gradients(self, weights: Iterable[Tensor]) -> None:
        """Add up the gradients of weights, of which a process without a share has none."""
        if self.size == 1:
            return
        import torch

        found = list(weights)
        gradients = [w.new_zeros(w.shape) if w.grad is None else w.grad for w in found]
        whole = torch.cat([gradient.flatten() for gradient in gradients])  # each sum is a round trip
        self.add_up(whole)
        parts = torch.split(whole, [gradient.numel() for gradient in gradients])
        for weight, part in zip(found, parts, strict=True):
            weight.grad = part.view(weight.shape)

    def agreed(self, number: float) -> float:
        """Give the first process's number to all, for what must not depend on whose clock is read."""
        if self.size == 1:
            return number
        import torch
        from torch import distributed

        told = torch.tensor([number], dtype=torch.float64)
        distributed.broadcast(told, src=0)
        return float(told)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process do something before all others, who then find its files."""
        if self.size > 1 and self.rank:
            self._wait()
        yield
        if self.size > 1 and not self.rank:
            self._wait()

    @staticmethod
    def _wait() -> None:
        from torch import distributed

        distributed.barrier()


ALONE: Final = Processes()


def joined() -> Processes:
    """Give which process this is, inside of `started_processes`; elsewhere it is alone."""
    if LAUNCHED not in os.environ:
        return ALONE
    from torch import distributed

    if not distributed.is_initialized():
        return ALONE
    return Processes(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def started_processes() -> Iterator[Processes]:
    """Join the processes that torchrun started with this one, until the block ends; else there is one."""
    told = os.environ
    if LAUNCHED not in told:
        yield ALONE
        return
    from torch import distributed
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined] # documented, and not in `__all__`

    place = TCPStore(told["MASTER_ADDR"], int(told["MASTER_PORT"]), is_master=False)
    # torchrun keeps the store when it starts all again: in it stand addresses of those that died.
    store = PrefixStore(f"attempt {told['TORCHELASTIC_RESTART_COUNT']}", place)
    found = Processes(int(told["RANK"]), int(told["WORLD_SIZE"]))
    distributed.init_process_group(
        "gloo", store=store, rank=found.rank, world_size=found.size, timeout=PATIENCE
    )
    try:
        yield found
    finally:
        distributed.destroy_process_group()

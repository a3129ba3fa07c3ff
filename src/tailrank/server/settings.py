"""The settings of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from tailrank.api_page import Prices, Story
from tailrank.errors import RequestError
from tailrank.feedback.exploring_fusion import Explorer
from tailrank.feedback.live_outcomes import Compare
from tailrank.feedback.records import CHALLENGER
from tailrank.policy.exploration import Exploration
from tailrank.policy.file import PolicyFile
from tailrank.screening.screen import Screen
from tailrank.server.service_settings import ServiceSettings


@dataclass(frozen=True)
class ServerSettings(ServiceSettings):
    """What a server ranks by, and what it does beside.

    Attributes
    ----------
    model
        Model folder; if it is replaced while the server runs, the new model serves.
    challenger
        Model folder to compare it with, live; None if there is none.
    compare
        Whether each list is made of both rankings, or each user sees those of one model.
    beside
        Model folders that requests may name, by what they call them.
    state
        Location of the state, which may hold a password: see `tailrank.state.open.open_state`.
    ttl_days
        Days after which an event expires; None keeps it until 50 later ones came.
    log_impressions
        Folder in which rankings and events are logged; None logs none.
    log_days, log_gb
        How much of that log is kept.
    learn
        Whether the weights of signals learn from what is logged.
    explore
        How rankings explore around what was learned; None ranks by the likeliest weights.
    explore_moves, explore_tail
        Bounds of that, as `moves` and `tail_places` of `Exploration`.
    policies
        Steps that come after those of the model or of a request, and which version of a file they are.
    screen
        Judges the texts of items that are put; None puts them unread.
    story
        Users that the page at `/` begins with; None if there are none.
    prices
        What policies cost, for that page; None if that wasn't measured.

    Raises
    ------
    RequestError
        As that of a service does; on a comparison that can't be.
    """

    model: Path
    state: str = field(repr=False)
    ttl_days: Annotated[float, Meta(gt=0)] | None = None
    log_impressions: Path | None = None
    log_days: Annotated[float, Meta(gt=0)] = 30.0
    log_gb: Annotated[float, Meta(gt=0)] = 10.0
    learn: bool = False
    explore: Explorer | None = None
    explore_moves: Annotated[int, Meta(ge=0)] = Exploration.moves
    explore_tail: Annotated[int, Meta(ge=0)] = Exploration.tail_places
    challenger: Path | None = None
    compare: Compare = "interleave"
    beside: Mapping[str, Path] = field(default_factory=dict)
    policies: PolicyFile = field(default_factory=PolicyFile)
    screen: Screen | None = None
    story: Story | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learn and self.log_impressions is None:
            raise RequestError("--learn needs --log-impressions FOLDER: what is logged there is learned from")
        self._check_comparison()
        self._check_exploration()

    @property
    def exploration(self) -> Exploration | None:
        """The step that bounds exploration, if there is any."""
        step = Exploration(moves=self.explore_moves, tail_places=self.explore_tail)
        return None if self.explore is None else step

    def _check_exploration(self) -> None:
        if self.explore is None:
            if (self.explore_moves, self.explore_tail) != (Exploration.moves, Exploration.tail_places):
                raise RequestError("--explore-moves and --explore-tail bound nothing: give --explore, too")
        elif not self.learn:
            raise RequestError(f"--explore {self.explore} needs --learn: it explores around what is learned")
        elif self.challenger is not None:
            raise RequestError(
                f"--explore {self.explore} and --challenger: one model would explore and the other wouldn't,"
                " so they couldn't be compared: give one of the two"
            )
        elif self.policies.steps:
            raise RequestError(
                f"--explore {self.explore} and --policies: it would move what the file puts in its place:"
                " give one of the two"
            )

    def _check_comparison(self) -> None:
        if CHALLENGER in self.beside:
            raise RequestError(
                f"--beside {CHALLENGER}=…: requests call the model of --challenger so: give another name"
            )
        if self.challenger is None:
            if self.compare != "interleave":
                raise RequestError(f"--compare {self.compare} compares nothing: give --challenger MODEL")
        elif self.log_impressions is None:
            raise RequestError("--challenger: give --log-impressions FOLDER: models are compared by that log")
        elif self.challenger.resolve() == self.model.resolve():
            raise RequestError(f"--challenger {self.challenger} is --model itself: give another folder")

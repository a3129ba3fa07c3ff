"""`python -m bench COMMAND`: the page of benchmarks, the studies behind it, and resilience runs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from tailrank.errors import TailrankError


class Modules(TyperGroup):
    """Commands that are modules with a function `main`; each is imported when it is needed.

    So one command may need packages that another environment doesn't have.
    """

    package = "bench"
    modules: ClassVar[tuple[str, ...]] = (
        *("page", "run", "ablation", "encoders", "staleness", "reranking", "scale", "epoch", "tuning"),
        *("transfer", "forgetting", "annotation", "encoding", "service", "serving", "state", "frameworks"),
        *("relevance", "tilt", "lists", "sizes", "sidebyside", "growth", "profile", "impressions"),
        *("offpolicy", "experiments", "shilling", "learning", "day", "outcome", "live", "watch", "explain"),
        *("knowledge", "policies", "exposure", "frontier", "rules", "game", "causal", "screen"),
        *("tasks", "tasks_together", "pairs", "support", "monitor", "intents", "recipes"),
        *("counting", "consume", "plan", "steps", "conversation", "calibration", "tracing"),
        *("reasons", "rank_all", "newcomers", "languages", "enrichment", "speech", "teacher"),
        *("spaces", "device", "processes", "sequence_processes"),
    )

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the modules, and groups of more of them."""
        return [*self.modules, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a module, and make a command of it."""
        if cmd_name not in self.modules:
            return super().get_command(ctx, cmd_name)
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        try:
            module = import_module(f"{self.package}.{cmd_name}")
            one.command(cmd_name, help=module.__doc__)(module.main)
        except ModuleNotFoundError as missing:
            why = f"Needs {missing.name}, which isn't installed."
            anything = {"allow_extra_args": True, "ignore_unknown_options": True}
            one.command(cmd_name, help=why, context_settings=anything)(lambda: sys.exit(why))
        return typer.main.get_command(one)


class Resilience(Modules):
    """The runs in `bench/resilience`."""

    package = "bench.resilience"
    modules = (
        *("outages", "cluster", "faults", "fuzz", "soak", "attacks", "models", "saves", "impressions"),
        "learning",
    )


app = typer.Typer(
    cls=Modules, help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
resilience = typer.Typer(cls=Resilience, help="What a server or its state does when things go wrong.")
for group in (app, resilience):
    group.callback()(lambda: None)
app.add_typer(resilience, name="resilience")


def main() -> None:
    """Run a command; a user's mistake is one message, not a traceback."""
    try:
        app(prog_name="python -m bench")
    except TailrankError as mistake:
        sys.exit(f"error: {mistake}")


if __name__ == "__main__":
    main()

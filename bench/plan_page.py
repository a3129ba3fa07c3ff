"""The part of docs/scale.md that says what to run: tables of measured costs, and what follows from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.page import ROOT, render
from bench.plan_constants import CONSTANTS
from bench.plan_load import RESTS
from bench.plan_sizes import BURST, CORES, NEW, P99_MS
from bench.stored import Studies
from bench.study import RESULTS, Json

PAGE: Final = ROOT / "docs" / "scale.md"
BLOCK: Final = re.compile(r"(?<=<!-- plan -->\n).*?(?=<!-- /plan -->)", re.DOTALL)
"""What is generated of the page."""

METRICS: Final = ("answered_per_s", "p99_ms")
"""What is predicted."""

CLOSE: Final = 0.15
"""How far a prediction may be off."""

MEMORY_GB: Final = 64
DISK_GB: Final = 1_000
NIGHT_HOURS: Final = 8
NETWORK_GBIT: Final = 10
BUSY: Final = 0.5
"""Share of a Valkey server's core that may be in use."""


@dataclass(frozen=True)
class Shop:
    """How much there is."""

    events: int
    users: int
    items: int


SHOPS: Final = (
    Shop(1_000_000, 20_000, 10_000),
    Shop(100_000_000, 2_000_000, 300_000),
    Shop(1_000_000_000, 20_000_000, 1_000_000),
)


def needs(shop: Shop, c: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Give what so many events need by name, each with what one machine, or one night, has."""
    cores, night = CORES * 3_600, NIGHT_HOURS * 3_600
    return {
        "events as Parquet, GB": (c["parquet"] * shop.events / 1e9, DISK_GB),
        "memory to read them, GB": (c["reading"] * shop.events / 1e9, MEMORY_GB),
        "memory to count pairs all at once, GB": (c["counting"] * shop.events / 1e9, MEMORY_GB),
        "memory of `train` for the items, GB": (c["training_item"] * shop.items / 1e9, MEMORY_GB),
        "`train`, hours": (c["training_us"] * shop.events / 3.6e9, NIGHT_HOURS),
        "counting in bounded memory, hours of one core": (c["bounded_us"] * shop.events / 3.6e9, NIGHT_HOURS),
        "texts, once, hours of 16 cores": (shop.items / c["texts"] / cores, NIGHT_HOURS),
        "lists for all users, hours of 16 cores": (shop.users / c["lists"] / cores, night / 3_600),
        "model folder, GB": (c["model"] * shop.items / 1e9, MEMORY_GB),
        "state folder, GB": (c["state"] * shop.users / 1e9, DISK_GB),
        "state in Valkey, GB of memory": (c["valkey"] * shop.users / 1e9, MEMORY_GB),
    }


def loads(row: Json, c: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Give what so many requests a second need besides, each with what there is of it."""
    rate = BURST * row["rate"]
    valkey = rate * (c["valkey_read_us"] + NEW * c["valkey_event_us"]) / 1e6
    log = c["log"] * row["rate"] * 86_400 / row["machines"]
    return {
        "cores for events that are sent alone, in a burst": (
            NEW * rate * c["event_us"] / 1e6,
            row["machines"] * row["cores"],
        ),
        "cores of Valkey, in a burst": (valkey, BUSY),
        "network in a burst, Gbit/s": (8 * c["wire"] * rate / 1e9, NETWORK_GBIT),
        "log of impressions of a day on each machine, GB": (log / 1e9, DISK_GB),
    }


def first_to_break(found: Mapping[str, tuple[float, float]]) -> list[tuple[str, float]]:
    """Name what is needed beyond what there is, and how many times as much; else what comes closest.

    Examples
    --------
    >>> first_to_break({"disk": (1.0, 2.0), "memory": (3.0, 2.0), "cores": (8.0, 2.0)})
    [('cores', 4.0), ('memory', 1.5)]
    >>> first_to_break({"disk": (1.0, 2.0), "memory": (1.0, 4.0)})
    [('disk', 0.5)]
    """
    times = sorted(((name, need / there) for name, (need, there) in found.items()), key=lambda each: -each[1])
    return [each for each in times if each[1] > 1] or times[:1]


def off(row: Json, metric: str) -> float:
    """Give by what share a prediction is above what was measured."""
    return float(row["predicted"][metric] / row["measured"][metric] - 1)


def plan(studies: Studies) -> str:
    """Write the part of the page.

    Raises
    ------
    SystemExit
        If results that it is made from aren't stored.
    """
    stored = {each.file: studies.single(each.file) or {} for each in CONSTANTS.values()}
    made = stored["plan"]
    missing = [name for name, found in stored.items() if not found]
    missing += [f"{part} in plan" for part in ("costs", "sizes", "served") if part not in made]
    if missing:
        raise SystemExit(f"bench/results lacks {', '.join(missing)}: python -m bench plan")
    values = {name: each.read(stored[each.file]) for name, each in CONSTANTS.items()}
    rows = made["served"]["rows"]
    return render(
        "plan.md.j2",
        constants=[(each, values[name], stored[each.file]) for name, each in CONSTANTS.items()],
        shops=[(shop, found := needs(shop, values), first_to_break(found)) for shop in SHOPS],
        served=[(row, found := loads(row, values), first_to_break(found)) for row in rows],
        check=checked(made["check"]) if "check" in made else None,
        slower=dict(zip(RESTS, made["costs"]["slower"], strict=True)),
        close=CLOSE,
        promise=P99_MS,
        burst=BURST,
        new=NEW,
        made=made,
    )


def checked(check: Json) -> Json:
    """Say by how much each prediction is off, and how many are close."""
    rows = [row | {f"off_{metric}": off(row, metric) for metric in METRICS} for row in check["rows"]]
    close = {metric: sum(abs(row[f"off_{metric}"]) <= CLOSE for row in rows) for metric in METRICS}
    return check | {"rows": rows, "close": close}


def write(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Put the part into the page, in place of the one that it has."""
    before = page.read_text(encoding="utf-8")
    if len(BLOCK.findall(before)) != 1:
        raise SystemExit(f"{page.name}: mark once what is generated, by <!-- plan --> and <!-- /plan -->")
    text = plan(Studies(results))
    page.write_text(BLOCK.sub(lambda _: text, before), encoding="utf-8")

"""The part of docs/scale.md that says what to run: tables of measured costs, and what follows from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.page import ROOT, render
from bench.plan_load import KINDS
from bench.plan_sizes import BURST, CORES, NEW, P99_MS
from bench.stored import Studies
from bench.study import RESULTS, Json

PAGE: Final = ROOT / "docs" / "scale.md"
BLOCK: Final = re.compile(r"(?<=<!-- plan -->\n).*?(?=<!-- /plan -->)", re.DOTALL)
"""What is generated of the page."""

CLOSE: Final = 0.15
"""How far a prediction may be off."""

MEMORY_GB: Final = 64
DISK_GB: Final = 1_000
NIGHT_HOURS: Final = 8
NETWORK_GBIT: Final = 10
BUSY: Final = 0.5
"""Share of a Valkey server's core that may be in use."""


@dataclass(frozen=True)
class Constant:
    """A measured cost.

    Attributes
    ----------
    label, unit
        As the page says them.
    file
        Of `bench/results`, without its ending.
    read
        Takes it out of the file.
    """

    label: str
    unit: str
    file: str
    read: Callable[[Json], float]


def _ranking(kind: str) -> Callable[[Json], float]:
    return lambda s: float(s["costs"]["single"][kind]["server_us"])


CONSTANTS: Final = {
    "parquet": Constant(
        "an event as Parquet", "bytes", "plan", lambda s: s["sizes"]["bytes"] / s["sizes"]["events"]
    ),
    "reading": Constant(
        "an event while it is read, at the peak",
        "bytes of memory",
        "plan",
        lambda s: s["sizes"]["peak_bytes"] / s["sizes"]["events"],
    ),
    "counting": Constant(
        "an event while pairs are counted all at once, at the peak",
        "bytes of memory",
        "counting",
        lambda s: 2**20 * s["points"][-2]["covisitation peak_mb"] / s["points"][-2]["events"],
    ),
    "bounded_us": Constant(
        "an event while pairs are counted in bounded memory",
        "µs of a core",
        "counting",
        lambda s: (
            1e6
            * (s["points"][-1]["item-knn cpu_s"] + s["points"][-1]["covisitation cpu_s"])
            / s["points"][-1]["events"]
        ),
    ),
    "training_us": Constant(
        "an event in `train`, with a tenth as many items, item vectors ready",
        "µs",
        "sizes",
        lambda s: 1e6 * s["points"][-1]["train_seconds"] / s["points"][-1]["events"],
    ),
    "training_item": Constant(
        "an item in `train`, with its ten events, at the peak",
        "bytes of memory",
        "sizes",
        lambda s: 2**20 * s["points"][-1]["train_mb"] / s["points"][-1]["items"],
    ),
    "model": Constant(
        "an item in the model's folder",
        "bytes",
        "sizes",
        lambda s: 2**20 * s["points"][-1]["model_mb"] / s["points"][-1]["items"],
    ),
    "opening_us": Constant(
        "an item when a model is opened",
        "µs",
        "sizes",
        lambda s: 1e6 * s["points"][-1]["load_seconds"] / s["points"][-1]["items"],
    ),
    "texts": Constant(
        "texts encoded, 100 at a time, torch",
        "a core-second",
        "encoding",
        lambda s: float(s["speed"]["torch"]["texts/s at 100"]),
    ),
    "state": Constant(
        "a user with 50 events in a state folder",
        "bytes",
        "growth",
        lambda s: (
            1e6 * s["axes"]["users"]["costs"]["state on disk, MB"][-1] / s["axes"]["users"]["sizes"][-1]
        ),
    ),
    "valkey": Constant(
        "the same in Valkey", "bytes of memory", "plan", lambda s: float(s["sizes"]["user_bytes"])
    ),
    "valkey_read_us": Constant(
        "reading these from Valkey", "µs of its core", "plan", lambda s: float(s["sizes"]["read_us"])
    ),
    "valkey_event_us": Constant(
        "storing an event in Valkey, many at a time",
        "µs of its core",
        "plan",
        lambda s: float(s["sizes"]["event_us"]),
    ),
    "as_before_us": Constant(
        "a ranking of 100 candidates for a history of 50 events, the same as the last time",
        "µs of a core",
        "plan",
        _ranking(KINDS[0]),
    ),
    "after_us": Constant("the same, after an event", "µs of a core", "plan", _ranking(KINDS[1])),
    "anew_us": Constant(
        "the same, if the worker doesn't remember the user", "µs of a core", "plan", _ranking(KINDS[2])
    ),
    "remote_us": Constant(
        "more if the state is in Valkey", "µs of a core", "plan", lambda s: float(s["costs"]["valkey_us"])
    ),
    "event_us": Constant(
        "an event that is sent alone",
        "µs of a core",
        "serving-ingest",
        lambda s: 1e6 / s["singles"]["events_per_s"],
    ),
    "wire": Constant(
        "a ranking on the wire, request and answer",
        "bytes",
        "plan",
        lambda s: float(
            sum(s["costs"]["single"][KINDS[0]][part] for part in ("request_bytes", "answer_bytes"))
        ),
    ),
    "log": Constant(
        "a ranking in the log of impressions",
        "bytes",
        "impressions",
        lambda s: float(s["many"]["bytes_a_ranking"] if "many" in s else s["bytes_a_ranking"]),
    ),
    "lists": Constant(
        "users whose 100 candidates are ranked by `rank_many`",
        "a core-second",
        "plan",
        lambda s: float(s["sizes"]["users_per_core_s"]),
    ),
}


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
    """Give what so many requests a second put on what all machines share, each with what one of it has."""
    rate = BURST * row["rate"]
    valkey = rate * (c["valkey_read_us"] + NEW * c["valkey_event_us"]) / 1e6
    return {
        "cores of one machine": (row["machines"] * row["cores"], CORES),
        "cores of Valkey, in a burst": (valkey, BUSY),
        "network in a burst, Gbit/s": (8 * c["wire"] * rate / 1e9, NETWORK_GBIT),
        "log of a day, GB": (c["log"] * row["rate"] * 86_400 / 1e9, DISK_GB),
    }


def first_to_break(found: Mapping[str, tuple[float, float]]) -> tuple[str, float]:
    """Name the need that is the largest multiple of what there is, and give the multiple."""
    name = max(found, key=lambda each: found[each][0] / found[each][1])
    return name, found[name][0] / found[name][1]


def off(row: Json, metric: str) -> float:
    """Give by what share a prediction is above what was measured."""
    return float(row["predicted"][metric] / row["measured"][metric] - 1)


def plan(studies: Studies) -> str:
    """Write the part of the page."""
    files = {each.file: studies.single(each.file) for each in CONSTANTS.values()}
    missing = [name for name, stored in files.items() if stored is None]
    if missing:
        raise SystemExit(f"bench/results lacks {', '.join(missing)}.json")
    stored: dict[str, Json] = {name: found for name, found in files.items() if found is not None}
    values = {name: each.read(stored[each.file]) for name, each in CONSTANTS.items()}
    rows = stored["plan"]["check"]["rows"]
    return render(
        "plan.md.j2",
        constants=[(each, values[name], stored[each.file]) for name, each in CONSTANTS.items()],
        shops=[(shop, found := needs(shop, values), first_to_break(found)) for shop in SHOPS],
        served=[
            (row, found := loads(row, values), first_to_break(found))
            for row in stored["plan"]["served"]["rows"]
        ],
        check=stored["plan"]["check"],
        rows=[(row, off(row, "answered_per_s"), off(row, "p99_ms")) for row in rows],
        close=CLOSE,
        within={
            metric: sum(abs(off(row, metric)) <= CLOSE for row in rows)
            for metric in ("answered_per_s", "p99_ms")
        },
        promise=P99_MS,
        burst=BURST,
        new=NEW,
        made=stored["plan"],
    )


def write(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Put the part into the page, in place of the one that it has."""
    text, times = BLOCK.subn(lambda _: plan(Studies(results)), page.read_text(encoding="utf-8"))
    if times != 1:
        raise SystemExit(f"{page.name}: mark once what is generated, by <!-- plan --> and <!-- /plan -->")
    page.write_text(text, encoding="utf-8")

"""Draw docs/architecture.svg from the imports: `python docs/house.py`.

Floors are the layers of import-linter's contract in pyproject.toml. An arrow leads from a room to one that it
imports from, thicker from 5 and from 15 imports; where a longer way leads there too, the arrow is left out.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections import Counter
from html import escape
from itertools import pairwise
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"
WIDTH, BOX, HEIGHT, STEP, GAP, LANE, PORT, TOP = 980, 236, 64, 116, 34, 10, 24, 8
STYLE = """<style>
    text { font: 12px system-ui, sans-serif; fill: #dbe4ee }
    .name { font-weight: 600; font-size: 14px; fill: #fff }
    .package { fill: #23598f } .module { fill: #47525f } .ground { fill: #1f6b4f }
    .flow { fill: none; stroke: #8490a0 } .tip { fill: #8490a0 }
  </style>"""
Edge = tuple[str, str]


def read_floors() -> list[list[str]]:
    """Read the rooms of each floor, the top one first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = settings["tool"]["importlinter"]["contracts"]
    return [[room.split(".")[1].strip() for room in floor.split("|")] for floor in contract["layers"]]


def count_imports(level: dict[str, int]) -> Counter[Edge]:
    """Count the imports of modules from a room into one on a lower floor."""
    graph = grimp.build_graph("tailrank")
    modules = graph.modules - {"tailrank"}
    pairs = ((m, other) for m in modules for other in graph.find_modules_directly_imported_by(m) & modules)
    edges = Counter((a.split(".")[1], b.split(".")[1]) for a, b in pairs)
    return Counter({(a, b): n for (a, b), n in edges.items() if level.get(a, 99) < level.get(b, -1)})


def direct(edges: Counter[Edge]) -> list[Edge]:
    """Leave out the edges that a longer way also leads to."""

    def reaches(a: str, b: str) -> bool:
        return (a, b) in edges or any(reaches(end, b) for start, end in edges if start == a)

    return sorted((a, b) for a, b in edges if not any(reaches(c, b) for start, c in edges if start == a))


def describe(room: str) -> str:
    """Read the first sentence of a room's docstring."""
    package = ROOT / "src" / "tailrank" / room
    source = (package / "__init__.py" if package.is_dir() else package.with_suffix(".py")).read_text("utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition(".\n")[0].rstrip(".").replace("`", "")


def arrange(rows: list[list[str]], ways: list[list[str]]) -> dict[str, float]:
    """Order boxes, and lanes of arrows that pass a floor, by what they are linked to; their centres."""
    links = [pair for way in ways for pair in pairwise(way)]
    centres = {name: WIDTH / 2 for row in rows for name in row}
    for sweep in range(8):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            near = {n: [centres[b if a == n else a] for a, b in links if n in (a, b)] for n in row}
            row.sort(key=lambda n: (sum(near[n]) / max(1, len(near[n])), n))
            widths = [LANE if "@" in name else BOX for name in row]
            left = (WIDTH - sum(widths) - GAP * (len(row) - 1)) / 2
            for name, width in zip(row, widths, strict=True):
                centres[name], left = left + width / 2, left + width + GAP
    return centres


def arrow(points: list[float], y: int, imports: int) -> str:
    """Draw an arrow through these x, one a floor, from the lower edge of the first floor's box."""
    path = f"M{points[0]:.0f} {y}"
    for i, (x, end) in enumerate(pairwise(points), start=1):
        y += STEP - HEIGHT
        path += f"C{x:.0f} {y - 26} {end:.0f} {y - 26} {end:.0f} {y - 7}"
        if i < len(points) - 1:
            y += HEIGHT
            path += f"V{y}"
    tip = f'<path class="tip" d="M{points[-1] - 7:.0f} {y - 9}h14l-7 9z"/>'
    width = 1.5 if imports < 5 else 3 if imports < 15 else 5
    return f'<path class="flow" d="{path}" stroke-width="{width}"/>{tip}'


def box(name: str, style: str, about: str, title: str, left: float, top: int, width: int) -> str:
    """Draw a room: its name, up to two lines about it, and a title that shows up under the pointer."""
    lines = textwrap.wrap(about, width // 7, max_lines=2, placeholder=" …")
    x = f'x="{left + 12:.0f}"'
    words = [f'<text {x} y="{top + 38 + 15 * i}">{escape(line)}</text>' for i, line in enumerate(lines)]
    shape = f'<rect class="{style}" x="{left:.0f}" y="{top}" width="{width}" height="{HEIGHT}" rx="7"/>'
    head = f'<text class="name" {x} y="{top + 20}">{name}</text>'
    return f"<g><title>{escape(title)}</title>{shape}{head}{''.join(words)}</g>"


def draw() -> str:
    """Write the picture: floors of rooms, and one ground of the floors that hold nothing but modules."""
    floors = read_floors()
    packages = {room for floor in floors for room in floor if (ROOT / "src" / "tailrank" / room).is_dir()}
    rows = [floor for floor in floors if packages & set(floor)]
    level = {room: i for i, floor in enumerate(rows) for room in floor}
    edges = count_imports(level)
    ways = [[a, *(f"{a}>{b}@{i}" for i in range(level[a] + 1, level[b])), b] for a, b in direct(edges)]
    passing = [[name for way in ways for name in way if name.endswith(f"@{i}")] for i in range(len(rows))]
    centres = arrange([[*row, *lanes] for row, lanes in zip(rows, passing, strict=True)], ways)
    ports: dict[Edge, float] = {}
    for room in level:
        for side in ([w[1] for w in ways if w[0] == room], [w[-2] for w in ways if w[-1] == room]):
            for i, other in enumerate(sorted(side, key=lambda name: centres[name])):
                ports[room, other] = centres[room] + (i - (len(side) - 1) / 2) * PORT
    parts = []
    for way in ways:
        points = [ports[way[0], way[1]], *(centres[lane] for lane in way[1:-1]), ports[way[-1], way[-2]]]
        parts.append(arrow(points, TOP + level[way[0]] * STEP + HEIGHT, edges[way[0], way[-1]]))
    for room, i in level.items():
        used = sorted(b for a, b in edges if a == room) or ["the ground only"]
        style = "package" if room in packages else "module"
        parts.append(
            box(
                room,
                style,
                describe(room),
                f"imports from {', '.join(used)}",
                centres[room] - BOX / 2,
                TOP + i * STEP,
                BOX,
            )
        )
    ground, top = sorted({room for floor in floors for room in floor} - level.keys()), TOP + len(rows) * STEP
    # The widest floor decides how wide the picture is; floors are centred.
    width = max(WIDTH, *(2 * (abs(x - WIDTH / 2) + BOX / 2 + TOP) for x in centres.values()))
    left = (WIDTH - width) / 2
    about = "used on every floor"
    parts.append(box("ground", "ground", ", ".join(ground), about, left + TOP, top, round(width) - 2 * TOP))
    view = f"{left:.0f} 0 {width:.0f} {top + HEIGHT + TOP}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" role="img">'
    title = "<title>The rooms of tailrank, floor by floor, and which imports from which</title>"
    return "\n  ".join([head, title, STYLE, *parts]) + "\n</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")

"""The API's description as a page that loads nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

STYLE: Final = """
:root { color-scheme: light dark; --soft: color-mix(in srgb, currentColor 12%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid var(--soft); border-radius: .5rem; margin: .5rem 0; padding: .5rem 1rem }
summary { cursor: pointer } summary code { font-weight: 600 }
summary span { color: color-mix(in srgb, currentColor 65%, transparent); margin-left: .6rem }
pre { background: var(--soft); border-radius: .4rem; overflow-x: auto; padding: .7rem }
"""


def docs_page(description: Mapping[str, Any]) -> bytes:
    """Render an OpenAPI description as HTML."""
    title = f"{description['info']['title']} {description['info']['version']}"
    lines = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width">',
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>",
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>.',
        "If the server has keys, send <code>Authorization: Bearer KEY</code>.</p>",
        *_operations(description["paths"]),
        "<h2>Shapes</h2>",
        *_shapes(description["components"]["schemas"]),
    ]
    return "\n".join(lines).encode()


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<details><summary><code>{method.upper()} {escape(path)}</code>"
            yield f"<span>{escape(operation['summary'])}</span></summary>"
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in content:
                yield f"<p>For example:</p>{_json(content['example'])}"
            if content.get("schema"):
                yield f"<p>Request:</p>{_json(content['schema'])}"
            [response] = operation["responses"]["200"]["content"].values()
            if response["schema"]:
                yield f"<p>Response:</p>{_json(response['schema'])}"
            yield "</details>"


def _shapes(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, shape in schemas.items():
        summary = shape.get("description", "").partition("\n")[0]
        yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code>'
        yield f"<span>{escape(summary)}</span></summary>{_json(shape)}</details>"


def _json(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"

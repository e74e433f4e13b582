# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of the API from the region's own description (openapi.json): one for each first word of the paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

METHODS = ("get", "post", "put", "delete")
Document = Mapping[str, Any]


def pages(described: Document) -> dict[str, str]:
    """Markdown by name of the page, `index` among them."""
    groups: dict[str, list[str]] = {}
    for path in described["paths"]:
        groups.setdefault(path.split("/")[1], []).append(path)
    made = {name: _page(described, name, paths) for name, paths in groups.items()}
    return made | {"index": _index(described, groups)}


def _index(described: Document, groups: Mapping[str, list[str]]) -> str:
    root = described["servers"][0]["url"]
    key = described["components"]["securitySchemes"]["key"]
    lines = [
        "# API", "",
        f"{described['info']['description']} All paths begin with `{root}`, as in "
        f"`http://region1:5240{root}/machines/`. "
        f"A request is signed in header `{key['name']}`: {key['description']}.", "",
        "A running region answers the description itself, without a key: "
        f"`GET {root}/openapi.json` ({{download}}`openapi.json <openapi.json>`).", "",
        "| page | of |", "|---|---|",
    ]  # fmt: skip
    for name, paths in groups.items():
        lines.append(f"| [{name}]({name}.md) | {'<br>'.join(described['paths'][path]['summary'] for path in paths)} |")
    lines += ["", "## Answers", "", "| status | means |", "|---|---|", "| 200, 201, 204 | done |"]
    lines += [f"| {status} | {each['description']} |" for status, each in described["components"]["responses"].items()]
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", ":titlesonly:", "", *groups, "```", ""])


def _page(described: Document, name: str, paths: list[str]) -> str:
    lines = [f"# {name}", ""]
    for path in paths:
        item = described["paths"][path]
        lines += [f"## {path}", "", item["summary"], ""]
        for method in METHODS:
            for op, each in item.get(method, {}).get("x-ops", {}).items():
                lines += _operation(path, method, op, each, item)
    return "\n".join(lines)


def _operation(path: str, method: str, op: str, each: Document, item: Document) -> Iterator[str]:
    asked = f"{method.upper()} {path}{'?op=' + op if op else ''}"
    yield from (f"### `{asked}`", "", each["summary"], "")
    security = item[method].get("security")
    if security == []:
        yield from ("Needs no key.", "")
    parts = {part["name"]: part["schema"] for part in item.get("parameters", [])}
    known = _schemas(item[method])
    rows = [(name, "in the path", schema) for name, schema in parts.items()]
    place = "in the query" if method in ("get", "delete") else "in the body"
    rows += [(name, place, known.get(name, {"type": "string"})) for name in each["takes"]]
    if rows:
        yield from ("| takes | | type |", "|---|---|---|")
        yield from (f"| `{name}` | {where} | {_type(schema)} |" for name, where, schema in rows)
        yield ""
    if "application/octet-stream" in item[method].get("requestBody", {}).get("content", {}):
        yield from ("The body is the bytes themselves.", "")


def _schemas(operation: Document) -> dict[str, Any]:
    """Schema of what an operation takes, by name: from the query, and from the body, the same in every form."""
    query = {each["name"]: each["schema"] for each in operation["parameters"]}
    forms = operation.get("requestBody", {}).get("content", {}).values()
    return query | {name: schema for form in forms for name, schema in form["schema"].get("properties", {}).items()}


def _type(schema: Document) -> str:
    if schema["type"] == "array":
        return f"several of {schema['items']['type']}"
    words = "file" if schema.get("format") == "binary" else schema["type"]
    least = f", at least {schema['minimum']}" if "minimum" in schema else ""
    note = f". {schema['description']}" if "description" in schema else ""
    return f"{words}{least}{note}"

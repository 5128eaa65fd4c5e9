"""Write the reference of the HTTP API: `.venv/bin/python scripts/http_reference.py`.

It goes into docs/http.md and is made from the OpenAPI document that a gateway serves, so its
sentences are those of the routes in `coffeeshop/gateway`. What stands above the mark `BEGIN` is
written by hand and kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coffeeshop.gateway.app import create_app
from coffeeshop.gateway.problems import MEDIA_TYPE
from coffeeshop.gateway.security.access import Access

PAGE = Path(__file__).parent.parent / "docs" / "http.md"
BEGIN, END = "<!-- openapi -->", "<!-- end of openapi -->"
SECTIONS = {
    "sessions": "Sessions",
    "input": "Upload",
    "results": "Events and results",
    "operation": "Operation",
}
"""The API's tags and their headings, in the order of the page."""
SHARED = ("4XX", "5XX")
"""Answers that every request may get: said once, above the reference."""
Json = dict[str, Any]


def main() -> None:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text()))


def written(page: str) -> str:
    """The page with the reference of this version in it."""
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n\n{reference()}\n{END}{tail}"


def reference() -> str:
    """Every operation, by tag, in Markdown."""
    document = create_app(None, Access()).openapi()  # type: ignore[arg-type]
    lines: list[str] = ["## Problems", "", *_table("Status | meaning", _problems(document))]
    for tag, heading in SECTIONS.items():
        lines += [f"## {heading}", ""]
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if tag in operation["tags"]:
                    lines += _operation(document, f"{method.upper()} {path}", operation)
    return "\n".join(lines)


def _operation(document: Json, request: str, operation: Json) -> Iterator[str]:
    yield from (f"### {operation['summary']}", "", f"`{request}`", "")
    for paragraph in operation.get("description", "").split("\n\n"):
        yield from (" ".join(paragraph.split()), "")
    parameters = map(_parameter, operation.get("parameters", []))
    yield from _table("Parameter | in | value | meaning", parameters)
    yield from _table("Member of the body | value | meaning", _members(document, operation))
    yield from _table("Answer | meaning", _answers(operation))
    statuses = [each for each, answer in _responses(operation) if _is_problem(answer)]
    if statuses:
        yield from (f"Problems: {', '.join(statuses)}.", "")


def _parameter(parameter: Json) -> str:
    name = f"`{parameter['name']}`"
    about = parameter.get("description", "")
    return f"{name} | {parameter['in']} | {_value(parameter['schema'])} | {about}"


def _members(document: Json, operation: Json) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return
    named = schema["$ref"] if "$ref" in schema else schema["anyOf"][0]["$ref"]  # may be left out
    known = document["components"]["schemas"][named.rpartition("/")[2]]
    for name, member in known["properties"].items():
        needed = "" if name in known.get("required", ()) else " (optional)"
        yield f"`{name}` | {_value(member)}{needed} | {member.get('description', '')}"


def _answers(operation: Json) -> Iterator[str]:
    for status, answer in _responses(operation):
        if not _is_problem(answer):
            kinds = [each for each in answer.get("content", {}) if each != "application/json"]
            files = ", ".join(f"`{each}`" for each in kinds)
            yield f"{status} | {answer['description']}{f' {files}.' if files else ''}"


def _problems(document: Json) -> Iterator[str]:
    """What each status means, once."""
    operations = (each for path in document["paths"].values() for each in path.values())
    found = {
        status: answer["description"]
        for operation in operations
        for status, answer in _responses(operation)
        if _is_problem(answer)
    }
    return (f"{status} | {meaning}" for status, meaning in sorted(found.items()))


def _responses(operation: Json) -> list[tuple[str, Json]]:
    return sorted(each for each in operation["responses"].items() if each[0] not in SHARED)


def _is_problem(answer: Json) -> bool:
    return MEDIA_TYPE in answer.get("content", {})


def _value(schema: Json) -> str:
    """What may stand there, in a few words."""
    choices = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    (chosen,) = choices
    if "enum" in chosen:
        text = ", ".join(f"`{each}`" for each in chosen["enum"])
    else:
        text = chosen.get("format") or chosen.get("type", "object")
        text = {"uuid": "UUID", "string": "text"}.get(text, text)
        low, high = chosen.get("minimum"), chosen.get("maximum")
        if low is not None:
            text += f" from {low:g}" + ("" if high is None else f" to {high:g}")
    default = schema.get("default")
    return text if default in (None, "", []) else f"{text}; default `{default}`"


def _table(head: str, rows: Iterator[str]) -> Iterator[str]:
    found = list(rows)
    if found:
        yield f"| {head} |"
        yield "|" + "---|" * head.count("|") + "---|"
        yield from (re.sub(r"\s+", " ", f"| {row} |") for row in found)
        yield ""


if __name__ == "__main__":
    main()

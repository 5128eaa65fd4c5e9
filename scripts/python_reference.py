"""Write the reference of the Python library: `.venv/bin/python scripts/python_reference.py`.

It goes into docs/python.md and is made from the docstrings of what `coffeeshop` exports. What
stands above the mark `BEGIN` is written by hand and kept.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import coffeeshop
from coffeeshop import errors
from coffeeshop.client.sse import Event

PAGE = Path(__file__).parent.parent / "docs" / "python.md"
BEGIN, END = "<!-- docstrings -->", "<!-- end of docstrings -->"
CLASSES = (coffeeshop.Client, coffeeshop.Session, coffeeshop.Results, coffeeshop.AsyncClient, Event)
FUNCTIONS = (coffeeshop.compare,)
SHOWN = ("__init__",)
"""Methods that are shown though their names say that they are not."""


def main() -> None:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text()))


def written(page: str) -> str:
    """The page with the reference of this version in it."""
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n\n{reference()}\n{END}{tail}"


def reference() -> str:
    """Every class with its methods and attributes, and the tree of errors, in Markdown."""
    lines: list[str] = []
    for kind in CLASSES:
        lines += _class(kind)
    for function in FUNCTIONS:
        name = function.__name__
        lines += [f"## {name}", "", "```text", _signature(function, name, function), "```", ""]
        lines += [*_paragraphs(function), ""]
    lines += ["## Errors", ""]
    tree = inspect.getdoc(errors) or ""
    first, _, drawing = tree.partition("::\n\n")
    lines += [_linked(first.strip()), "", "```text", inspect.cleandoc(drawing), "```", ""]
    lines += ["Those that a caller meets are names of `coffeeshop` as well:", ""]
    for name in coffeeshop.__all__:
        found = getattr(coffeeshop, name)
        if inspect.isclass(found) and issubclass(found, errors.CoffeeshopError):
            doc = (inspect.getdoc(found) or "").replace("\n", " ")
            lines.append(f"- `{name}`: {_linked(doc)}")
    return "\n".join([*lines, ""])


def _class(kind: type) -> Iterator[str]:
    yield from (f"## {kind.__name__}", "", *_paragraphs(kind), "")
    attributes = [*_attributes(kind)]
    for name, text in attributes:
        yield f"- `{name}`: {_linked(text)}"
    if attributes:
        yield ""
    for name, member in vars(kind).items():
        if isinstance(member, staticmethod) or (name.startswith("_") and name not in SHOWN):
            continue
        if inspect.isfunction(member) and member.__doc__:
            yield from (f"### {_called(kind, name)}", "")
            yield from ("```text", _signature(kind, name, member), "```", "")
            yield from (*_paragraphs(member), "")


def _called(kind: type, name: str) -> str:
    return f"{kind.__name__}(...)" if name == "__init__" else f"{kind.__name__}.{name}"


def _signature(kind: Any, name: str, function: Any) -> str:
    """As one would write it: an argument a line when there are many, no quotes around types."""
    signature = inspect.signature(function)
    parameters = [p for n, p in signature.parameters.items() if n != "self"]
    star = next((n for n, p in enumerate(parameters) if p.kind is p.KEYWORD_ONLY), None)
    words = [_parameter(each) for each in parameters]
    if star is not None:
        words.insert(star, "*")
    given = kind.__name__ if name == "__init__" else name
    before = "await " if inspect.iscoroutinefunction(function) else ""
    returns = "" if name == "__init__" else f" -> {signature.return_annotation}"
    line = f"{before}{given}({', '.join(words)}){returns}"
    if len(line) <= 88:
        return line
    inside = "".join(f"    {word},\n" for word in words)
    return f"{before}{given}(\n{inside}){returns}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}: {parameter.annotation}"
    if parameter.default is parameter.empty:
        return text
    default = "..." if callable(parameter.default) else repr(parameter.default)
    return f"{text} = {default}"


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    """Names with the string that follows them: in the class, and in its `__init__`; properties."""
    tree = ast.parse(inspect.getsource(kind))
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    init = next((n for n in body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    for block in (body, [] if init is None else init.body):
        for node, after in pairwise(block):
            match node, after:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    yield name, _flat(text)
                case (
                    ast.Assign(targets=[ast.Attribute(attr=name)])
                    | ast.AnnAssign(target=ast.Attribute(attr=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    yield name, _flat(text)
    for name, member in vars(kind).items():
        if isinstance(member, property):
            yield name, _flat(inspect.getdoc(member) or "")


def _paragraphs(documented: Any) -> Iterator[str]:
    for number, paragraph in enumerate((inspect.getdoc(documented) or "").split("\n\n")):
        if number:
            yield ""
        yield _linked(_flat(paragraph))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _linked(text: str) -> str:
    """Code as Markdown has it."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


if __name__ == "__main__":
    main()

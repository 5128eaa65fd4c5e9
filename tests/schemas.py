"""The schemas of what ``--json`` prints, as tests hold the commands to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))


def schema_of(name: str) -> dict[str, Any]:
    """A schema, strict: members that it does not name are refused unless it says otherwise."""
    found: dict[str, Any] = _strict(json.loads((FOLDER / f"{name}.json").read_text()))
    return found


def check(name: str, found: Any) -> None:
    """Raise `jsonschema.ValidationError` for what the schema does not allow."""
    files = Registry().with_resources(
        (f"{each}.json", Resource.from_contents(schema_of(each))) for each in NAMES
    )
    validator = Draft202012Validator(schema_of(name), registry=files)
    validator.validate(found)


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if "required" in made and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made

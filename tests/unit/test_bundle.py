"""The page's modules made one script: in order, each in its scope, nothing misunderstood."""

from __future__ import annotations

import pytest

from coffeeshop.report import bundle
from coffeeshop.report.bundle import NotUnderstood, bundled

FILES = {
    "a.js": 'import { b, c } from "./lib/b.js";\nimport { d } from "./d.js";\nb(c, d);\n',
    "lib/b.js": 'import { d } from "../d.js";\nexport async function b() {}\nexport const c = d;\n',
    "d.js": "/** Says import and export. */\nexport class d {}\n",
}


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The package's files, for a test to change."""
    found = dict(FILES)
    monkeypatch.setattr(bundle, "read", found.__getitem__)
    bundled.cache_clear()
    return found


def test_a_module_comes_once_and_behind_what_it_imports() -> None:
    assert bundled("a.js") == (
        "const module_d_js = (() => {\n/** Says import and export. */\nclass d {}\n"
        "return { d };\n})();\n"
        "const module_lib_b_js = (() => {\nconst { d } = module_d_js;\n"
        "async function b() {}\nconst c = d;\nreturn { b, c };\n})();\n"
        "const module_a_js = (() => {\nconst { b, c } = module_lib_b_js;\n"
        "const { d } = module_d_js;\nb(c, d);\nreturn {  };\n})();\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        'import d from "./d.js";',
        'import "./d.js";',
        'import { d as e } from "./d.js";',
        'import { d } from "elsewhere";',
        "export default 1;",
        "export let changing = 1;",
        'export { d } from "./d.js";',
        'const { d } = await import("./d.js");',
    ],
)
def test_what_it_does_not_understand_is_refused(files: dict[str, str], line: str) -> None:
    files["a.js"] = f"{line}\n"
    with pytest.raises(NotUnderstood, match=r"a\.js"):
        bundled("a.js")


def test_modules_that_import_each_other_are_refused(files: dict[str, str]) -> None:
    files["d.js"] += 'import { b } from "./lib/b.js";\n'
    with pytest.raises(NotUnderstood, match="imports itself"):
        bundled("a.js")

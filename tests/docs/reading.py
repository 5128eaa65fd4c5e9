"""A reader of a document, who types everything that it says."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.docs.checks import check
from tests.docs.command_line import names
from tests.docs.markdown import Code, Document
from tests.docs.rules import NAMED_ONLY, Stays, checked, stays, typed
from tests.docs.sandbox import Sandbox
from tests.docs.shell import commands


@dataclass(frozen=True)
class Step:
    """One command. ``shown``: what the document shows as its output, if that."""

    line: int
    text: str
    language: str = "sh"
    shown: str = ""


def steps(document: Document) -> Iterator[Step]:
    """Every command of a document, in order; the same one in sentences is typed once."""
    seen = set(NAMED_ONLY)
    for code in document.code():
        if code.language != "inline":
            yield from _of_block(code)
        elif code.text not in seen:
            seen.add(code.text)
            yield Step(code.line, code.text, "inline")


def _of_block(code: Code) -> Iterator[Step]:
    if code.language == "python":
        yield Step(code.line, code.text, "python")
    elif code.language == "console":
        yield from _of_console(code)
    else:
        for before, text in commands(code.text):
            yield Step(code.line + before, text)


def _of_console(code: Code) -> Iterator[Step]:
    """Lines after ``$ `` are commands, the others what the one before prints."""
    found: list[tuple[int, str, list[str]]] = []
    for number, printed in enumerate(code.text.splitlines(), code.line):
        if printed.startswith("$ "):
            found.append((number, printed[2:], []))
        elif found:
            found[-1][2].append(printed)
    for line, text, shown in found:
        yield Step(line, text, "sh", "\n".join(shown))


@dataclass
class Reader:
    """Types the steps of one document in a sandbox, and notes what did not go as it says."""

    document: str
    sandbox: Sandbox
    complaints: list[str] = field(default_factory=list)

    def follow(self, steps: Iterator[Step]) -> list[str]:
        """The complaints, each with the document and the line."""
        for step in steps:
            why = self._take(step)
            if why:
                self.complaints.append(f"{self.document}:{step.line}: {step.text}\n{why}")
        codes = self.sandbox.close()
        if codes:
            self.complaints.append(f"{self.document}: processes ended with {codes}")
        return self.complaints

    def _take(self, step: Step) -> str:
        if step.language == "python":
            return self._python(step.text)
        row = checked(step.text)
        if row is not None:
            return check(row, step.text, self.sandbox.root)
        return self._type(complete(step), step.shown)

    def _words(self, text: str) -> dict[str, str]:
        opened = self.sandbox.system.opened(self.sandbox.port) if "cancel ID" in text else ""
        return {**self.sandbox.words(), "open": opened}

    def _type(self, text: str, shown: str) -> str:
        command = typed(text, self._words(text))
        row = stays(text)
        if row is not None:
            return self._stay(command, row)
        if command.startswith(("rabbitmqctl ", "rabbitmq-diagnostics ")):
            return self._control(command)
        code, output, errors = self.sandbox.shell.run(command)
        if code:
            return f"typed as: {command}\nexit code {code}\n{output[-1500:]}{errors[-1500:]}"
        return differences(shown, output + errors)

    def _stay(self, command: str, row: Stays) -> str:
        try:
            self.sandbox.stay(command, row)
        except TimeoutError as error:
            return f"typed as: {command}\nnot ready; it said:\n{error}"
        return ""

    def _control(self, command: str) -> str:
        """One of the broker's own tools, which have to know where the private one is."""
        tool, *words = shlex.split(command)
        try:
            self.sandbox.system.broker.rabbitmqctl(*words, tool=tool)
        except subprocess.CalledProcessError as error:
            return f"exit code {error.returncode}\n{error.stdout}{error.stderr}"
        return ""

    def _python(self, text: str) -> str:
        script = self.sandbox.root / "typed.py"
        script.write_text(typed(text, self._words(text)))
        code, output, errors = self.sandbox.shell.run("python typed.py")
        script.unlink()
        return f"exit code {code}\n{output}{errors}" if code else ""


def complete(step: Step) -> str:
    """A sentence may leave out ``coffeeshop``."""
    short = step.language == "inline" and step.text.split()[0] in names()
    return f"coffeeshop {step.text}" if short else step.text


def differences(shown: str, output: str) -> str:
    """The lines shown whose first word no line of the output begins with."""
    begins = {line.split()[0] for line in output.splitlines() if line.split()}
    words = [line.split()[0] for line in shown.splitlines() if line.split()]
    missing = [word for word in words if word.isalpha() and word not in begins]
    return f"shown, but not printed: {missing}; printed:\n{output[-1500:]}" if missing else ""

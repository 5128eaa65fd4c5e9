"""Types of the command line's values: what completes them, and what was meant by a wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import click
from click.shell_completion import CompletionItem

from coffeeshop.commands.access import credentials
from coffeeshop.errors import CoffeeshopError, UsageError
from coffeeshop.names import EXTRA, QUERIES, RESULTS
from coffeeshop.parameters import currency_of
from coffeeshop.settings import Settings
from coffeeshop.suggestions import did_you_mean

DEFAULT_GATEWAY = "http://127.0.0.1:9000"
report_option = click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write a report: one HTML file with tables, charts and downloads.",
)


class Currency(click.types.StringParamType):
    """The ISO code of a currency."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The code in capitals."""
        try:
            return currency_of(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


currency_option = click.option(
    "--currency",
    type=Currency(),
    metavar="CODE",
    help="Show amounts in it, as EUR; CSV, JSON and Parquet stay.  [COFFEESHOP_CURRENCY]",
)


class Choice(click.Choice[str]):
    """A choice that says which one was probably meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """The message for a value that is none of the choices."""
        message = super().get_invalid_choice_message(value, ctx).rstrip(".")
        return message + (did_you_mean(str(value), self.choices) or ".")


class GalleryName(click.types.StringParamType):
    """The name of a question of the gallery."""

    name = "name"
    known: Sequence[tuple[str, str]] = ()
    """Names and titles of questions that are not in the gallery."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names there are."""
        from coffeeshop.questions.gallery import ready

        return [
            CompletionItem(name, help=title)
            for name, title in (*self.known, *((each.name, each.title) for each in ready()))
            if name.startswith(incomplete)
        ]


class ReadyName(GalleryName):
    """The name of a question of the gallery, or of a built-in one."""

    known = tuple((name, "built in") for name in (*RESULTS, *EXTRA))


class Query(click.types.StringParamType):
    """The name of a result: one of the four questions', or of a question of the session's own."""

    name = "query"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that every session has which has no questions of its own."""
        return [CompletionItem(name) for name in QUERIES if name.startswith(incomplete)]


LONGEST = 1e9
"""Seconds (31 years) that stand for every longer time: more than that no lock can wait."""


class Seconds(click.FloatRange):
    """A number of seconds, at least ``min``; ``inf`` is one, what is no number is none."""

    name = "seconds"

    def __init__(self, min: float = 0) -> None:
        super().__init__(min=min)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuses nan, which no comparison would."""
        seconds: float = super().convert(value, param, ctx)
        if seconds != seconds:
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return min(seconds, LONGEST)


class Duration(click.ParamType[float]):
    """A time as people write it: ``7d``, ``12h``, ``30m``; seconds."""

    name = "duration"
    LONGEST: ClassVar[float] = 90 * 86_400
    UNITS: ClassVar[dict[str, int]] = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuses what has no unit."""
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no time, as 7d, 12h or 30m.", param, ctx)
        seconds = float(found[1]) * self.UNITS[found[2]]
        if not 0 < seconds <= self.LONGEST:
            self.fail(f"{value!r} is not above nothing and at most 90d.", param, ctx)
        return seconds


class DataFolder(click.ParamType[str]):
    """A path, or a name under the data root."""

    name = "folder"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The folders under the data root; where none fits, the shell's own folders."""
        # bash forgets what came before the request for its own folders: that goes first.
        return [CompletionItem(incomplete, type="dir")] + [
            CompletionItem(name)
            for name in _folders(ctx.params.get("data_root"))
            if name.startswith(incomplete)
        ]


class SessionId(click.ParamType[str]):
    """A session's id; the gateway says whether there is one."""

    name = "session"

    def __init__(self, *states: str) -> None:
        """``states``: those of the sessions that it makes sense to offer; all of them if none."""
        self._states = states

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The newest sessions of the gateway, if it answers at once."""
        return [
            CompletionItem(each["id"], help=f"{each['state']} {each['name']}".strip())
            for each in _sessions(ctx)
            if each["id"].startswith(incomplete)
            and (not self._states or each["state"] in self._states)
        ]


class Side(SessionId):
    """A folder or a file of results, or a completed session."""

    name = "side"

    def __init__(self) -> None:
        super().__init__("completed")

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The shell's own files, and sessions."""
        sessions = super().shell_complete(ctx, param, incomplete)
        return [CompletionItem(incomplete, type="file"), *sessions]


def _folders(data_root: Path | str | None) -> list[str]:
    root = Path(data_root) if data_root else _settings().data_root
    try:
        return sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))
    except OSError:
        return []  # no such root: nothing to offer


def _settings() -> Settings:
    try:
        return Settings.read()
    except CoffeeshopError:
        return Settings()  # the command itself will say what is wrong with the environment


def _sessions(ctx: click.Context) -> Iterable[dict[str, Any]]:
    from coffeeshop.client.complete_sessions import complete_sessions

    settings = _settings()
    url = ctx.params.get("gateway") or settings.gateway or DEFAULT_GATEWAY
    try:
        shown = credentials(settings, url, ctx)
    except CoffeeshopError:
        return ()  # a token file that cannot be read: the command itself will say so
    return complete_sessions(url, shown.token, shown.ca_file)

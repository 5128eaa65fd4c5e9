"""The command line. Options and environment become values here and nowhere below.

Imports of the system itself are inside the commands: ``--help`` must not wait for them.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import click

from coffeeshop import __version__, streams
from coffeeshop.commands import gateway
from coffeeshop.commands.access import token
from coffeeshop.commands.advice import BUG, DEFECT, advice
from coffeeshop.commands.compare import compare
from coffeeshop.commands.completion import completion
from coffeeshop.commands.demo import demo
from coffeeshop.commands.generate import generate
from coffeeshop.commands.help import Group
from coffeeshop.commands.login import login, logout
from coffeeshop.commands.logs import logs
from coffeeshop.commands.node import run_node
from coffeeshop.commands.questions import explain, questions
from coffeeshop.commands.serve import serve
from coffeeshop.commands.submit import submit
from coffeeshop.commands.surroundings import of_the_machine
from coffeeshop.errors import CoffeeshopError
from coffeeshop.reading import native
from coffeeshop.settings import arm_crash_point, choose_scanner
from coffeeshop.terminal import colour_preference, has_colours, shown

EXIT_CODES = """\b
Exit codes: 0 ok, 1 the session failed, 2 usage, 3 gateway or broker unreachable,
4 bad data, 5 not allowed, 6 cancelled, 7 timeout, 70 a bug, 130/143 signals."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _say_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"coffeeshop, version {__version__}")
        click.echo(f"CSV scanner: {native.description()}")
        context.exit()


@click.group(
    cls=Group,
    context_settings=CONTEXT,
    epilog=EXIT_CODES,
    examples=(
        ("the web page, with example data to try", "coffeeshop serve --open"),
        ("generate example data to analyse", "coffeeshop generate .data/example"),
        ("writes results/example/*.csv", "coffeeshop submit example"),
    ),
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_say_version,
    help="Show the version, and what reads CSV here.",
)
def cli() -> None:
    """Exact answers to four questions about a coffee-shop chain's sales.

    `serve` and `submit` run everything in their own process. For many clients and machines, run
    gateways and workers over RabbitMQ (`run-node`).
    """


cli.add_to_section("Analyse", submit, questions, explain, *gateway.OF_SESSIONS, compare)
cli.add_to_section("Try it", serve, generate, demo)
cli.add_to_section("Connect", login, logout)
cli.add_to_section("Operate", run_node, *gateway.OF_SYSTEM, logs, token)
cli.add_to_section("Shell", completion)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: run a command and exit with its documented code."""
    # Nothing here multiplies matrices, but each process would start a thread per core that waits
    # for it busily: a quarter of the processor time of a small analysis' client.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Of Arrow's allocators the one that gives freed memory back: see also `tune_malloc`.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    # Imports make a hundred thousand objects that stay: looking through them again and again is a
    # twentieth of a small analysis.
    gc.set_threshold(50_000, 20, 20)
    # Threads that come back from the scanner or the columnar library wait for the interpreter's
    # lock at most this long, and not for the default of five milliseconds.
    sys.setswitchinterval(0.001)
    streams.prepare()
    signal.signal(signal.SIGTERM, _terminated)
    given = sys.argv[1:] if arguments is None else list(arguments)
    with _without_pandas():
        code = _exit_code(given)
    sys.exit(code)


def program() -> NoReturn:
    """The console script: `main`, and the end of the process.

    What is due at the end is done, and then the system takes back all memory at once: an
    interpreter that takes itself apart, object by object, needs a hundredth of a small analysis.
    """
    try:
        main()
    except SystemExit as end:
        if not isinstance(end.code, int) or any(map(_is_waited_for, threading.enumerate())):
            raise
        atexit._run_exitfuncs()
        with suppress(streams.ReaderGone, CoffeeshopError, OSError):  # `main` told of it
            streams.flush()
            sys.stderr.flush()
        os._exit(end.code)


def _is_waited_for(thread: threading.Thread) -> bool:
    return not thread.daemon and thread is not threading.main_thread()


class _NoPandas:
    """No command needs pandas. Where it is installed, the columnar library imports it to recognise
    what might be one of its columns, and that takes longer than a small analysis."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Say of pandas that it is not there, of everything else nothing."""
        if name == "pandas":
            raise ModuleNotFoundError("no command needs it", name=name)


@contextmanager
def _without_pandas() -> Iterator[None]:
    sys.meta_path.insert(0, _NoPandas)
    try:
        yield
    finally:
        sys.meta_path.remove(_NoPandas)


def _exit_code(given: Sequence[str]) -> int:
    """Run a command, and say what it ended in; the exit code."""
    try:
        try:
            choose_scanner()
            arm_crash_point()
            colours = colour_preference()
            code = cli.main(list(given), "coffeeshop", standalone_mode=False, color=colours)
        except SystemExit as end:
            code = end.code
        streams.flush()
        return code if isinstance(code, int) else 0
    except streams.ReaderGone:
        return streams.BROKEN_PIPE
    except CoffeeshopError as error:
        return _told(error, given)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        _say(" ".join(error.format_message().split()).rstrip("."), _help_of(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return 130
    except Exception as error:  # noqa: BLE001 - the last line of defence, with its own exit code
        known = of_the_machine(error)
        if known is not None:
            return _told(known, given)
        import traceback

        traceback.print_exc()
        _say(f"this is a bug: {error}", DEFECT)
        return BUG
    finally:
        with suppress(streams.ReaderGone, CoffeeshopError):  # what went wrong first is told
            streams.flush()


def _told(error: CoffeeshopError, given: Sequence[str]) -> int:
    _say(
        str(error), advice(error, next((each for each in given if not each.startswith("-")), None))
    )
    return error.exit_code


def _say(error: str, hint: str = "") -> None:
    """An error as every command says it: one line, and one of what to do where there is that."""
    bold, error, hint = has_colours(sys.stderr), shown(error), shown(hint)
    print(click.style("error:", "red", bold=True) if bold else "error:", error, file=sys.stderr)
    if hint:
        print(click.style("hint:", "cyan", bold=True) if bold else "hint:", hint, file=sys.stderr)


def _help_of(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return "" if context is None else f"{context.command_path} --help lists what it takes"


def _terminated(number: int, frame: FrameType | None) -> Any:
    sys.exit(128 + number)


if __name__ == "__main__":
    program()

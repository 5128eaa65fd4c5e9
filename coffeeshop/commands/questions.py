"""`coffeeshop questions` and `coffeeshop explain`: what is ready to ask, what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from coffeeshop.commands.asked import asked, own_question_options
from coffeeshop.commands.help import Command
from coffeeshop.commands.types import Choice, GalleryName
from coffeeshop.names import PLANS


@click.command(
    cls=Command,
    short_help="List questions that are ready to ask.",
    examples=(
        ("all of them", "coffeeshop questions"),
        ("the SQL of one, to begin a file of your own with", "coffeeshop questions year_on_year"),
    ),
)
@click.argument("name", required=False, type=GalleryName())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def questions(name: str | None, as_json: bool) -> None:
    """List the gallery's questions, or print the SQL of one."""
    from coffeeshop.questions.gallery import ready, ready_one

    found = ready() if name is None else (ready_one(name),)
    if as_json:
        listed = [{"name": q.name, "title": q.title, "sql": q.text} for q in found]
        print(json.dumps(listed, indent=1))
    elif name is not None:
        print(found[0].text, end="")
    else:
        width = max(len(each.name) for each in found)
        for each in found:
            print(f"{each.name:{width}}  {each.title}")


@click.command(
    cls=Command,
    short_help="Say what becomes of a question.",
    examples=(
        (
            "a question of your own",
            'coffeeshop explain --sql "select store_id, count(*) from transactions group by 1"',
        ),
        ("one of the gallery", "coffeeshop explain --question top_items_by_month"),
        ("the four questions", "coffeeshop explain"),
    ),
)
@own_question_options
@click.option("--plan", type=Choice(PLANS), default="fused", show_default=True)
@click.option(
    "--partitions",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Tasks of the stages that run in parallel.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    ready: tuple[str, ...],
    queries: tuple[Path, ...],
    texts: tuple[str, ...],
    builtin: bool,
    plan: str,
    partitions: int,
    as_json: bool,
) -> None:
    """Say which columns travel, which stages there are, and what is done where.

    Reads no data.
    """
    from coffeeshop.commands.explanation import explained, print_explained
    from coffeeshop.pipeline.messages import SessionSpec
    from coffeeshop.questions.asking import questions_of

    own = questions_of(asked(queries, texts, ready, builtin=builtin))
    found: dict[str, Any] = explained(
        SessionSpec("session", plan, partitions=partitions, questions=own)
    )
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        print_explained(found)

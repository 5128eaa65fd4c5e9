"""`coffeeshop completion`: the script that makes a shell complete our commands."""

from __future__ import annotations

import click

from coffeeshop.commands.help import Command
from coffeeshop.commands.types import Choice

VARIABLE = "_COFFEESHOP_COMPLETE"
"""By which the script asks the command for completions."""


@click.command(
    cls=Command,
    examples=(
        ("bash: in ~/.bashrc", 'eval "$(coffeeshop completion bash)"'),
        ("zsh: in ~/.zshrc, after compinit", 'eval "$(coffeeshop completion zsh)"'),
        (
            "fish, once",
            "coffeeshop completion fish > ~/.config/fish/completions/coffeeshop.fish",
        ),
    ),
)
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL.

    The Tab key then completes commands, options and their values, names of data folders under
    the data root, and ids of sessions if the gateway answers within half a second.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # the argument's type knows the same shells
    # Not `source`: for bash it runs a bash to look at its version, which need not be the user's.
    script = made(context.find_root().command, {}, "coffeeshop", VARIABLE)
    click.echo(script.source_template % script.source_vars(), nl=False)

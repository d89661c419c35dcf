"""`digits completion`: let the shell complete commands and options."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from search.cli.console import note, say

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_DIGITS_COMPLETE"
ZSH_START = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n"


@click.command(
    short_help="Complete commands and options in your shell.",
    epilog="Example: digits completion --install",
)
@click.argument("shell", required=False, type=click.Choice(SHELLS))
@click.option("--install", is_flag=True, help="Set it up for every new shell.")
@click.pass_context
def completion(context: click.Context, shell: str | None, install: bool) -> None:
    """Print what makes SHELL complete commands and options, by default the one in $SHELL.

    With --install it is kept in the user's data folder and named in the shell's start-up file.
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise click.UsageError(f"expected {', '.join(SHELLS)}, received {shell or 'no shell'!r}")
    script = _script(context.find_root().command, shell)
    if install:
        note(f"Installed in {_install(shell, script)}: open a new {shell} to use it.")
    else:
        say(script.splitlines())


def _script(command: click.Command, shell: str) -> str:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click has no completion for {shell}")
    source = found(command, {}, "digits", VARIABLE).source()
    return ZSH_START + source if shell == "zsh" else source


def _install(shell: str, script: str) -> Path:
    """Put the script where `shell` finds it; gives the file that a person may want to look at.

    Raises:
        StorageError: a file cannot be written.
    """
    from data.files import make_folder, storage_errors, write_whole
    from search.places import completion_file, home

    if shell == "fish":
        configured = Path(os.environ.get("XDG_CONFIG_HOME") or home() / ".config")
        path = configured / "fish" / "completions" / "digits.fish"
    else:
        path = completion_file(shell)
    make_folder(path.parent)
    write_whole(path, script.encode())
    if shell == "fish":
        return path  # fish looks there by itself
    where = Path((shell == "zsh" and os.environ.get("ZDOTDIR")) or home())
    start, line = where / f".{shell}rc", f"source {shlex.quote(str(path))}  # digits completion\n"
    with storage_errors(start):
        if not start.exists() or line not in start.read_text(errors="surrogateescape"):
            with start.open("a", errors="surrogateescape") as file:  # it may be a link
                file.write(f"\n{line}")
    return start

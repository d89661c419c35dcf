"""Write `docs/cli.md`, the help of every command: `python -m search.cli.reference`."""

from __future__ import annotations

from pathlib import Path

import click

from search.cli import cli

PLACE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
WIDTH = 100
HEAD = """# Commands

Written by `make docs` from the commands themselves; a test fails when it is stale.
"""


def reference() -> str:
    """The page, in Markdown."""
    parts = [HEAD, _block(cli, "digits")]
    for name, command in sorted(cli.commands.items()):
        parts += [f"## digits {name}\n", _block(command, f"digits {name}")]
    return "\n".join(parts)


def _block(command: click.Command, name: str) -> str:
    context = click.Context(
        command, info_name=name, terminal_width=WIDTH, help_option_names=["-h", "--help"]
    )
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    return "```text\n" + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    PLACE.write_text(reference())

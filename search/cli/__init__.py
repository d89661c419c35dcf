"""The `digits` command: click, and nothing but wiring. Parse, call, print.

Only this package imports click. Whatever is slow to import is imported inside the command that
needs it, so that `--help` and shell completion stay instant.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from data.errors import DigitsError, UsageError
from search.cli.ask import classify, compare, search
from search.cli.check import evaluate, info, verify
from search.cli.make import build, index, train

FAILED, MISUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: digits classify photo.jpg",
)
@click.version_option(
    None, "--version", package_name="digit-search", message="%(prog)s %(version)s"
)
def cli() -> None:
    """Find the handwritten digits most like yours, and name yours by their vote."""


for command in (build, train, index, search, classify, compare, evaluate, info, verify):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line; exit 0, 1 (something failed), 2 (misused), 130 or 143 (stopped)."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = cli.main(prog_name="digits", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        status = exc.exit_code
    except DigitsError as exc:
        click.echo(f"Error: {_one_line(exc)}", err=True)
        status = MISUSED if isinstance(exc, UsageError) else FAILED
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        status = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
        status = FAILED
    sys.exit(status)


def _one_line(exc: Exception) -> str:
    from search.report import printable

    return printable(str(exc))


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    sys.exit(TERMINATED)

"""The `digits` command: click, and nothing but wiring. Parse, call, print.

Only this package imports click. Whatever is slow to import is imported inside the command that
needs it, so that `--help` and shell completion stay instant.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from data.errors import DigitsError, UsageError
from search.cli.ask import classify, compare, search
from search.cli.check import evaluate, info, verify
from search.cli.console import note
from search.cli.grow import add, remove, undo
from search.cli.make import build, index, train
from search.start import INTERRUPTED, TERMINATED, end_at_once_when_told

FAILED, MISUSED = 1, 2
LACKS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}  # of descriptors, memory, threads


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: digits classify photo.jpg",
)
@click.version_option(
    None, "--version", package_name="digit-search", message="%(prog)s %(version)s"
)
def cli() -> None:
    """Find the handwritten digits most like yours, and name yours by their vote."""


COMMANDS = (
    *(build, train, index),
    *(search, classify, compare),
    *(add, remove, undo),
    *(evaluate, info, verify),
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line; exit 0, 1 (something failed), 2 (misused), 130 or 143 (stopped)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        signal.signal(signal.SIGTERM, _terminate)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = cli.main(prog_name="digits", standalone_mode=False) or 0
        if sys.stdout:
            sys.stdout.flush()
    except click.ClickException as exc:
        exc.show()
        status = exc.exit_code
    except DigitsError as exc:
        note(f"Error: {exc}")
        status = MISUSED if isinstance(exc, UsageError) else FAILED
    except (click.Abort, KeyboardInterrupt):
        note("Stopped.")
        status = INTERRUPTED
    except BrokenPipeError:
        _abandon_output()  # the reader of our output has gone; there is nobody to tell
        status = FAILED
    except (OSError, MemoryError, ImportError, RuntimeError) as exc:
        note(f"Error: {_of_the_system(exc)}")
        status = FAILED
    finally:
        end_at_once_when_told()
    sys.exit(status)


def _of_the_system(exc: Exception) -> str:
    """What the system did not do for us; any other error goes on, for it is a mistake of ours."""
    if isinstance(exc, OSError):
        if exc.errno in LACKS:
            return f"the system gives no more: {exc.strerror}; close other programs"
        _abandon_output()
        return f"cannot write the output: {exc.strerror}"
    if isinstance(exc, ImportError):
        return f"a library cannot be loaded ({exc}); install again, or free some memory"
    if isinstance(exc, MemoryError) or "start new thread" in str(exc):
        return "there is not enough memory; close other programs, or raise the limit (ulimit -v)"
    raise exc


def _abandon_output() -> None:
    """Keep the interpreter from trying once more to write what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    sys.exit(TERMINATED)

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
from typing import Any, NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from data.errors import DigitsError, UsageError
from search.cli.ask import classify, compare, search
from search.cli.check import doctor, evaluate, info, verify
from search.cli.completion import completion
from search.cli.console import FAILED, MISUSED, note
from search.cli.grow import add, remove, undo
from search.cli.look import audit, draw_map, export, report
from search.cli.make import build, index, train
from search.cli.serve import serve
from search.start import INTERRUPTED, TERMINATED, end_at_once_when_told
from search.text import named

LACKS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}  # of descriptors, memory, threads
OF_THE_SYSTEM = (OSError, MemoryError, ImportError, RuntimeError, SystemError)
OUT_OF_MEMORY = (  # in the words of Python, and of extensions that forget to raise MemoryError
    "start new thread",
    "without exception set",
    "without setting an exception",
)


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
    *(evaluate, report, draw_map, audit),
    *(info, verify, doctor, export),
    *(serve, completion),
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
        sys.unraisablehook = _end_if_stopped
        status = cli.main(prog_name="digits", standalone_mode=False) or 0
        if sys.stdout:
            sys.stdout.flush()
    except click.ClickException as exc:
        _refuse(exc)
        status = exc.exit_code
    except (DigitsError, KeyboardInterrupt, *OF_THE_SYSTEM) as exc:
        status = _tell(exc)
    finally:
        end_at_once_when_told()
    sys.exit(status)


def _tell(exc: BaseException) -> int:
    """Say in one line why it ended; gives the exit status."""
    end_at_once_when_told()  # an impatient second Ctrl-C
    stop = _stop_within(exc)
    if isinstance(stop, SystemExit):
        return TERMINATED
    if stop:
        note("Stopped.")
        return INTERRUPTED
    if isinstance(exc, DigitsError):
        note(f"Error: {exc}")
        return MISUSED if isinstance(exc, UsageError) else FAILED
    if isinstance(exc, BrokenPipeError):
        _abandon_output()  # the reader of our output has gone; there is nobody to tell
    else:
        note(f"Error: {_of_the_system(exc)}")
    return FAILED


def _stop_within(exc: BaseException | None) -> BaseException | None:
    """What a signal raised, which the import of a library turns into an error of its own."""
    seen: set[int] = set()
    while exc and id(exc) not in seen:  # Milvus's client raises errors from themselves
        if isinstance(exc, (click.Abort, KeyboardInterrupt, SystemExit)):
            return exc
        seen.add(id(exc))
        exc = exc.__cause__
    return None


def _of_the_system(exc: BaseException) -> str:
    """What the system did not do for us; any other error goes on, for it is a mistake of ours."""
    if isinstance(exc, OSError):
        if exc.errno in LACKS:
            return f"the system gives no more: {exc.strerror}; close other programs"
        if exc.filename is not None:
            return f"{named(exc.filename)}: {exc.strerror}"
        if exc.errno == errno.ENOENT:  # which no output gives: of the folder itself we are in
            return (
                f"{exc.strerror}: the folder you are in is gone (cd to another), or there is none"
                " for temporary files (set TMPDIR)"
            )
        _abandon_output()
        return f"cannot write the output: {exc.strerror}"
    if isinstance(exc, ImportError):
        return f"a library cannot be loaded ({exc}); install again, or free some memory"
    if isinstance(exc, MemoryError) or any(sign in str(exc) for sign in OUT_OF_MEMORY):
        return "there is not enough memory; close other programs, or raise the limit (ulimit -v)"
    raise exc


def _refuse(exc: click.ClickException) -> None:
    """Say as click does what was misused, with what a person typed shown harmlessly."""
    if isinstance(exc, NoArgsIsHelpError):
        click.echo(exc.format_message(), err=True)
        return
    if isinstance(exc, click.UsageError) and exc.ctx:
        note(exc.ctx.get_usage())
        note(f"Try '{exc.ctx.command_path} --help' for help.")
    note(f"Error: {exc.format_message()}{_dashed(exc)}")


def _dashed(exc: click.ClickException) -> str:
    """What to do if that was no option, but the name of something."""
    if not isinstance(exc, click.NoSuchOption) or not exc.ctx:
        return ""
    takes_names = any(isinstance(one, click.Argument) for one in exc.ctx.command.params)
    return " What begins with a dash but is no option is given after --." if takes_names else ""


def _abandon_output() -> None:
    """Keep the interpreter from trying once more to write what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_if_stopped(unraisable: Any) -> None:
    """What a signal raised inside of a destructor, where nobody can catch it, ends the process.

    Python would tell of it and go on. Nothing is lost that a kill would not lose, which is nothing.
    """
    if isinstance(unraisable.exc_value, (KeyboardInterrupt, SystemExit)):
        os._exit(_tell(unraisable.exc_value))
    sys.__unraisablehook__(unraisable)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    sys.exit(TERMINATED)

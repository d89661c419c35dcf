"""`digits` as a process of its own: ready for Ctrl-C before anything is imported, quick to end.

Python turns a Ctrl-C into an exception, and prints a traceback where nobody catches it: while the
program is still being imported, or once it is done and ending. There a signal ends the process.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

INTERRUPTED, TERMINATED = 130, 143
STDOUT = 1
STATUS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


def run() -> NoReturn:
    """Run the command line and end without taking its libraries down.

    All files are closed and all output is flushed by then; what is skipped takes a tenth of a
    cold query.
    """
    end_at_once_when_told()
    ready_streams()
    with importing():
        from search.cli import main

    try:
        main()
    except SystemExit as exc:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(exc.code if isinstance(exc.code, int) else 0)


def ready_streams() -> None:
    """Standard streams that wait, whoever we share them with.

    Where one is closed its number is taken, lest a file of ours get it and libraries print there.
    To print answers still fails then.
    """
    for number in range(3):
        try:
            os.set_blocking(number, True)
        except OSError:
            mode = os.O_RDONLY if number == STDOUT else os.O_RDWR
            os.open(os.devnull, mode)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = os.fdopen(STDOUT, "w", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stdout.buffer, io.RawIOBase):
        sys.stdout = os.fdopen(
            sys.stdout.fileno(), "w", 1, sys.stdout.encoding, sys.stdout.errors, closefd=False
        )  # Python's own, where it is told not to buffer, loses what a short write leaves


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Look for no garbage while libraries are imported, nor later among what they leave: it stays.

    That would take a twentieth of a cold query.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def end_at_once_when_told() -> None:
    """From now on Ctrl-C and SIGTERM end the process where it is: there is nothing to tidy up."""
    for number in STATUS:
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    os._exit(STATUS[signal.Signals(number)])

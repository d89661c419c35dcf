"""Run the product in a child process, and judge how it ended.

Children are forked from a server that has imported everything, so thousands are affordable, and a
child that crashes or hangs is the failure of its own try only.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.preloaded"])
POLLED = threading.Lock()  # to start a process polls all others, and a status is read but once
SECONDS = 10  # longer is a hang
FAILED, MISUSED = 1, 2


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        status: exit status; negative for the signal that killed it; None if it hung.
        out, err: what it printed.
        seconds: how long it took, start included.
    """

    status: int | None
    out: str
    err: str
    seconds: float


@dataclass
class Child:
    """A child that is running."""

    process: Any
    scratch: Path
    started: float = field(default_factory=time.monotonic)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def wait(self, seconds: float = SECONDS) -> Outcome:
        """Wait for its end; if that does not come, end it."""
        hung = not self.ended(seconds)
        if hung:
            self.send(signal.SIGKILL)
            self.ended(SECONDS)
        with POLLED:
            exitcode = self.process.exitcode
        printed = [(self.scratch / name).read_text(errors="replace") for name in ("out", "err")]
        return Outcome(None if hung else exitcode, *printed, time.monotonic() - self.started)

    def ended(self, seconds: float) -> bool:
        """Whether it ends within some seconds."""
        return bool(multiprocessing.connection.wait([self.process.sentinel], seconds))

    def close(self) -> None:
        """End it, if it still runs, and forget it."""
        if not self.ended(0):
            self.send(signal.SIGKILL)
            self.ended(SECONDS)
        with POLLED:
            self.process.join()
            self.process.close()
        shutil.rmtree(self.scratch)


@contextlib.contextmanager
def started(work: Callable[..., object], *arguments: object) -> Iterator[Child]:
    """A child that runs `work(*arguments)`; both must be picklable."""
    scratch = Path(tempfile.mkdtemp(prefix="child-"))
    process = CONTEXT.Process(target=_redirected, args=(scratch, work, arguments))
    for name in ("out", "err"):
        (scratch / name).touch()
    with POLLED:
        process.start()
    child = Child(process, scratch)
    try:
        yield child
    finally:
        child.close()


def run(work: Callable[..., object], *arguments: object, seconds: float = SECONDS) -> Outcome:
    """Run `work(*arguments)` in a child to its end."""
    with started(work, *arguments) as child:
        return child.wait(seconds)


def digits(*arguments: object, seconds: float = SECONDS) -> Outcome:
    """Run the command line in a child to its end."""
    return run(command, *map(str, arguments), seconds=seconds)


def command(*arguments: str) -> None:
    """The command line, as the process it is called in; does not return."""
    from search.start import run as enter

    sys.argv = ["digits", *arguments]
    enter()


def complaint(
    outcome: Outcome, answers: Collection[str] = (), blamed: Collection[object] = ()
) -> str | None:
    """Why an outcome is not allowed; None where it is.

    Args:
        outcome: to judge.
        answers: what may be printed where it succeeds; none where it must not succeed.
        blamed: of which one must be named in the line that tells of a failure; none where it must
            not fail.
    """
    last = outcome.err.strip().splitlines()[-1:] or [""]
    if outcome.status is None:
        return f"hung: {last[0]}"
    if outcome.status < 0:
        return f"killed by {signal.Signals(-outcome.status).name}"
    if "Traceback" in outcome.err:
        return f"traceback: {last[0]}"
    if outcome.status == 0:
        return None if outcome.out in answers else f"another answer: {outcome.out[:200]!r}"
    if outcome.status not in (FAILED, MISUSED):
        return f"exit status {outcome.status}: {last[0]}"
    return _complaint_of_line(outcome.err, blamed)


def _complaint_of_line(err: str, blamed: Collection[object]) -> str | None:
    lines = err.splitlines()
    if not blamed:
        return f"failed: {err[:300]!r}"
    if len(lines) != 1 or not lines[0].startswith("Error: "):
        return f"expected one line that tells of an error, received {err[:300]!r}"
    if not any(str(name) in lines[0] for name in blamed):
        return f"expected {' or '.join(map(str, blamed))} to be named, received {lines[0]!r}"
    return None


def _redirected(scratch: Path, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    for name, descriptor in (("out", 1), ("err", 2)):
        target = os.open(scratch / name, os.O_WRONLY)
        os.dup2(target, descriptor)
        os.close(target)
    work(*arguments)

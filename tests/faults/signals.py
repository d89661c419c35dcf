"""Row 15: Ctrl-C and SIGTERM at any moment of training, indexing and searching."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.changes import STREAM, change, streamed
from tests.faults.child import SECONDS, Child, Outcome, complaint, run, started
from tests.faults.ground import Ground, asking
from tests.faults.tally import Tally, try_all

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
TRAIN = "train"
TRAINING = 300  # seconds, on a machine that is busy
ENTRY = """
import os, sys
from search.start import end_at_once_when_told, run
end_at_once_when_told()
os.close(int(sys.argv.pop(1)))
run()
"""


@dataclass(frozen=True)
class Stop:
    """A signal after a share of the time that a command takes."""

    kind: str
    number: signal.Signals
    share: float

    def __str__(self) -> str:
        return f"{self.kind}, {self.number.name} after {self.share:.0%}"


@dataclass
class Program:
    """The command line in a process of its own, from its very start."""

    process: subprocess.Popen[str]

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        self.process.send_signal(number)

    def wait(self, seconds: float) -> Outcome:
        """Wait for its end; if that does not come, end it."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return Outcome(None, *self.process.communicate(), seconds)
        return Outcome(self.process.returncode, out, err, 0)


def stopped(ground: Ground, tries: int, seed: int) -> Tally:
    """Stop commands: exit status 130 or 143, what was there works, and they go on afterwards.

    One try in twenty is of a training, which takes a while.
    """
    rng = random.Random(seed)
    trainings = tries // 20
    kinds = ["search", "build", STREAM] * tries
    chosen = [
        Stop(kind, rng.choice(list(STATUS)), max(0.0, rng.uniform(-0.2, 1)))
        for kind in kinds[: tries - trainings] + [TRAIN] * trainings
    ]
    alone = {kind: _uninterrupted(ground, kind) for kind in dict.fromkeys(s.kind for s in chosen)}
    return try_all(chosen, lambda stop: _stop(ground, stop, *alone[stop.kind]))


def _uninterrupted(ground: Ground, kind: str) -> tuple[float, str]:
    """How long a command takes, and what it leaves."""
    with ground.scratch() as scratch:
        _place(ground, scratch)
        with _running(ground, kind, scratch) as running:
            began = time.monotonic()
            end = running.wait(TRAINING)
            seconds = time.monotonic() - began
        if end.status:
            raise RuntimeError(f"{kind}: {end.err}")
        return seconds, _left(ground, kind, scratch)


def _stop(ground: Ground, stop: Stop, seconds: float, expected: str) -> str | None:
    with ground.scratch() as scratch:
        _place(ground, scratch)
        before = _left(ground, stop.kind, scratch)
        with _running(ground, stop.kind, scratch) as running:
            time.sleep(stop.share * seconds)
            running.send(stop.number)
            end = running.wait(SECONDS)
        if why := _badly_ended(end, stop):
            return why
        if _left(ground, stop.kind, scratch) not in (before, expected):
            return "what was there does not work"
        with _running(ground, stop.kind, scratch) as running:
            end = running.wait(TRAINING)
        if why := complaint(end, [end.out]):
            return f"it did not go on: {why}"
        if _left(ground, stop.kind, scratch) != expected:
            return "it did not end as if it had not been stopped"
        return None


def _place(ground: Ground, scratch: Path) -> None:
    """What is there before: an index and an embedder."""
    shutil.copytree(ground.index, scratch / "index")
    shutil.copytree(ground.embedder, scratch / "embedder")


def _left(ground: Ground, kind: str, scratch: Path) -> str:
    """What there is: the answer of the index without its generation, or the embedder."""
    if kind == TRAIN:
        return run(_opened, scratch / "embedder").out
    answer = ground.ask(scratch / "index")
    if answer.status:
        return answer.err
    return "\n".join(line for line in answer.out.splitlines() if '"generation"' not in line)


def _opened(folder: Path) -> None:
    from indexer.embedder import Embedder

    # Not of the network's bytes: its nodes are named anew by each export.
    print(hashlib.sha256(Embedder.open(folder).card.canary_embeddings.tobytes()).hexdigest())


@contextmanager
def _running(ground: Ground, kind: str, scratch: Path) -> Iterator[Program | Child]:
    """The command, which is ready to be stopped; it goes on from a checkpoint if there is one."""
    if kind == STREAM:
        arguments = change(ground, STREAM, scratch / "index")
        with started(_ready, scratch / "ready", ground.dataset, arguments) as child:
            while not (scratch / "ready").exists() and not child.ended(0.001):
                pass
            yield child
            (scratch / "ready").unlink(missing_ok=True)
        return
    begun, begin = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", ENTRY, str(begin), *_arguments(ground, kind, scratch)],
        pass_fds=[begin],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(begin)
    with process:
        os.read(begun, 1)  # nothing is ever written: Python has started when the end is closed
        os.close(begun)
        yield Program(process)


def _ready(marker: Path, dataset: Path, arguments: tuple[str, ...]) -> None:
    from search.start import end_at_once_when_told

    end_at_once_when_told()
    marker.touch()
    streamed(dataset, arguments)


def _arguments(ground: Ground, kind: str, scratch: Path) -> tuple[str, ...]:
    if kind == "search":
        return asking(scratch / "index", ground.queries)
    if kind != TRAIN:
        return change(ground, kind, scratch / "index")
    embedder = scratch / "embedder"
    again = ["--resume"] if (embedder / "checkpoint.npz").exists() else []
    arguments = ("--dataset", ground.dataset, "--recipe", "fast", "--epochs", 2, *again)
    return (TRAIN, *map(str, arguments), "--embedder", str(embedder))


def _badly_ended(end: Outcome, stop: Stop) -> str | None:
    """Why a command that may have been done already did not end as it must."""
    if end.status == STATUS[stop.number] and "Traceback" not in end.err:
        return None
    return complaint(end, [end.out])

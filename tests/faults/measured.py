"""Answer about hostile files, each in a fork of a process that is warm, and measure what it takes.

The process that forks has opened the index and every decoder, so that what a fork takes is what the
file costs: processor time, which other programs on the machine do not lengthen, and memory.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from tests.faults.child import FAILED, SECONDS, run

Job = tuple[str, str]  # what to do, and with which file or folder
STARTING = 60  # seconds


@dataclass(frozen=True)
class Measured:
    """How a job ended.

    Attributes:
        status: exit status; negative for the signal that killed it, SIGALRM if it hung.
        out, err: what it printed.
        seconds: of processor time.
        grown: bytes of memory that it took beyond what was there.
        peak: bytes of memory in all.
    """

    status: int
    out: str
    err: str
    seconds: float
    grown: int
    peak: int


def measure_each(index: Path, jobs: Sequence[Job], warm: Sequence[Path] = ()) -> list[Measured]:
    """Do each job in a fork; `warm` are harmless pictures that load the decoders first."""
    limit = STARTING + SECONDS * len(jobs)
    outcome = run(_fork_each, index, list(jobs), list(warm), seconds=limit)
    if outcome.status:
        raise RuntimeError(f"the process that forks ended: {outcome.err}")
    return [Measured(**json.loads(line)) for line in outcome.out.splitlines()]


def _fork_each(index: Path, jobs: Sequence[Job], warm: Sequence[Path]) -> None:
    from search.index import DigitIndex

    opened = DigitIndex.open(index, threads=1)
    work: dict[str, Callable[[str], int]] = {
        "classify": lambda name: _classify(opened, name),
        "dataset": _load_dataset,
        "mnist": _load_mnist,
    }
    report = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    for picture in warm:
        _classify(opened, str(picture))
    sys.stdout.flush()
    with os.fdopen(report, "w") as lines:
        for what, name in jobs:
            lines.write(json.dumps(asdict(_forked(work[what], name))) + "\n")


def _forked(work: Callable[[str], int], name: str) -> Measured:
    printed = [os.memfd_create("out"), os.memfd_create("err")]
    before = _memory()
    child = os.fork()
    if not child:
        _do(work, name, printed)
    _, status, used = os.wait4(child, 0)
    texts = []
    for descriptor in printed:
        texts.append(os.pread(descriptor, 1 << 20, 0).decode(errors="replace"))
        os.close(descriptor)
    seconds, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    return Measured(os.waitstatus_to_exitcode(status), *texts, seconds, peak - before, peak)


def _do(work: Callable[[str], int], name: str, printed: Sequence[int]) -> NoReturn:
    for descriptor, target in zip(printed, (1, 2), strict=True):
        os.dup2(descriptor, target)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    from search.cli.console import hush_libraries

    hush_libraries()
    status = 70
    try:
        status = work(name)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # told as what it is: a traceback
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _classify(index: object, name: str) -> int:
    """What `digits classify` does once its index is open."""
    import click

    from indexer.votes import DEFAULT_WEIGHTS
    from search.answers import ClassifyAnswer, classify_answers
    from search.cli.show import show
    from search.queries import Reader

    queries = Reader(index).read((name,), ())  # type: ignore[arg-type]
    answers = classify_answers(index, queries, None, DEFAULT_WEIGHTS)  # type: ignore[arg-type]
    try:
        show(index, answers, ClassifyAnswer, "jsonl", None, None, strict=False, thumbnails="off")  # type: ignore[arg-type]
    except click.exceptions.Exit as exc:
        return exc.exit_code
    return 0


def _load_dataset(name: str) -> int:
    """What every command that takes --dataset does first."""
    from data.datasets import load_dataset

    return _told(lambda: load_dataset(name, "train"))


def _load_mnist(name: str) -> int:
    """What is done with the folder that $DIGITS_MNIST names."""
    from data.mnist import load_mnist

    return _told(lambda: load_mnist("train", Path(name)))


def _told(load: Callable[[], object]) -> int:
    """The exit status and the line that the command line makes of our errors."""
    from data.errors import DigitsError
    from search.cli.console import note

    try:
        load()
    except DigitsError as exc:
        note(f"Error: {exc}")
        return FAILED
    return 0


def complaint_of(done: Measured, name: str, seconds: float) -> str | None:
    """Why a job did not end as allowed: with an answer, or with a line that names the file."""
    if done.status == -signal.SIGALRM:
        return f"hung for {SECONDS} seconds"
    if done.status < 0:
        return f"killed by {signal.Signals(-done.status).name}"
    if "Traceback" in done.err or done.status not in (0, FAILED):
        return f"exit status {done.status}: {done.err[-300:]!r}"
    lines = done.err.splitlines()
    if done.status == FAILED and (len(lines) != 1 or Path(name).name not in lines[0]):
        return f"expected one line that names {Path(name).name}, received {done.err[-300:]!r}"
    if not done.status and done.err:
        return f"answered, and told of {done.err[-300:]!r}"
    return f"took {done.seconds:.1f} seconds" if done.seconds > seconds else None

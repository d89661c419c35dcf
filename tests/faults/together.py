"""Rows 6 and 7: several processes at one index at once."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.faults.changes import CHANGES, change, rebuilt
from tests.faults.child import Child, Outcome, command, complaint, digits, run, started
from tests.faults.ground import MAKING, QUERIES, Ground
from tests.faults.tally import Tally, try_all

READERS, QUERIES_A_REBUILD = 4, 100
LOCKED = "another process is writing this index"
CAME_LATER = ("no item 'added/0'", "no item 'digits/train/7'")  # there after the other's change
SOON = 2  # seconds


def read_meanwhile(ground: Ground, tries: int, seed: int) -> Tally:
    """Readers open and ask, again and again, while the index is rebuilt of other digits each time.

    A try is a query; its answer is that of the generation that its reader says it has.
    """
    with ground.scratch() as scratch:
        index, over = scratch / "index", scratch / "over"
        expected = [_answers_of(ground, part, scratch / f"alone{part}") for part in (0, 1)]
        _rebuild(ground, 0, index)
        with contextlib.ExitStack() as stack:
            work = (_read_until, index, ground.queries, over, tries // (READERS * QUERIES) + 1)
            readers = [stack.enter_context(started(*work)) for _ in range(READERS)]
            for number in range(1, max(2, tries // QUERIES_A_REBUILD) + 1):
                _rebuild(ground, number % 2, index)
            over.touch()
            outcomes = [reader.wait(MAKING) for reader in readers]
    failures = [why for outcome in outcomes if (why := complaint(outcome, [outcome.out]))]
    lines = [line for outcome in outcomes for line in outcome.out.splitlines()]
    failures += [why for line in lines if (why := _mixed(line, expected))]
    return Tally(len(lines) * QUERIES, tuple(failures))


def _rebuild(ground: Ground, part: int, index: Path) -> None:
    dataset = (ground.dataset, ground.other_dataset)[part]
    arguments = ("--dataset", dataset, "--embedder", ground.embedder, "--index", index)
    if (done := digits("index", *arguments, seconds=MAKING)).status:
        raise RuntimeError(done.err)


def _answers_of(ground: Ground, part: int, index: Path) -> object:
    _rebuild(ground, part, index)
    return json.loads(run(_read_once, index, ground.queries).out)["ids"]


def _read_until(index: Path, queries: Path, over: Path, least: int) -> None:
    asked = 0
    while asked < least or not over.exists():
        _read_once(index, queries)
        asked += 1


def _read_once(index: Path, queries: Path) -> None:
    import numpy as np

    from data.errors import DigitsError
    from search import DigitIndex

    try:
        opened = DigitIndex.open(index, 1)
        found = opened.search(np.load(queries), 5).ids
        line = {
            "generation": opened.manifest.generation,
            "ids": [[opened.name(int(position)) for position in row] for row in found],
        }
    except DigitsError as exc:
        line = {"error": str(exc)}
    print(json.dumps(line), flush=True)


def _mixed(line: str, expected: list[object]) -> str | None:
    read = json.loads(line)
    if "error" in read:
        return str(read["error"])
    if read["ids"] != expected[(read["generation"] + 1) % 2]:
        return f"generation {read['generation']} answered as another"
    return None


@dataclass(frozen=True)
class Pair:
    """Two writers: `first` is killed where it holds the lock, or runs beside `second`."""

    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.first} and {self.second}"


HOLDER, STALE = "a holder that is killed", "a lock left behind"
TRAINING = "a training"


def write_together(ground: Ground, tries: int, seed: int) -> Tally:
    """Two writers at once: one wins, the other says so at once; a killed holder frees the lock."""
    rng = random.Random(seed)
    firsts = (*CHANGES, HOLDER, STALE, TRAINING)
    pairs = [Pair(firsts[n % len(firsts)], rng.choice(CHANGES)) for n in range(tries)]
    return try_all(pairs, partial(_write_both, ground))


def _write_both(ground: Ground, pair: Pair) -> str | None:
    if pair.first == TRAINING:
        return _train_beside(ground)
    with ground.copy(ground.index) as index:
        second = change(ground, pair.second, index)
        if pair.first == STALE:
            (index / "lock").write_text("4711\n")
            return _done(run(command, *second)) or rebuilt(ground, index)
        if pair.first == HOLDER:
            with _holding(index) as holder:
                refused = run(command, *second)
                if why := _refused(refused, index):
                    return why
                holder.send(signal.SIGKILL)
                holder.wait()
                return _done(run(command, *second)) or rebuilt(ground, index)
        with (
            started(command, *change(ground, pair.first, index)) as one,
            started(command, *second) as other,
        ):
            ends = [one.wait(), other.wait()]
        if all(end.status for end in ends):
            return f"none won: {[end.err for end in ends]}"
        lost = [why for end in ends if end.status and (why := _refused(end, index))]
        return "; ".join(lost) or rebuilt(ground, index)


def _train_beside(ground: Ground) -> str | None:
    """Why a training was not refused beside another into the same folder."""
    with ground.copy(ground.embedder) as embedder, _holding(embedder):
        end = digits("train", "--dataset", ground.dataset, "--embedder", embedder)
        if end.seconds > SOON:
            return f"said so after {end.seconds:.1f} s"
        return complaint(end, (), [f"{embedder}: another process is training"])


@contextlib.contextmanager
def _holding(index: Path) -> Iterator[Child]:
    with started(_hold, index) as holder:
        limit = time.monotonic() + SOON
        while not (holder.scratch / "out").read_text() and time.monotonic() < limit:
            time.sleep(0.005)
        yield holder


def _hold(index: Path) -> None:
    from indexer.writer import open_writer

    with open_writer(index):
        print("held", flush=True)
        time.sleep(MAKING)


def _refused(end: Outcome, index: Path) -> str | None:
    if end.seconds > SOON:
        return f"said so after {end.seconds:.1f} s"
    return complaint(end, (), [f"{index}: {LOCKED}", *CAME_LATER])


def _done(end: Outcome) -> str | None:
    return complaint(end, [end.out])

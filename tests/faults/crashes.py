"""Rows 1 to 3: the program, or the machine, ends in the middle of a change.

Power that fails is replayed: from the calls that a change made, states of the folder are put
together that the disk could be in, with any part of what was not synced yet.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.faults.changes import CHANGES, change, named, rebuilt
from tests.faults.child import command, complaint, started
from tests.faults.disk import Disk
from tests.faults.ground import Ground
from tests.faults.tally import Tally, try_all
from tests.faults.traced import CHANGING, Call, calls_in, killed_at, traced

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Kill:
    """A kill at a changing call of a change (from 1), or after a share of the time it takes."""

    kind: str
    call: int = 0
    share: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}, call {self.call}" if self.call else f"{self.kind}, {self.share:.0%}"


def killed(ground: Ground, tries: int, seed: int) -> Tally:
    """Kill a change at every file-system call and at random moments; the rest of `tries`."""
    rng = random.Random(seed)
    expected = {kind: _Expected.of(ground, kind) for kind in CHANGES}
    at_calls = [Kill(kind, n) for kind in CHANGES for n in range(1, expected[kind].calls + 1)]
    every = tries > len(at_calls)
    chosen = at_calls if every else rng.sample(at_calls, tries * 3 // 4)
    while len(chosen) < tries:
        chosen.append(Kill(rng.choice(CHANGES), share=rng.random()))
    return try_all(chosen, lambda kill: _kill(ground, kill, expected[kill.kind]))


@dataclass(frozen=True)
class _Expected:
    """Of one kind of change: what is answered afterwards, how many calls it makes, how long."""

    answer: str
    calls: int
    seconds: float

    @classmethod
    def of(cls, ground: Ground, kind: str) -> _Expected:
        with ground.copy(ground.index) as index:
            _, log = traced(change(ground, kind, index), "-e", f"trace={CHANGING}")
        first = log.split(maxsplit=1)[0]
        calls = sum(line.startswith(f"{first} ") and "(" in line for line in log.splitlines())
        with ground.copy(ground.index) as index:
            with started(command, *change(ground, kind, index)) as child:
                seconds = child.wait().seconds
            return cls(ground.ask(index).out, calls, seconds)


def _kill(ground: Ground, kill: Kill, expected: _Expected) -> str | None:
    with ground.copy(ground.index) as index:
        arguments = change(ground, kill.kind, index)
        if kill.call:
            killed_at(arguments, kill.call)
        else:
            with started(command, *arguments) as child:
                time.sleep(kill.share * expected.seconds)
                child.send(signal.SIGKILL)
                child.wait()
        answers = [ground.answer, expected.answer]
        return complaint(ground.ask(index), answers) or rebuilt(ground, index)


def ordered(ground: Ground, tries: int, seed: int) -> Tally:
    """Whether each file is on the disk before a manifest names it, and the manifest comes last."""
    total = Tally(0)
    for kind in CHANGES:
        with ground.copy(ground.index) as index:
            made = calls_in(index, change(ground, kind, index))
            fresh = sorted({call.paths[-1].name for call in made if call.name == "rename"})
            total += try_all(fresh, partial(_out_of_order, made, named(index)))
    return total


def _out_of_order(made: Sequence[Call], needed: set[str], name: str) -> str | None:
    """Why a file that was renamed into place was not safe when the manifest began to name it."""
    (named_at,) = (i for i, call in enumerate(made) if _renames(call, MANIFEST))
    (placed,) = (i for i, call in enumerate(made) if _renames(call, name))
    temporary = made[placed].paths[0]
    folders = [i for i, call in enumerate(made) if _syncs(call, temporary.parent)]
    touched = [call for call in made[:placed] if call.paths == (temporary,)]
    if not touched or touched[-1].name != "fsync":
        return "renamed before it was synced"
    if name == MANIFEST:
        return _unsafe_end(made, named_at, folders)
    if name not in needed:
        return "not named by the manifest"
    if not any(placed < i < named_at for i in folders):
        return "named before the folder was synced"
    return None


def _unsafe_end(made: Sequence[Call], named_at: int, folders: Sequence[int]) -> str | None:
    safe = min((i for i in folders if i > named_at), default=None)
    if safe is None:
        return "the folder was not synced after it"
    if any(call.name in ("rename", "create") for call in made[named_at + 1 :]):
        return "not the last that was written"
    if any(call.name == "unlink" for call in made[named_at:safe]):
        return "old files went before it was safe"
    return None


def _syncs(call: Call, folder: Path) -> bool:
    return call.name == "fsync" and call.paths == (folder,)


def _renames(call: Call, name: str) -> bool:
    return call.name == "rename" and call.paths[1].name == name


@dataclass(frozen=True)
class PowerLoss:
    """Power that fails after some calls of a change; what was not synced is drawn from `seed`."""

    kind: str
    calls: int
    seed: int

    def __str__(self) -> str:
        return f"{self.kind}, after call {self.calls}, seed {self.seed}"


def replayed(ground: Ground, tries: int, seed: int) -> Tally:
    """Put together what the disk may hold when the power fails in the middle of a change."""
    rng = random.Random(seed)
    recorded = {}
    for kind in CHANGES:
        with ground.copy(ground.index) as index:
            made = calls_in(index, change(ground, kind, index))
            recorded[kind] = _Recorded(index, made, ground.ask(index).out)
    losses = []
    for number in range(tries):
        kind = CHANGES[number % len(CHANGES)]
        calls = rng.randint(1, len(recorded[kind].made))
        losses.append(PowerLoss(kind, calls, rng.randrange(1 << 30)))
    return try_all(losses, lambda loss: _lose_power(ground, loss, recorded[loss.kind]))


@dataclass(frozen=True)
class _Recorded:
    """A change that was made to a copy of the ground's index in `folder`."""

    folder: Path
    made: list[Call]
    answer: str


def _lose_power(ground: Ground, loss: PowerLoss, recorded: _Recorded) -> str | None:
    disk = replace(Disk.holding(ground.index), folder=recorded.folder)
    for call in recorded.made[: loss.calls]:
        disk.apply(call)
    with ground.scratch() as scratch:
        index = scratch / "index"
        index.mkdir()
        disk.fail(random.Random(loss.seed), index)
        answers = [ground.answer, recorded.answer]
        return complaint(ground.ask(index), answers) or rebuilt(ground, index)

"""Row 4: a disk that is full."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.embedders import DIMENSION
from tests.faults.changes import CHANGES, STREAM, STREAMED, change, names_of, streamed
from tests.faults.child import Outcome, complaint, run
from tests.faults.ground import Ground
from tests.faults.limits import limited, mount
from tests.faults.tally import Tally, try_all

FIRST = "first build"
PAGE = 4096
ROOMY = 1 << 26
SHARES = range(5, 110, 5)  # percent of what is needed
SURELY = 0.95, 1.05  # shares up to which it must fail, and from which it must not
NO_SPACE = ("No space left on device", "File too large")
NO_TMPFS = "no tmpfs can be mounted here, so the size of a file was limited instead"


@dataclass(frozen=True)
class Full:
    """A change on a disk with `room` bytes, a share of what it needs."""

    kind: str
    share: float
    room: int

    def __str__(self) -> str:
        return f"{self.kind}, {self.share:.1%} of what is needed"


@dataclass(frozen=True)
class _Roomy:
    """What a change needs and answers where there is room: bytes beside those there, and stdout."""

    needed: int
    largest: int
    answer: str


def full(ground: Ground, tries: int, seed: int) -> Tally:
    """Run out of space: it is said, what was there answers, and with more space it goes on."""
    rng = random.Random(seed)
    mounted = _canmount(ground)
    roomy = {kind: _measured(ground, kind) for kind in (FIRST, *CHANGES, STREAM)}
    cases = []
    for kind, one in roomy.items():
        needed = one.needed if mounted else one.largest
        rooms = {needed * share // 100 // PAGE * PAGE for share in SHARES}
        rooms |= {needed - pages * PAGE for pages in range(1, 5) if mounted}
        cases += [Full(kind, room / needed, room) for room in sorted(rooms)]
    chosen = rng.sample(cases, min(tries, len(cases)))
    fill = partial(_fill, ground, roomy) if mounted else partial(_fill_limited, ground, roomy)
    return try_all(chosen, fill) + Tally(0, note="" if mounted else NO_TMPFS)


def _measured(ground: Ground, kind: str) -> _Roomy:
    with ground.scratch() as scratch:
        index = _placed(ground, kind, scratch)
        before = {path.name for path in index.iterdir()}
        if (done := _begin(ground, kind, index)).status:
            raise RuntimeError(f"{kind}: {done.err}")
        manifest = index / "manifest.json"
        written = names_of(json.loads(manifest.read_text()))
        if kind not in (FIRST, "build", STREAM):  # these write all files, the same ones again too
            written -= before
        sizes = [(index / name).stat().st_size for name in (*written, manifest.name)]
        if kind == STREAM:
            sizes += [STREAMED * DIMENSION * 2, STREAMED, PAGE, PAGE]  # the stage and its record
        return _Roomy(sum(map(_in_pages, sizes)), max(sizes), ground.ask(index).out)


def _in_pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _placed(ground: Ground, kind: str, folder: Path) -> Path:
    """What there is before the change, in `folder`."""
    index = folder / "index"
    if kind == FIRST:
        index.mkdir()
    else:
        shutil.copytree(ground.index, index)
    return index


def _begin(ground: Ground, kind: str, index: Path, limit: int | None = None) -> Outcome:
    limits = {} if limit is None else {resource.RLIMIT_FSIZE: limit}
    arguments = change(ground, "build" if kind == FIRST else kind, index)
    return run(limited, limits, streamed, ground.dataset, arguments)


def _fill(ground: Ground, roomy: Mapping[str, _Roomy], case: Full) -> str | None:
    with ground.scratch() as scratch, _disk(scratch) as disk:
        index = _placed(ground, case.kind, disk)
        _resize(disk, _used(disk) + case.room)
        stopped = _begin(ground, case.kind, index)
        if why := _unclear(ground, case, stopped, index):
            return why
        _resize(disk, ROOMY)
        return _go_on(ground, roomy, case, stopped, index)


def _fill_limited(ground: Ground, roomy: Mapping[str, _Roomy], case: Full) -> str | None:
    with ground.scratch() as scratch:
        index = _placed(ground, case.kind, scratch)
        stopped = _begin(ground, case.kind, index, case.room)
        return _unclear(ground, case, stopped, index) or _go_on(ground, roomy, case, stopped, index)


def _unclear(ground: Ground, case: Full, stopped: Outcome, index: Path) -> str | None:
    """Why the end of a change that may have had too little room was not as it must be."""
    least, most = SURELY
    if stopped.status == 0:
        return "it did not notice" if case.share <= least else None
    if case.share >= most:
        return f"failed with room enough: {stopped.err}"
    errors = [line for line in stopped.err.splitlines() if line.startswith("Error")]
    told = replace(stopped, err="\n".join(errors))  # without what it says is kept
    return (
        complaint(told, (), NO_SPACE)
        or complaint(told, (), [index])
        or complaint(
            ground.ask(index),
            () if case.kind == FIRST else [ground.answer],
            [f"no index in {index}"] if case.kind == FIRST else (),
        )
    )


def _go_on(
    ground: Ground, roomy: Mapping[str, _Roomy], case: Full, stopped: Outcome, index: Path
) -> str | None:
    """Why the same command, where there is room now, does not give what it should, or None."""
    if stopped.status:
        again = _begin(ground, case.kind, index)
        if why := complaint(again, [again.out]):
            return f"with more room: {why}"
    return complaint(ground.ask(index), [roomy[case.kind].answer])


@contextlib.contextmanager
def _disk(scratch: Path) -> Iterator[Path]:
    """A disk of its own."""
    disk = scratch / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", f"size={ROOMY}", "tmpfs", disk)
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def _resize(disk: Path, room: int) -> None:
    mount("-o", f"remount,size={_in_pages(room)}", disk)


def _used(disk: Path) -> int:
    status = os.statvfs(disk)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def _canmount(ground: Ground) -> bool:
    with ground.scratch() as scratch:
        try:
            with _disk(scratch):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False

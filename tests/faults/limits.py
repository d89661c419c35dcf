"""Row 5: no permission, no file descriptors, no memory."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.faults.changes import CHANGES, change
from tests.faults.child import command, complaint, run
from tests.faults.ground import Ground, asking
from tests.faults.tally import Tally, try_all


@dataclass(frozen=True)
class Short:
    """Something there is too little of while a command runs: `what`, and how much there is."""

    kind: str
    what: str
    most: int = 0

    def __str__(self) -> str:
        return f"{self.kind}, {self.what} {self.most or ''}".strip()


def short(ground: Ground, tries: int, seed: int) -> Tally:
    """Read-only folders, few file descriptors, little memory: it works, or it says why."""
    rng = random.Random(seed)
    kinds = ("search", "verify", *CHANGES)
    descriptors = [Short(kind, "descriptors", most) for kind in kinds for most in range(5, 25)]
    memory = [Short(kind, "MB more", most) for kind in kinds for most in range(4, 44, 2)]
    chosen = [Short(kind, "read-only") for kind in kinds]
    left = max(0, tries - len(chosen))
    chosen += rng.sample(descriptors + memory, min(left, len(descriptors + memory)))
    return try_all(chosen, partial(_fall_short, ground))


def _fall_short(ground: Ground, case: Short) -> str | None:
    with ground.copy(ground.index) as index:
        arguments = _arguments(ground, case.kind, index)
        if case.what == "read-only":
            with _read_only(index):
                outcome = run(command, *arguments)
        else:
            bound = _few_descriptors if case.what == "descriptors" else _little_memory
            outcome = run(bound, case.most, *arguments)
        works = [ground.answer] if case.kind == "search" else [outcome.out]
        said = ["memory"] if case.what == "MB more" else [index, "Too many open files", "memory"]
        return complaint(outcome, works, said) or (
            complaint(ground.ask(index), [ground.answer]) if outcome.status else None
        )


def _arguments(ground: Ground, kind: str, index: Path) -> tuple[str, ...]:
    if kind == "search":
        return asking(index, ground.queries)
    return ("verify", "--index", str(index)) if kind == "verify" else change(ground, kind, index)


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Nobody may write to `folder`; who may do everything needs a mount for that."""
    if os.geteuid():
        folder.chmod(0o555)
    else:
        mount("--bind", folder, folder)
    try:
        if not os.geteuid():
            mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        if os.geteuid():
            folder.chmod(0o755)
        else:
            subprocess.run(["umount", folder], check=True)


def _few_descriptors(most: int, *arguments: str) -> None:
    limited({resource.RLIMIT_NOFILE: most}, command, *arguments)


def _little_memory(more: int, *arguments: str) -> None:
    """The command line with so many MB more than the process has from the start."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (more << 20)
    limited({resource.RLIMIT_AS: limit}, command, *arguments)


def limited(limits: Mapping[int, int], work: Callable[..., None], *arguments: object) -> None:
    """Work under limits that the system keeps."""
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))
    work(*arguments)


def mount(*arguments: object) -> None:
    """Mount what `mount(8)` is told to.

    Raises:
        subprocess.CalledProcessError: who runs this may not.
    """
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)

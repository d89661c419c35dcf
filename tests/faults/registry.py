"""The rows of the programme, as data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.arguments import meaningless
from tests.faults.bombs import bombs
from tests.faults.corruption import damaged, flipped
from tests.faults.crashes import killed, ordered, replayed
from tests.faults.downloads import downloads
from tests.faults.ground import Ground
from tests.faults.limits import short
from tests.faults.names import named_to_harm
from tests.faults.pictures import mutated
from tests.faults.readers import fuzzed
from tests.faults.signals import stopped
from tests.faults.space import full
from tests.faults.tally import Tally
from tests.faults.together import read_meanwhile, write_together
from tests.faults.traced import PROGRAM as STRACE
from tests.faults.versions import skewed


@dataclass(frozen=True)
class Row:
    """A kind of fault.

    Attributes:
        number: in the programme.
        case: what is done.
        attempt: does it on a ground, so many times, drawn from a seed.
        tried: how many times in full.
        sample: how many times in `make test`.
        program: that it needs.
    """

    number: int
    case: str
    attempt: Callable[[Ground, int, int], Tally]
    tried: int
    sample: int
    program: str = ""

    @property
    def missing(self) -> str:
        """What to do where the program is not installed; nothing where it is."""
        there = not self.program or shutil.which(self.program)
        return "" if there else f"install {self.program} for: {self.case}"


ROWS = (
    Row(1, "kill -9 at every file-system call and at random moments", killed, 240, 8, STRACE),
    Row(2, "order of write, fsync, rename, fsync of the folder", ordered, 1, 1, STRACE),
    Row(3, "power lost: replay with unsynced writes dropped", replayed, 200, 8, STRACE),
    Row(4, "disk full at 5 to 105 % of what is needed", full, 200, 8),
    Row(5, "read-only folder, few file descriptors, little memory", short, 120, 12),
    Row(6, "4 readers during 20 rebuilds, by query", read_meanwhile, 2_000, 120),
    Row(7, "two writers at once, a killed holder, a lock left behind", write_together, 60, 6),
    Row(8, "bit flips in files of indexes and embedders", flipped, 20_000, 400),
    Row(9, "truncate, append, delete, empty, swap, link", damaged, 5_000, 24),
    Row(10, "mutated pictures in every allowed format", mutated, 2_000, 40),
    Row(11, "bombs: pixels, frames, gzip, headers that lie", bombs, 100, 4),
    Row(12, "NaN, Inf, wrong dtype, shape, byte order, k and ids", meaningless, 1_000, 100),
    Row(13, "downloads from bad mirrors", downloads, 100, 4),
    Row(14, "names: newlines, escapes, ../, no UTF-8, 251 bytes", named_to_harm, 500, 16),
    Row(15, "Ctrl-C and SIGTERM in train, index, search", stopped, 60, 6),
    Row(16, "other versions, embedders, normalisers; canaries moved", skewed, 1_000, 8),
    Row(17, "fuzzed readers: idx, npy, npz, manifest", fuzzed, 2_000, 200),
)

"""Which picture is item 4,711? Ids like `mnist/train/123` to positions in the index and back.

Items come in runs of consecutive numbers; a run is a line of `sources-<hash>.jsonl`, so 60,000 ids
take one line.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

ADDED = "added"  # prefix of digits that were added one by one
LONGEST_NUMBER = 18  # digits of an id's number; more than any index holds
EXAMPLES = 3


@dataclass(frozen=True)
class Run:
    """Items with consecutive numbers.

    Attributes:
        prefix: what stands before the number in their ids, for example `mnist/train`.
        first: the number of the first.
        count: how many items.
    """

    prefix: str
    first: int
    count: int


@dataclass(frozen=True)
class Sources:
    """The runs of a segment or of a whole index, in the order of its positions."""

    runs: tuple[Run, ...]

    def __len__(self) -> int:
        """Number of items."""
        return self._starts[-1]

    def name(self, position: int) -> str:
        """The id of the item at `position`, for example `mnist/train/123`."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        place = bisect_right(self._starts, position) - 1
        run = self.runs[place]
        return f"{run.prefix}/{run.first + position - self._starts[place]}"

    def find(self, name: str) -> int | None:
        """The position of the item called `name`, if there is one."""
        prefix, _, number = name.rpartition("/")
        if not _is_number(number):
            return None
        firsts, places = self._by_prefix.get(prefix, ([], []))
        before = bisect_right(firsts, int(number)) - 1
        if before < 0:
            return None
        run, start = self.runs[places[before]], self._starts[places[before]]
        offset = int(number) - run.first
        return start + offset if offset < run.count else None

    def at(self, positions: np.ndarray) -> Sources:
        """The items at `positions` (m,), ascending, alone."""
        runs: list[Run] = []
        for place, run in enumerate(self.runs):
            start, end = self._starts[place : place + 2]
            inside = positions[slice(*np.searchsorted(positions, [start, end]))] - start
            breaks = np.flatnonzero(np.diff(inside) != 1) + 1
            runs += [
                Run(run.prefix, run.first + int(part[0]), len(part))
                for part in np.split(inside, breaks)
                if len(part)
            ]
        return Sources(tuple(_joined(runs)))

    def __add__(self, other: Sources) -> Sources:
        """These items, then those of `other`."""
        return Sources(tuple(_joined([*self.runs, *other.runs])))

    def examples(self) -> str:
        """What ids look like here, in a few words."""
        shown = [f"{one.prefix}/{one.first}" for one in self.runs[:EXAMPLES]]
        return " or ".join(
            f"{name} to .../{run.first + run.count - 1}" if run.count > 1 else name
            for name, run in zip(shown, self.runs, strict=False)
        )

    @cached_property
    def _starts(self) -> list[int]:
        """The position of each run's first item, and of the end."""
        return [0, *accumulate(run.count for run in self.runs)]

    @cached_property
    def _by_prefix(self) -> dict[str, tuple[list[int], list[int]]]:
        """First numbers, ascending, and places among the runs, by prefix."""
        ordered = sorted(range(len(self.runs)), key=lambda place: self.runs[place].first)
        found: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for place in ordered:
            firsts, places = found[self.runs[place].prefix]
            firsts.append(self.runs[place].first)
            places.append(place)
        return dict(found)


def _joined(runs: Iterable[Run]) -> Iterator[Run]:
    """The same items in as few runs as hold them."""
    last: Run | None = None
    for run in runs:
        if last and (run.prefix, run.first) == (last.prefix, last.first + last.count):
            last = Run(last.prefix, last.first, last.count + run.count)
            continue
        if last:
            yield last
        last = run
    if last:
        yield last


def _is_number(text: str) -> bool:
    canonical = text == "0" or not text.startswith("0")
    return canonical and text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def pack_sources(sources: Sources) -> bytes:
    """The content of `sources-<hash>.jsonl`."""
    lines = (json.dumps(asdict(run), sort_keys=True) for run in sources.runs)
    return "".join(f"{line}\n" for line in lines).encode()


def parse_sources(content: bytes) -> Sources:
    """Read what :func:`pack_sources` wrote."""
    return Sources(tuple(Run(**json.loads(line)) for line in content.splitlines()))

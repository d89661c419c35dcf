"""Which picture is item 4,711? Ids like `mnist/train/123` to positions in the index and back.

Items come in runs of consecutive numbers; a run is a line of `sources-<hash>.jsonl`, so 60,000 ids
take one line. Where items came from files of a person's, it has their names too.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import accumulate, groupby

import numpy as np

from data.names import is_text

ADDED = "added"  # prefix of digits that were added one by one
LONGEST_NUMBER = 18  # digits of an id's number; more than any index holds
EXAMPLES = 3
SLASH = "/"  # which no name of a file has


@dataclass(frozen=True)
class Run:
    """Items with consecutive numbers.

    Attributes:
        prefix: what stands before the number in their ids, for example `mnist/train`.
        first: the number of the first.
        count: how many items.
        folder: what stands before the names of their files, for example `mine/7/`.
        files: these names, a slash between each and the next: one text, so that opening an index
            makes none of each. Empty where all came from none, as the name of one that did.

    Raises:
        ValueError: other than `count` names, or no text.
    """

    prefix: str
    first: int
    count: int
    folder: str = ""
    files: str = ""

    def __post_init__(self) -> None:
        """Refuse what are not names, one for each."""
        for text in (self.folder, self.files):
            if not isinstance(text, str) or not is_text(text):
                raise ValueError(f"expected names of files, received {text!r:.80}")
        if self.files and self.files.count(SLASH) + 1 != self.count:
            raise ValueError(f"expected {self.count:,} files, received {self.files!r:.80}")

    @classmethod
    def of(cls, prefix: str, first: int, folder: str, names: Sequence[str]) -> Run:
        """Items `first` and on, which came from files of these names in `folder`; "" is none."""
        if not any(names):
            return cls(prefix, first, len(names))
        return cls(prefix, first, len(names), folder, SLASH.join(names))

    @cached_property
    def names(self) -> list[str]:
        """The names of the files, (count,); none where all came from none."""
        return self.files.split(SLASH) if self.files else []

    def part(self, start: int, stop: int) -> Run:
        """Its items `start` to `stop` - 1 alone."""
        first = self.first + start
        if not self.files:
            return Run(self.prefix, first, stop - start)
        return Run.of(self.prefix, first, self.folder, self.names[start:stop])

    def goes_on(self, other: Run) -> bool:
        """Whether `other` begins where this one ends, with files in the same folder or without."""
        same = (self.prefix, self.first + self.count, self.folder, bool(self.files))
        return same == (other.prefix, other.first, other.folder, bool(other.files))

    def record(self) -> dict[str, str | int]:
        """Its fields, without empty ones."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value != ""}


@dataclass(frozen=True)
class Sources:
    """The runs of a segment or of a whole index, in the order of its positions."""

    runs: tuple[Run, ...]

    @classmethod
    def of(cls, prefix: str, first: int, count: int, files: Sequence[str] = ()) -> Sources:
        """So many items, which came from `files` if there are any; "" is none.

        Raises:
            ValueError: there are files, but other than `count`.
        """
        if not files:
            return cls((Run(prefix, first, count),))
        if len(files) != count:
            raise ValueError(f"expected {count:,} files, received {len(files):,}")
        runs = []
        for folder, paths in groupby(files, key=_folder):
            names = [path.removeprefix(folder) for path in paths]
            runs.append(Run.of(prefix, first, folder, names))
            first += len(names)
        return cls(tuple(runs))

    def __len__(self) -> int:
        """Number of items."""
        return self._starts[-1]

    def name(self, position: int) -> str:
        """The id of the item at `position`, for example `mnist/train/123`."""
        run, row = self._locate(position)
        return f"{run.prefix}/{run.first + row}"

    def file(self, position: int) -> str | None:
        """The file that the item at `position` came from, if it came from one."""
        run, row = self._locate(position)
        name = run.names[row] if run.files else ""
        return run.folder + name if name else None

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
                run.part(int(part[0]), int(part[-1]) + 1)
                for part in np.split(inside, breaks)
                if len(part)
            ]
        return Sources(tuple(_joined(runs)))

    def __add__(self, other: Sources) -> Sources:
        """These items, then those of `other`."""
        return Sources(tuple(_joined([*self.runs, *other.runs])))

    def examples(self) -> str:
        """What ids look like here, in a few words."""
        runs = list(_joined(Run(run.prefix, run.first, run.count) for run in self.runs))
        shown = [f"{one.prefix}/{one.first}" for one in runs[:EXAMPLES]]
        return " or ".join(
            f"{name} to .../{run.first + run.count - 1}" if run.count > 1 else name
            for name, run in zip(shown, runs, strict=False)
        )

    def _locate(self, position: int) -> tuple[Run, int]:
        """The run that the item at `position` belongs to, and its row there."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        place = bisect_right(self._starts, position) - 1
        return self.runs[place], position - self._starts[place]

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
        if last and last.goes_on(run):
            files = f"{last.files}{SLASH}{run.files}" if run.files else ""
            last = Run(last.prefix, last.first, last.count + run.count, last.folder, files)
            continue
        if last:
            yield last
        last = run
    if last:
        yield last


def _folder(path: str) -> str:
    return path[: path.rfind(SLASH) + 1]


def _is_number(text: str) -> bool:
    canonical = text == "0" or not text.startswith("0")
    return canonical and text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def pack_sources(sources: Sources) -> bytes:
    """The content of `sources-<hash>.jsonl`."""
    lines = (json.dumps(run.record(), sort_keys=True) for run in sources.runs)
    return "".join(f"{line}\n" for line in lines).encode()


def parse_sources(content: bytes) -> Sources:
    """Read what :func:`pack_sources` wrote."""
    return Sources(tuple(Run(**json.loads(line)) for line in content.splitlines()))

"""Which picture is item 4,711? Ids like `mnist/train/123` to positions in the index and back.

Items come in segments, one for each dataset that was added; a segment is a line of
`sources-<hash>.jsonl`, so 60,000 ids take one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from data.errors import UsageError

LONGEST_NUMBER = 18  # digits of an id's number; more than any index holds


@dataclass(frozen=True)
class Segment:
    """Consecutive items of one dataset.

    Attributes:
        dataset: its name.
        split: `"train"` or `"test"`.
        first: the number of the first item within the split.
        count: how many items.
    """

    dataset: str
    split: str
    first: int
    count: int


@dataclass(frozen=True)
class Sources:
    """The segments of an index, in the order of its positions."""

    segments: tuple[Segment, ...]

    def name(self, position: int) -> str:
        """The id of the item at `position`, for example `mnist/train/123`."""
        if position < 0:
            raise IndexError(position)
        start = 0
        for segment in self.segments:
            if position < start + segment.count:
                return f"{segment.dataset}/{segment.split}/{segment.first + position - start}"
            start += segment.count
        raise IndexError(position)

    def position(self, name: str) -> int:
        """The position of the item called `name`.

        Raises:
            UsageError: the index holds no such item.
        """
        prefix, _, number = name.rpartition("/")
        start = 0
        for segment in self.segments:
            if prefix == f"{segment.dataset}/{segment.split}" and _is_number(number):
                offset = int(number) - segment.first
                if 0 <= offset < segment.count:
                    return start + offset
            start += segment.count
        raise UsageError(f"no item {name!r} in the index: expected {self._examples()}")

    def _examples(self) -> str:
        return " or ".join(
            f"{one.dataset}/{one.split}/{one.first} to .../{one.first + one.count - 1}"
            for one in self.segments
        )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def pack_sources(segments: Iterable[Segment]) -> bytes:
    """The content of `sources-<hash>.jsonl`."""
    return "".join(f"{json.dumps(asdict(one), sort_keys=True)}\n" for one in segments).encode()


def parse_sources(content: bytes) -> Sources:
    """Read what :func:`pack_sources` wrote."""
    return Sources(tuple(Segment(**json.loads(line)) for line in content.splitlines()))

"""Count tries, and say of each that failed why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

Case = TypeVar("Case")
SIDE_BY_SIDE = 2  # tries at a time: each waits for children of its own


@dataclass(frozen=True)
class Tally:
    """What came of a row: how many tries, a line for each that failed, and what to know of it."""

    tried: int
    failures: tuple[str, ...] = ()
    note: str = ""

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        failures = self.failures + other.failures
        return Tally(self.tried + other.tried, failures, self.note or other.note)

    @property
    def passed(self) -> int:
        """How many tries did not fail."""
        return self.tried - len(self.failures)


def try_all(
    cases: Iterable[Case], attempt: Callable[[Case], str | None], side_by_side: int = SIDE_BY_SIDE
) -> Tally:
    """Attempt every case; an attempt gives the reason why it failed, or None."""
    known = list(cases)
    with ThreadPoolExecutor(side_by_side) as pool:
        reasons = list(pool.map(attempt, known))
    return Tally(
        len(known),
        tuple(f"{case}: {why}" for case, why in zip(known, reasons, strict=True) if why),
    )

"""How long work tells the outside how far it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then by long work: `done` of `total` steps, and a few words."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Take note of the progress; `done` never shrinks and ends at `total`."""


def silent(done: int, total: int, note: str = "") -> None:
    """Ignore all progress."""

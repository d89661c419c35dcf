"""How many processors there are for this process, and how they are shared out."""

from __future__ import annotations

import os
from numbers import Integral

from data.errors import UsageError


def processors() -> int:
    """Those this process may use, which a container may have fewer of than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable(threads: int | None) -> int:
    """As many as asked for, or as there are processors where that is fewer or nobody asks.

    Raises:
        UsageError: `threads` is no number from 1.
    """
    if threads is None:
        return processors()
    if not isinstance(threads, Integral) or isinstance(threads, bool) or threads < 1:
        raise UsageError(f"expected a number of threads from 1, or None, received {threads!r}")
    return min(int(threads), processors())


def abreast(threads: int) -> int:
    """How many of `threads` each of two operations gets that run side by side."""
    return max(1, threads // 2)

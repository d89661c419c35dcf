"""How many processors there are for this process, and how they are shared out."""

from __future__ import annotations

import os


def processors() -> int:
    """Those this process may use, which a container may have fewer of than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def abreast(threads: int) -> int:
    """How many of `threads` each of two operations gets that run side by side."""
    return max(1, threads // 2)

"""Changes of an index that may be called off until they begin, and are waited for from then on.

So whoever is told that there was no answer in time knows that nothing was changed either.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")
Begin = Callable[[], None]


class CalledOff(Exception):
    """A change was about to begin, but nobody waits for it any more."""


class Commitment:
    """Whether a change has begun or is called off: whichever comes first, in any thread."""

    def __init__(self) -> None:
        """Neither yet."""
        self._deciding = threading.Lock()
        self._has_begun = self._is_off = False

    def begin(self) -> None:
        """Begin the change, which from now on is waited for.

        Raises:
            CalledOff: it is called off.
        """
        with self._deciding:
            if self._is_off:
                raise CalledOff
            self._has_begun = True

    def call_off(self) -> bool:
        """Keep the change from beginning; False if it has begun."""
        with self._deciding:
            self._is_off = not self._has_begun
            return self._is_off


async def committed(pool: Executor, change: Callable[[Begin], T]) -> T:
    """What a change gives, which is made in a thread and calls what it is given when it begins.

    Raises:
        asyncio.CancelledError: it was cancelled before it began, and never will begin.
    """
    commitment = Commitment()
    made = asyncio.get_running_loop().run_in_executor(pool, change, commitment.begin)
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        if commitment.call_off():
            made.add_done_callback(_unheard)
            raise
        return await asyncio.shield(made)


def _unheard(made: asyncio.Future[Any]) -> None:
    """Look at what nobody waits for, or asyncio would complain that nobody did."""
    if not made.cancelled():
        made.exception()

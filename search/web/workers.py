"""Which thread does the work: the network's own if it is quick, one of several that only read, or
the only one that changes the index, in which one client waits for the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.responses import Response

from data.processors import processors
from indexer.vectors import set_threads
from search.index import DigitIndex
from search.queries import AnyQuery
from search.web.access import Refusal
from search.web.ask import Question, to_add
from search.web.body import Sent
from search.web.live import LiveIndex
from search.web.replies import GENERATION

UNFINISHED = (
    "the change takes too long to wait for, but may still be made: then /api/info tells of another"
    " generation"
)
Call = Callable[..., Any]
Reply = Callable[[Any], Response]
T = TypeVar("T")


class Workers:
    """Threads that ask and change an index, and say in each response which generation it is."""

    def __init__(self, live: LiveIndex, threads: int | None) -> None:
        """Have `threads` that read, or as many as there are processors."""
        self.live = live
        ready = partial(set_threads, 1)
        self._readers = ThreadPoolExecutor(threads or processors(), "query", initializer=ready)
        self._writer = ThreadPoolExecutor(1, "change", initializer=ready)

    def stop(self) -> None:
        """Begin nothing more."""
        for pool in (self._readers, self._writer):
            pool.shutdown(wait=False, cancel_futures=True)

    async def ask(self, reply: Reply, call: Call, **options: Any) -> Response:
        """What `call` finds in the newest generation."""
        return await self._read(lambda: _replied(self.live.current(), reply, call, **options))

    async def answer(
        self, reply: Reply, call: Call, question: Question, **options: Any
    ) -> Response:
        """The same, at once if it is quick.

        To wake another thread and to be woken takes a tenth of a quick answer.
        """
        index = self.live.at_hand() if question.is_quick else None
        if index is not None:
            return _replied(index, reply, call, question=question, **options)
        return await self.ask(reply, call, question=question, **options)

    async def read(self, sent: Sent, *, single: bool) -> list[AnyQuery]:
        """The digits that were sent to be added."""
        return await self._read(lambda: to_add(self.live.current(), sent, single=single))

    async def change(self, reply: Reply, call: Call, *arguments: Any) -> Response:
        """What `call` made of the index; nothing, where patience ends before it has begun.

        Raises:
            Refusal: patience ended while it was under way.
        """

        def work() -> Response:
            response = reply(call(self.live, *arguments))
            return _of_generation(self.live.current(), response)

        future = self._writer.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError as exc:
            if future.cancel():
                raise
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, UNFINISHED) from exc

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


def _replied(index: DigitIndex, reply: Reply, call: Call, **options: Any) -> Response:
    return _of_generation(index, reply(call(index, **options)))


def _of_generation(index: DigitIndex, response: Response) -> Response:
    response.headers[GENERATION] = str(index.manifest.generation)
    return response

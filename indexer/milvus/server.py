"""Speak to Milvus: every call has a deadline, and every failure becomes one clear line.

While the server cannot be reached a call is made again, with growing pauses, up to its deadline, so
that a server that is restarted costs a wait and no more. All calls of ours may be made twice: rows
are put by their key.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from data.errors import IndexCorrupt, MissingExtra, StoreUnreachable
from indexer.milvus.address import TOKEN, Address

NOT_LOADED = 101  # Milvus's code of a collection that is not in its memory
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
CHANNEL = {
    # gRPC's own pauses between attempts grow to two minutes, longer than anybody waits.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 2_000,
    # Calls have deadlines; Milvus Lite hangs up on callers that ping it.
    "grpc.keepalive_time_ms": 600_000,
    "grpc.keepalive_permit_without_calls": 0,
}


@dataclass(frozen=True)
class Patience:
    """How long a server may take, in seconds.

    Attributes:
        connecting: to be reached at first.
        answering: to answer one call, with all attempts.
    """

    connecting: float = 10
    answering: float = 60


PATIENCE = Patience()


class Server:
    """A connection to one server, or to a file of Milvus Lite."""

    def __init__(self, address: Address, patience: Patience = PATIENCE) -> None:
        """Connect.

        Raises:
            MissingExtra: the client is not installed.
            StoreUnreachable: nobody answers there in time, or credentials are refused.
        """
        self.address, self.patience = address, patience
        self._class = _client()
        self.client = self._persisting(patience.connecting, self._connected)
        self._lost = False

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """What a method of `MilvusClient` gives.

        Raises:
            StoreUnreachable: no answer in time, or credentials are refused.
            IndexCorrupt: the server answers that this cannot be; the message has its words.
        """

        def attempt(left: float) -> Any:
            if self._lost:
                self.client, self._lost = self._connected(left), False
            try:
                return getattr(self.client, method)(*arguments, timeout=left, **options)
            except Exception as exc:
                self._lost = _unreachable(exc)
                if getattr(exc, "code", None) != NOT_LOADED:
                    raise
            # Milvus Lite forgets what it had in memory when it ends; anybody may release it.
            self.client.load_collection(arguments[0], timeout=left)
            return getattr(self.client, method)(*arguments, timeout=left, **options)

        return self._persisting(self.patience.answering, attempt)

    def _connected(self, seconds: float) -> Any:
        return self._class(
            self.address.uri,
            token=self.address.token,
            timeout=seconds,
            dedicated=True,
            grpc_options=CHANNEL,
        )

    def _persisting(self, seconds: float, attempt: Callable[[float], Any]) -> Any:
        """What `attempt`, told the seconds that are left, gives once the server is reached."""
        deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
        with self._translated(seconds):
            while True:
                try:
                    return attempt(deadline - time.monotonic())
                except Exception as exc:
                    if not _unreachable(exc) or time.monotonic() + pause > deadline:
                        raise
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    @contextlib.contextmanager
    def _translated(self, seconds: float) -> Iterator[None]:
        """Failures of the client as ours."""
        import grpc
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except (MilvusException, grpc.RpcError) as exc:
            raise self._failure(exc, seconds) from exc
        except ValueError as exc:
            if not _is_of_a_closed_channel(exc):
                raise
            raise self._failure(exc, seconds) from exc

    def _failure(self, exc: Exception, seconds: float) -> StoreUnreachable | IndexCorrupt:
        said = " ".join(str(getattr(exc, "message", None) or _details(exc)).split())
        if _refuses_caller(exc):
            return StoreUnreachable(
                f"{self.address}: the server lets nobody in without the right credentials; set"
                f" ${TOKEN} to user:password or to a token"
            )
        if self.address.local and "Open local milvus failed" in said:
            return StoreUnreachable(
                f"{self.address}: Milvus Lite cannot open its file: another process may have it"
                " open, its folder is missing, or it is a file of something else"
            )
        if _unreachable(exc):
            return StoreUnreachable(
                f"{self.address}: no answer within {seconds:g} s; see that Milvus runs there, then"
                " give the same command again"
            )
        return IndexCorrupt(f"{self.address}: Milvus answers: {said[:200]}")


def _client() -> Any:
    """The class of clients.

    Raises:
        MissingExtra: it is not installed.
    """
    # Failures are told once, by us.
    for name in ("pymilvus", "milvus_lite"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        from pymilvus import MilvusClient
    except ImportError as exc:
        raise MissingExtra("an index in Milvus needs: pip install 'digit-search[milvus]'") from exc
    for name in ("pymilvus", "milvus_lite"):  # it configures its loggers when imported
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return MilvusClient


def _codes(exc: BaseException | None) -> Iterator[Any]:
    """gRPC's status codes of an error and of what it came from."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:  # the client raises errors from themselves
        seen.add(id(exc))
        code = getattr(exc, "code", None)
        yield code() if callable(code) else code
        exc = exc.__context__ if exc.__cause__ is exc else exc.__cause__ or exc.__context__


def _details(exc: Exception) -> str:
    details = getattr(exc, "details", None)
    return str(details() if callable(details) else exc)


def _refuses_caller(exc: Exception) -> bool:
    import grpc

    refusals = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    return any(code in refusals for code in _codes(exc))


def _unreachable(exc: Exception) -> bool:
    import grpc
    from pymilvus.exceptions import MilvusException

    if _refuses_caller(exc):
        return False
    if not isinstance(exc, MilvusException | grpc.RpcError):
        return _is_of_a_closed_channel(exc)
    status = grpc.StatusCode
    lost = (status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED)
    return any(code in lost for code in _codes(exc)) or "imeout" in str(exc)


def _is_of_a_closed_channel(exc: Exception) -> bool:
    """Whether gRPC says that its channel was closed beneath it."""
    return isinstance(exc, ValueError) and "closed channel" in str(exc)

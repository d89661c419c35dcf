"""One writer at a time, where there are no file locks: whoever makes a collection first holds it.

Milvus lets one of several callers make a collection of a name and refuses the others. The holder's
name is that of a field, so that even a server that takes the same request twice tells them apart.
While it holds the lock it writes down there, again and again, that it lives. One that was killed
leaves its lock behind; after a while without such a sign it counts no more.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from data.errors import DigitsError, IndexCorrupt, IndexLocked
from indexer.milvus.records import UNUSED, create
from indexer.milvus.server import Server

LEASE = 120  # seconds from one sign of life to the last moment at which the next is waited for
SIGNS = 4  # of life in a lease
PREFIX = "held"


@dataclass(frozen=True)
class Lock:
    """A lock that is held, unless it was taken away because its holder gave no sign of life."""

    server: Server
    owner: str

    def require(self) -> None:
        """Make sure that it is still held.

        Raises:
            IndexLocked: it is not.
        """
        if _owner(self.server) != self.owner:
            raise _busy(self.server)


@contextlib.contextmanager
def locked(server: Server) -> Iterator[Lock]:
    """Hold the lock of the index at the server's address.

    Raises:
        IndexLocked: another process has it.
    """
    owner = f"{PREFIX}_{int(time.time())}_{secrets.token_hex(8)}"
    present = _owner(server)
    if present and _counts(server, present):
        raise _busy(server)
    if present:
        server.call("drop_collection", server.address.lock)
    lock = Lock(server, owner)
    try:
        _take(server, owner)
    except IndexCorrupt as exc:  # another one was first
        raise _busy(server) from exc
    lock.require()
    try:
        with _living(server, owner):
            yield lock
    finally:
        with contextlib.suppress(DigitsError):
            if _owner(server) == owner:
                server.call("drop_collection", server.address.lock)


def is_held(server: Server) -> bool:
    """Whether a process holds the lock now, and lives."""
    owner = _owner(server)
    return owner is not None and _counts(server, owner)


def _take(server: Server, owner: str) -> None:
    from pymilvus import DataType

    schema = server.client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(owner, DataType.INT64, is_primary=True)
    schema.add_field("unused", DataType.FLOAT_VECTOR, dim=len(UNUSED))
    create(server, server.address.lock, schema, "unused")


def _owner(server: Server) -> str | None:
    if not server.call("has_collection", server.address.lock):
        return None
    fields = server.call("describe_collection", server.address.lock)["fields"]
    return next((one["name"] for one in fields if one["name"].startswith(PREFIX)), None)


@contextlib.contextmanager
def _living(server: Server, owner: str) -> Iterator[None]:
    """Give signs of life meanwhile, from a thread of its own."""
    done = threading.Event()

    def live() -> None:
        while not done.wait(LEASE / SIGNS):
            with contextlib.suppress(DigitsError):  # the next sign may come through
                _give_sign(server, owner)

    thread = threading.Thread(target=live, name=owner)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _give_sign(server: Server, owner: str) -> None:
    """Write the time into the lock of `owner`; one of anybody else has no field for it."""
    server.call("upsert", server.address.lock, [{owner: int(time.time()), "unused": UNUSED}])


def _counts(server: Server, owner: str) -> bool:
    """Whether a holder took the lock, or gave a sign of life, not too long ago."""
    earliest = int(time.time() - LEASE)
    if int(owner.split("_")[1]) >= earliest:
        return True
    try:
        signs = server.call(
            "query",
            server.address.lock,
            filter=f"{owner} >= {earliest}",
            output_fields=[owner],
            limit=1,
        )
    except IndexCorrupt:  # it was given back meanwhile
        return False
    return bool(signs)


def _busy(server: Server) -> IndexLocked:
    return IndexLocked(
        f"{server.address}: another process is changing this index; try again when it is done, or"
        f" {LEASE} s after it was killed"
    )

"""One writer at a time, where there are no file locks: whoever makes a collection first holds it.

Milvus lets one of several callers make a collection of a name and refuses the others. The holder's
name is that of a field, so that even a server that takes the same request twice tells them apart.
A holder that was killed leaves its lock behind; after a while it counts no more.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

from data.errors import DigitsError, IndexCorrupt, IndexLocked
from indexer.milvus.records import UNUSED, create
from indexer.milvus.server import Server

LEASE = 120  # seconds; a change takes a few
PREFIX = "held"


@dataclass(frozen=True)
class Lock:
    """A lock that is held, unless it was taken away because it was held too long."""

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
    if present and _counts(present):
        raise _busy(server)
    if present:
        server.call("drop_collection", _name(server))
    lock = Lock(server, owner)
    try:
        _take(server, owner)
    except IndexCorrupt as exc:  # another one was first
        raise _busy(server) from exc
    lock.require()
    try:
        yield lock
    finally:
        with contextlib.suppress(DigitsError):
            if _owner(server) == owner:
                server.call("drop_collection", _name(server))


def is_held(server: Server) -> bool:
    """Whether a process holds the lock now, and has not held it too long."""
    owner = _owner(server)
    return owner is not None and _counts(owner)


def _take(server: Server, owner: str) -> None:
    from pymilvus import DataType

    schema = server.client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(owner, DataType.INT64, is_primary=True)
    schema.add_field("unused", DataType.FLOAT_VECTOR, dim=len(UNUSED))
    create(server, _name(server), schema, "unused")


def _owner(server: Server) -> str | None:
    if not server.call("has_collection", _name(server)):
        return None
    fields = server.call("describe_collection", _name(server))["fields"]
    return next((one["name"] for one in fields if one["name"].startswith(PREFIX)), None)


def _counts(owner: str) -> bool:
    """Whether a holder has not held it too long."""
    return time.time() - int(owner.split("_")[1]) <= LEASE


def _name(server: Server) -> str:
    return f"{server.address.collection}_lock"


def _busy(server: Server) -> IndexLocked:
    return IndexLocked(
        f"{server.address}: another process is changing this index; try again when it is done, or"
        f" {LEASE} s after it was killed"
    )

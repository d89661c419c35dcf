"""What a person writes to name an index in Milvus, and what may be shown of it.

milvus://host:19530/collection            a server
milvus+tls://user:password@host/digits    one that is spoken to in private
milvus:folder/file.db/collection          Milvus Lite, in a file of this machine

What an index keeps beside that collection is in others, whose names begin with its name.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from data.errors import UsageError

TOKEN = "MILVUS_TOKEN"  # noqa: S105, the name of a variable
PORT = 19530
SCHEMES = {"milvus": "http", "milvus+tls": "https"}
EXPECTED = "milvus://HOST:PORT/COLLECTION, milvus+tls://... or milvus:FILE.db/COLLECTION"
COLLECTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
BESIDE = re.compile(r".*_(lock|rows_[0-9a-f]{16})")
FILE = re.compile(r"milvus:(?!//)(?P<file>.+\.db)/(?P<collection>[^/]+)")


@dataclass(frozen=True)
class Address:
    """A collection in Milvus.

    Attributes:
        uri: of the server, or the path of Milvus Lite's file; without credentials.
        collection: name of the collection that says what the index is.
        shown: the address as it may be shown.
        token: credentials; "" where there are none.
    """

    uri: str
    collection: str
    shown: str
    token: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The address without credentials."""
        return self.shown

    @property
    def local(self) -> bool:
        """Whether it is a file of Milvus Lite."""
        return "://" not in self.uri

    @property
    def making(self) -> str:
        """The command that makes an index there."""
        return f"digits index --to {shlex.quote(self.shown)}"

    @property
    def lock(self) -> str:
        """The collection that whoever changes the index holds."""
        return f"{self.collection}_lock"

    def rows(self, digest: str) -> str:
        """The collection for the digits of what has this digest, in hexadecimal."""
        return f"{self.collection}_rows_{digest[:16]}"

    def has_rows(self, name: str) -> bool:
        """Whether a collection is one for digits of this index."""
        return bool(re.fullmatch(f"{self.collection}_rows_[0-9a-f]{{16}}", name))

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address; credentials that it lacks are those of $MILVUS_TOKEN.

        Raises:
            UsageError: it is none; what is refused is named without its credentials.
        """
        if found := FILE.fullmatch(text):
            collection = _collection(found["collection"], text)
            return cls(os.path.expanduser(found["file"]), collection, text)  # noqa: PTH111
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port or PORT
        except ValueError as exc:
            raise _refused(text) from exc
        if parts.scheme not in SCHEMES or not host or parts.query or parts.fragment:
            raise _refused(text)
        collection = _collection(parts.path.removeprefix("/"), text)
        bracketed = f"[{host}]" if ":" in host else host
        token = unquote(parts.netloc.rpartition("@")[0]) or os.environ.get(TOKEN, "")
        return cls(
            f"{SCHEMES[parts.scheme]}://{bracketed}:{port}",
            collection,
            f"{parts.scheme}://{bracketed}:{port}/{collection}",
            token,
        )


def _collection(name: str, text: str) -> str:
    if not COLLECTION.fullmatch(name):
        raise UsageError(
            f"expected the name of a collection at the end of {_without_secret(text)!r}: letters,"
            f" digits and _, received {name!r}"
        )
    if BESIDE.fullmatch(name):
        raise UsageError(
            f"expected another name than {name!r}, which is of what an index keeps beside it: one"
            " that ends neither in _lock nor in _rows_ and 16 hexadecimal digits"
        )
    return name


def _refused(text: str) -> UsageError:
    return UsageError(f"expected a folder, {EXPECTED}, received {_without_secret(text)!r}")


def _without_secret(text: str) -> str:
    return re.sub(r"//.*@", "//", text)

"""What an index in Milvus says of itself: one small collection of named texts.

It plays the part of the folder: contents are immutable, named by role and hash, and cut into chunks
as long as Milvus's texts may be; the row `current` names the manifest in place and is the only one
whose text changes. It is put in place by a single write, so there always is one whole generation.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from data.errors import IndexCorrupt, IndexNotFound
from indexer.manifest import FileEntry
from indexer.milvus.server import Server

CURRENT = "current"
CHUNK = 45_000  # bytes; in base64 fewer than Milvus's longest text
LONGEST_TEXT = 65_535
FIELDS = ("name", "text", "unused")  # Milvus has no collection without a vector
UNUSED = [0.0, 0.0]
AT_A_TIME = 100


class Records:
    """The named contents in one collection."""

    def __init__(self, server: Server) -> None:
        """Those of the collection that the server's address names."""
        self._server, self._name = server, server.address.collection

    def exist(self) -> bool:
        """Whether the collection is there, and is one of ours.

        Raises:
            IndexCorrupt: it is there, but is none of ours.
        """
        if not self._server.call("has_collection", self._name):
            return False
        fields = self._server.call("describe_collection", self._name)["fields"]
        if tuple(field["name"] for field in fields) != FIELDS:
            raise IndexCorrupt(
                f"{self._server.address}: expected an index of digits, received a collection of"
                f" another kind, with {', '.join(field['name'] for field in fields)}; choose"
                " another name"
            )
        return True

    def create(self) -> None:
        """Make the collection, if it is not there."""
        if self.exist():
            return
        from pymilvus import DataType

        schema = self._server.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("name", DataType.VARCHAR, is_primary=True, max_length=200)
        schema.add_field("text", DataType.VARCHAR, max_length=LONGEST_TEXT)
        schema.add_field("unused", DataType.FLOAT_VECTOR, dim=len(UNUSED))
        create(self._server, self._name, schema, "unused")

    def current(self) -> str | None:
        """What the row `current` says, if there is one."""
        return self._texts([CURRENT]).get(CURRENT)

    def point(self, manifest: FileEntry) -> None:
        """Put the generation of `manifest`, which is stored, in place."""
        text = f"{manifest.name} {manifest.size} {manifest.sha256}"
        self._put({CURRENT: text})

    def manifest_entry(self) -> FileEntry:
        """The manifest in place.

        Raises:
            IndexNotFound: there is none, or its loading was never finished.
        """
        if not self.exist():
            raise IndexNotFound(
                f"no index at {self._server.address}; make one with: {self._server.address.making}"
            )
        text = self.current()
        if text is None:
            raise IndexNotFound(
                f"{self._server.address}: loading was never finished; go on with the same:"
                f" {self._server.address.making}"
            )
        return entry_of(text, str(self._server.address))

    def store(self, role: str, content: bytes) -> FileEntry:
        """Store a content under a name made of its role and hash, so the same is stored once."""
        digest = hashlib.sha256(content).hexdigest()
        entry = FileEntry(f"{role}-{digest[:16]}", len(content), digest)
        chunks = {
            f"{entry.name}/{number}": base64.b64encode(content[start : start + CHUNK]).decode()
            for number, start in enumerate(range(0, len(content), CHUNK))
        }
        self._put(chunks)
        return entry

    def load(self, entries: list[FileEntry]) -> dict[str, bytes]:
        """Contents by name.

        Raises:
            IndexCorrupt: one is missing or is not what its entry promises.
        """
        names = {
            entry.name: [f"{entry.name}/{number}" for number in range(-(-entry.size // CHUNK))]
            for entry in entries
        }
        texts = self._texts([name for some in names.values() for name in some])
        contents = {}
        for entry in entries:
            try:
                chunks = [base64.b64decode(texts[name]) for name in names[entry.name]]
            except (KeyError, ValueError) as exc:
                raise self._broken(entry) from exc
            content = b"".join(chunks)
            if hashlib.sha256(content).hexdigest() != entry.sha256:
                raise self._broken(entry)
            contents[entry.name] = content
        return contents

    def keep_only(self, names: set[str]) -> None:
        """Remove all contents but those with `names`."""
        rows = self._server.call(
            "query", self._name, filter="", output_fields=["name"], limit=10_000
        )
        stale = [row["name"] for row in rows if row["name"].partition("/")[0] not in names]
        stale = [name for name in stale if name != CURRENT]
        for start in range(0, len(stale), AT_A_TIME):
            self._server.call("delete", self._name, ids=stale[start : start + AT_A_TIME])

    def _broken(self, entry: FileEntry) -> IndexCorrupt:
        return IndexCorrupt(
            f"{self._server.address}: {entry.name} is missing or was changed; index again"
        )

    def _put(self, texts: Mapping[str, str]) -> None:
        rows = [{"name": name, "text": text, "unused": UNUSED} for name, text in texts.items()]
        for start in range(0, len(rows), AT_A_TIME):
            self._server.call("upsert", self._name, rows[start : start + AT_A_TIME])

    def _texts(self, names: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(names), AT_A_TIME):
            rows = self._server.call(
                "get", self._name, ids=names[start : start + AT_A_TIME], output_fields=["text"]
            )
            found |= {row["name"]: row["text"] for row in rows}
        return found


def entry_of(text: str, place: str) -> FileEntry:
    """Read what :meth:`Records.point` wrote.

    Raises:
        IndexCorrupt: it is something else.
    """
    parts = text.split(" ")
    if len(parts) != 3 or not parts[1].isdecimal():
        raise IndexCorrupt(f"{place}: expected {CURRENT} to name a manifest, received {text!r}")
    return FileEntry(parts[0], int(parts[1]), parts[2])


def create(server: Server, name: str, schema: Any, vector: str) -> None:
    """Make a collection with an exact index of its vectors, ready to be asked."""
    index = server.client.prepare_index_params()
    index.add_index(vector, index_type="FLAT", metric_type="L2")
    server.call(
        "create_collection", name, schema=schema, index_params=index, consistency_level="Strong"
    )

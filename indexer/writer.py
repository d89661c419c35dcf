"""An index directory as it is written: the next generation, by one rename (docs/format.md).

`manifest.json` is the only name that changes. Every other file is immutable, named by its content,
and shared by all generations that name it: writing costs what is new.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import DigitsError, IndexCorrupt, IndexNotFound, IndexVersion
from data.files import (
    is_held,
    locked,
    storage_errors,
    sync,
    write_together,
    write_whole,
)
from indexer.manifest import PREVIOUS, FileEntry, Manifest, Part, SegmentRecord
from indexer.store import MANIFEST, SUFFIXES, read_manifest, read_previous, unnamed_files

LOCK = "lock"


class Writer:
    """Whoever holds the lock of an index directory; :func:`open_writer` gives it out.

    Attributes:
        folder: the directory.
    """

    def __init__(self, folder: Path) -> None:
        """Of a `folder` whose lock is held."""
        self.folder = folder

    def commit(
        self,
        facts: dict[str, Any],
        files: Mapping[str, Part],
        segments: Sequence[SegmentRecord[Part]],
        numbered: int = 0,
    ) -> Manifest:
        """Put the next generation in place, in one rename.

        A part that is a :class:`FileEntry` stays where it is: it is not read, hashed or copied. A
        path is a file in the same folder under a name that is not ours; it is hashed and renamed,
        and has its name back if anything fails.

        Args:
            facts: as :meth:`Manifest.facts` gives them.
            files: `embedder`, `card` and `projection`; a `previous` among them gives way to the
                generation in place.
            segments: at least one.
            numbered: how many digits among them were given numbers from `next_number` on.

        Raises:
            StorageError: disk full or folder not writable; the old generation still answers.
        """
        fresh: dict[str, Part] = {}

        def settle(parts: Mapping[str, Part]) -> dict[str, FileEntry]:
            with storage_errors(self.folder):
                entries = {role: _entry(role, part) for role, part in parts.items()}
            fresh.update({entries[role].name: part for role, part in parts.items()})
            return entries

        before = self._before()
        shared = {role: part for role, part in files.items() if role != PREVIOUS}
        if before:
            shared[PREVIOUS] = before.to_bytes()
        settled = tuple(
            SegmentRecord(one.count, one.removed, one.kind, one.kind_options, settle(one.files))
            for one in segments
        )
        manifest = Manifest.following(before, facts, settle(shared), settled, numbered)
        self._put(fresh, manifest)
        return manifest

    def undo(self) -> Manifest:
        """Put the generation before this one in place again, as the next.

        Raises:
            UsageError: there is none.
            IndexCorrupt: a file of it is missing or damaged.
        """
        before = read_previous(self.folder, read_manifest(self.folder))
        return self.commit(before.facts(), before.files, before.segments)

    def _before(self) -> Manifest | None:
        """What is in place; a manifest that cannot be read is about to be replaced."""
        try:
            return read_manifest(self.folder)
        except (IndexNotFound, IndexVersion, IndexCorrupt):
            return None

    def _put(self, fresh: Mapping[str, Part], manifest: Manifest) -> None:
        written = {name: part for name, part in fresh.items() if isinstance(part, bytes)}
        staged = {name: part for name, part in fresh.items() if isinstance(part, Path)}
        try:
            write_together(self.folder, written)
            with storage_errors(self.folder), _moved(self.folder, staged):
                write_whole(self.folder / MANIFEST, manifest.to_bytes())
        finally:
            with contextlib.suppress(OSError, DigitsError):
                _remove_unnamed(self.folder)


@contextlib.contextmanager
def open_writer(folder: Path) -> Iterator[Writer]:
    """Hold the folder's only lock; the system frees it however the holder ends.

    Raises:
        IndexLocked: another process is writing here.
        StorageError: the folder is not there or not writable.
    """
    busy = f"{folder}: another process is writing this index; try again when it is done"
    with locked(folder / LOCK, busy):
        yield Writer(folder)


def is_locked(folder: Path) -> bool:
    """Whether a process is writing in `folder` now; tells, and keeps nobody from anything."""
    return is_held(folder / LOCK)


def _entry(role: str, part: Part) -> FileEntry:
    if isinstance(part, FileEntry):
        return part
    if isinstance(part, bytes):
        size, digest = len(part), hashlib.sha256(part).hexdigest()
    else:
        with part.open("rb") as file:
            size, digest = part.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(f"{role}-{digest[:16]}{SUFFIXES[role]}", size, digest)


@contextlib.contextmanager
def _moved(folder: Path, staged: Mapping[str, Path]) -> Iterator[None]:
    """Staged files under their names in `folder`; they go back if what follows fails."""
    try:
        for name, path in staged.items():
            sync(path)
            path.rename(folder / name)
        sync(folder)
        yield
    except BaseException:
        for name, path in staged.items():
            with contextlib.suppress(OSError):
                path.hardlink_to(folder / name)  # the name itself may be the old generation's too
        raise


def _remove_unnamed(folder: Path) -> None:
    for path in unnamed_files(folder):
        with contextlib.suppress(OSError):  # a folder that is called so
            path.unlink()

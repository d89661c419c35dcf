"""The index directory: the one place that knows the file format (docs/format.md).

`manifest.json` is the only name that changes, and it changes by one rename. Every other file is
immutable, named by its content, and shared by all generations that name it: writing costs what is
new. Nothing is handed to a parser before its length and SHA-256 are those the manifest promises.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from data.errors import (
    DigitsError,
    IndexCorrupt,
    IndexLocked,
    IndexNotFound,
    IndexVersion,
    UsageError,
)
from data.files import (
    TEMPORARY_PREFIX,
    is_held,
    locked,
    open_plain,
    read_plain,
    storage_errors,
    sync,
    unreadable,
    write_together,
    write_whole,
)
from data.names import named
from indexer.manifest import PREVIOUS, FileEntry, Manifest, Part, SegmentRecord

MANIFEST = "manifest.json"
LOCK = "lock"
SUFFIXES = {
    "embedder": ".onnx",
    "card": ".json",
    "projection": ".npy",
    PREVIOUS: ".json",
    "vectors": ".faiss",
    "blocks": ".hashes",
    "labels": ".npy",
    "images": ".npy",
    "sources": ".jsonl",
    "removed": ".npy",
}
OURS = re.compile(rf"({'|'.join(SUFFIXES)})-[0-9a-f]{{16}}\.\w+|{re.escape(TEMPORARY_PREFIX)}.*")
MAPPED = ("images", "vectors")
ATTEMPTS = 10
LARGEST = 16 << 20  # bytes of a manifest; more is none
REBUILD = "build the index again"

Content = bytes | mmap.mmap


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the current generation.

    Raises:
        IndexNotFound, IndexCorrupt, IndexVersion.
        StorageError: it may not be read.
    """
    path = folder / MANIFEST
    try:
        content = read_plain(path, LARGEST)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise IndexNotFound(f"no index in {folder}; {making(folder)}") from exc
    except OSError as exc:
        raise unreadable(path, exc, IndexCorrupt, REBUILD) from exc
    return Manifest.from_bytes(content, path)


def making(folder: Path) -> str:
    """What to do where there is no index in `folder`."""
    return f"make one with: digits build --index {shlex.quote(named(folder))}"


def read_previous(folder: Path, manifest: Manifest) -> Manifest:
    """The generation that undo goes back to; what it does not share with `manifest` is verified.

    Raises:
        UsageError: there is none.
        IndexCorrupt: a file of it is missing or damaged; that of `manifest` answers all the same.
        IndexLocked: a writer has replaced `manifest` meanwhile.
    """
    if PREVIOUS not in manifest.files:
        raise UsageError(
            f"nothing to undo: generation {manifest.generation} of {folder} is the first"
        )
    advice = (
        f"generation {manifest.generation}, which is in place, does not need it, but cannot be"
        " undone; the next change ends this"
    )
    shared = manifest.entries.keys()
    try:
        before = _read_previous(folder, manifest, advice)
        alone = [entry for entry in before.entries.values() if entry.name not in shared]
        _read_files(folder, alone, advice=advice)
    except IndexCorrupt as exc:
        if read_manifest(folder).generation != manifest.generation:
            raise IndexLocked(f"{folder}: replaced while it was being read; try again") from exc
        raise
    return before


def read_before(folder: Path, manifest: Manifest) -> tuple[Manifest, dict[str, Content]]:
    """The generation that undo goes back to, as :func:`read_generation`, every byte verified.

    Raises:
        UsageError, IndexCorrupt, IndexLocked: as for :func:`read_previous`.
    """
    before = read_previous(folder, manifest)
    return before, _read_files(folder, before.entries.values())


def verified_entries(folder: Path, manifest: Manifest) -> dict[str, FileEntry]:
    """All files that `manifest` names, by name; those that only undo needs are verified here.

    Raises:
        IndexCorrupt, IndexLocked: as for :func:`read_previous`.
    """
    if PREVIOUS not in manifest.files:
        return manifest.entries
    before, entry = read_previous(folder, manifest), manifest.files[PREVIOUS]
    return manifest.entries | before.entries | {entry.name: entry}


def read_generation(folder: Path) -> tuple[Manifest, dict[str, Content]]:
    """The current generation whole: its manifest and the verified content of its files, by name.

    A writer may replace the generation while it is being read; then the new one is read instead.

    Raises:
        IndexNotFound, IndexVersion.
        IndexCorrupt: a file is missing or is not what the manifest promises; it is named.
        IndexLocked: replaced again and again meanwhile.
        StorageError: a file may not be read.
    """
    for _ in range(ATTEMPTS):
        manifest = read_manifest(folder)
        try:
            return manifest, _read_files(folder, manifest.entries.values(), manifest.in_parts)
        except IndexCorrupt:
            if read_manifest(folder).generation == manifest.generation:
                raise
    raise IndexLocked(f"{folder}: replaced {ATTEMPTS} times while it was being read; try again")


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


def _read_previous(folder: Path, manifest: Manifest, advice: str = REBUILD) -> Manifest:
    entry = manifest.files[PREVIOUS]
    content = bytes(_read_verified(folder, entry, advice=advice))
    return Manifest.from_bytes(content, folder / entry.name)


def _read_files(
    folder: Path,
    entries: Collection[FileEntry],
    in_parts: Collection[str] = (),
    advice: str = REBUILD,
) -> dict[str, Content]:
    # Hashing lets go of the interpreter, so files are verified side by side.
    with ThreadPoolExecutor() as pool:
        contents = pool.map(
            lambda entry: _read_verified(
                folder, entry, whole=entry.name not in in_parts, advice=advice
            ),
            entries,
        )
        return dict(zip([entry.name for entry in entries], contents, strict=True))


def _read_verified(
    folder: Path, entry: FileEntry, *, whole: bool = True, advice: str = REBUILD
) -> Content:
    """The content of a file; unless `whole`, another file holds the hashes of its parts.

    What to do about one that is not as it should be is the caller's `advice`.
    """
    path = folder / entry.name
    if path.parent != folder:
        raise IndexCorrupt(f"{folder / MANIFEST}: names a file outside the index: {entry.name!r}")
    try:
        file = open_plain(path)
    except OSError as exc:
        raise unreadable(path, exc, IndexCorrupt, advice) from exc
    with file:
        size = os.fstat(file.fileno()).st_size
        if size != entry.size:
            raise IndexCorrupt(
                f"{path}: expected {entry.size:,} bytes, received {size:,}; {advice}"
            )
        mapped = entry.name.startswith(MAPPED)
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if mapped else file.read()
    if not whole:
        return content
    received = hashlib.sha256(content).hexdigest()
    if received != entry.sha256:
        raise IndexCorrupt(
            f"{path}: expected SHA-256 {entry.sha256}, received {received}; {advice}"
        )
    return content


def unnamed_files(folder: Path) -> list[Path]:
    """Files of ours that neither this generation nor the one before it names."""
    named: set[str] = set()
    with contextlib.suppress(IndexNotFound):
        manifest = read_manifest(folder)
        named |= manifest.entries.keys()
        if PREVIOUS in manifest.files:
            named.add(manifest.files[PREVIOUS].name)
            with contextlib.suppress(IndexCorrupt):
                named |= _read_previous(folder, manifest).entries.keys()
    return [
        path for path in folder.iterdir() if OURS.fullmatch(path.name) and path.name not in named
    ]


def _remove_unnamed(folder: Path) -> None:
    for path in unnamed_files(folder):
        with contextlib.suppress(OSError):  # a folder that is called so
            path.unlink()

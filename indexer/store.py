"""An index directory as it is read: which files it has, and what is in them (docs/format.md).

Nothing is handed to a parser before its length and SHA-256 are those the manifest promises.
`indexer.writer` writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import re
import shlex
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.errors import (
    IndexCorrupt,
    IndexLocked,
    IndexNotFound,
)
from data.files import (
    TEMPORARY_PREFIX,
    Content,
    open_plain,
    read_plain,
    unreadable,
)
from data.names import named
from indexer.manifest import PREVIOUS, FileEntry, Manifest

MANIFEST = "manifest.json"
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
    manifest.previous(str(folder))
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

"""What is wrong with an installation, an index or an embedder, and the command that mends it.

Every check gives findings and leaves all as it is. A check never fails: what it meets is what it
tells. So a broken package, a damaged index and a locked one can all be seen in one run.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import (
    DatasetError,
    DigitsError,
    EmbedderNotFound,
    IndexNotFound,
    MissingExtra,
    UsageError,
)
from search.installation import Finding, examine_installation
from search.text import named

if TYPE_CHECKING:
    from search.doctor_milvus import Collection

CHECKPOINT = "checkpoint.npz"  # as training writes it; nothing of that is imported here
ROOM = 200_000_000  # bytes that building an index of MNIST takes


@dataclass(frozen=True)
class Folder:
    """A folder that is used, and why: an option, a variable or the default."""

    folder: Path
    why: str

    def __str__(self) -> str:
        """The folder, whatever its name holds."""
        return named(self.folder)


def examine(index: Folder | Collection, embedder: Folder) -> Iterator[Finding]:
    """Every check, in the order in which one thing rests on another."""
    yield from examine_installation()
    for name, check in (
        ("mnist", check_mnist),
        ("embedder", lambda: check_embedder(embedder)),
        ("index", lambda: _check_index_at(index, embedder)),
    ):
        yield from _told(name, check)
    for name, place in (("embedder", embedder), ("index", index)):
        if isinstance(place, Folder):
            yield from check_folder(name, place)


def _check_index_at(index: Folder | Collection, embedder: Folder) -> Iterator[Finding]:
    if isinstance(index, Folder):
        return check_index(index, embedder)
    from search.doctor_milvus import check_collection

    return check_collection(index, embedder)


def check_mnist() -> Iterator[Finding]:
    """Where MNIST lies, and that it is MNIST."""
    from data.mnist import SPLITS, VARIABLE, find_mnist, load_mnist

    try:
        place = find_mnist()
        if place is None:
            detail = "not on this machine; it is downloaded when a command first needs it"
            remedy = f"to use a copy: export {VARIABLE}=FOLDER with its four files or an npz"
            yield Finding("mnist", "warning", detail, remedy)
            return
        for split in SPLITS:
            load_mnist(split, place)
    except DatasetError as exc:
        yield Finding("mnist", "problem", str(exc), f"export {VARIABLE}=FOLDER with a whole copy")
        return
    yield Finding("mnist", "ok", f"whole, at {named(place)}")


def check_embedder(place: Folder) -> Iterator[Finding]:
    """That the embedder opens and still computes what it did, and whether training was stopped."""
    from indexer.embedder import Embedder

    train = f"digits train --embedder {place}"
    try:
        card = Embedder.open(place.folder).card
    except EmbedderNotFound:
        detail = f"none in {place} ({place.why}); only needed to index"
        yield Finding("embedder", "warning", detail, train)
    except DigitsError as exc:
        yield Finding("embedder", "problem", f"{exc} ({place.why})", train)
    else:
        what = f"recipe {card.recipe['name']}, {card.dimension} numbers, test digits unmoved"
        yield Finding("embedder", "ok", f"{place} ({place.why}): {what}")
    if (place.folder / CHECKPOINT).is_file():
        detail = f"{place} holds a training run that was stopped"
        yield Finding("embedder", "warning", detail, f"{train} --resume")


def check_index(place: Folder, embedder: Folder) -> Iterator[Finding]:
    """That the index opens, whose bytes and test digits are verified by that, and what it holds."""
    from indexer.manifest import FORMAT_VERSION
    from search.index import DigitIndex

    again = f"digits index --index {place} --embedder {embedder}"
    try:
        index = DigitIndex.open(place.folder)
    except IndexNotFound as exc:
        yield Finding("index", "problem", f"{exc} ({place.why})", f"digits build --index {place}")
        return
    except DigitsError as exc:
        yield Finding("index", "problem", f"{exc} ({place.why})", again)
    else:
        manifest = index.manifest
        what = f"format {FORMAT_VERSION}, {manifest.count:,} digits of {manifest.dataset['name']}"
        yield Finding("index", "ok", f"{place} ({place.why}): {what}, every file whole")
        yield check_generations(place)
        yield check_pairing(manifest.embedder, embedder, again)
    yield from check_writing(place)


def check_generations(place: Folder) -> Finding:
    """Which generation answers, and whether the one before it can be gone back to."""
    from indexer.store import read_manifest, read_previous

    try:
        manifest = read_manifest(place.folder)
        now = f"number {manifest.generation} answers"
        before = read_previous(place.folder, manifest)
    except UsageError:
        return Finding("generations", "ok", f"{now}; it is the first")
    except DigitsError as exc:
        remedy = "nothing but undo needs it; any change ends this, such as: digits add"
        return Finding("generations", "warning", f"undo would fail: {exc}", remedy)
    return Finding("generations", "ok", f"{now}; undo goes back to {before.generation}")


def check_writing(place: Folder) -> Iterator[Finding]:
    """Whether somebody is writing here, and what writers that were killed left behind."""
    from indexer.store import is_locked, unnamed_files
    from indexer.stream import FOLDER

    if is_locked(place.folder):
        detail = f"another process is changing {place}; searching goes on"
        yield Finding("lock", "warning", detail, "wait until it is done")
        return
    yield Finding("lock", "ok", "free")
    try:
        left = unnamed_files(place.folder)
    except DigitsError:
        return  # without a manifest nothing tells what belongs to it
    if left:
        size = sum(path.stat().st_size for path in left)
        detail = f"{len(left)} files of {size:,} bytes that no generation names"
        yield Finding("debris", "warning", detail, "any change clears them, such as: digits add")
    else:
        yield Finding("debris", "ok", "none")
    if (place.folder / FOLDER).is_dir():
        detail = f"{place} holds digits that were being encoded when it was stopped"
        yield Finding("debris", "warning", detail, "the same digits index command as before")


def check_pairing(wanted: str, place: Folder, again: str) -> Finding:
    """Whether the embedder in the folder is the one that the index carries with it."""
    from indexer.embedder import Embedder

    try:
        received = Embedder.open(place.folder).identity
    except DigitsError:
        return Finding("pairing", "ok", "the index carries its embedder with it")
    if received == wanted:
        return Finding("pairing", "ok", "the index was built with this embedder")
    detail = f"the index carries embedder {wanted[:12]}, {place} holds {received[:12]}"
    return Finding("pairing", "warning", detail, again)


def check_folder(name: str, place: Folder) -> Iterator[Finding]:
    """Who may write to a folder, or to where it would be made, and the room there."""
    home = next(path for path in (place.folder, *place.folder.absolute().parents) if path.exists())
    mode = home.stat().st_mode
    if not os.access(home, os.W_OK):
        detail = f"{named(home)} is not writable: searching works, changing does not"
        yield Finding(f"{name} folder", "warning", detail, f"chmod u+w {named(home)}")
    elif mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        detail = f"anybody may write to {named(home)}"
        yield Finding(f"{name} folder", "warning", detail, f"chmod o-w {named(home)}")
    else:
        yield Finding(f"{name} folder", "ok", f"{named(home)} is writable by you")
    free = shutil.disk_usage(home).free
    if free < ROOM:
        detail = f"{free:,} bytes free at {named(home)}, an index of MNIST takes {ROOM:,}"
        yield Finding(f"{name} disk", "warning", detail, "free some space")
    else:
        yield Finding(f"{name} disk", "ok", f"{free:,} bytes free")


def _told(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; a package that is missing or broken is one, too."""
    try:
        yield from check()
    except (ImportError, MissingExtra) as exc:
        remedy = "pip install --upgrade --force-reinstall digit-search"
        yield Finding(name, "problem", f"could not be looked at: {exc}", remedy)
    except OSError as exc:
        where = named(exc.filename) if exc.filename else name
        yield Finding(name, "problem", f"{where}: {exc.strerror}", f"ls -l {where}")

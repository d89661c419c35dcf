"""What is wrong with an index or an embedder in a folder, and the command that mends it."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from data.errors import (
    CheckpointUnusable,
    DigitsError,
    EmbedderNotFound,
    IndexNotFound,
    StorageError,
    UsageError,
)
from search.doctor.findings import Finding, Folder, check_pairing, fault, of_dataset
from search.text import counted, named

if TYPE_CHECKING:
    from pathlib import Path

    from indexer.manifest import Manifest

ROOM = 200_000_000  # bytes that building an index of MNIST takes


def check_embedder(place: Folder) -> Iterator[Finding]:
    """That the embedder opens and still computes what it did, and whether training was stopped."""
    from data.card import CHECKPOINT_NAME, FILES, LOCK_NAME
    from data.files import is_held
    from indexer.embedder import Embedder

    train = f"{_clearing(place, FILES)}digits train --embedder {place.quoted}"
    checkpoint = place.folder / CHECKPOINT_NAME
    if is_held(place.folder / LOCK_NAME):
        detail = f"another process is training into {place}"
        yield Finding("embedder", "warning", detail, "wait until it is done")
        return
    try:
        card = Embedder.open(place.folder).card
    except EmbedderNotFound:
        if not checkpoint.is_file():
            detail = f"none in {place} ({place.why}); only needed to index"
            yield Finding("embedder", "warning", detail, train)
    except StorageError as exc:
        yield Finding(
            "embedder", "problem", f"{fault(exc)} ({place.why})", f"ls -la {place.quoted}"
        )
    except DigitsError as exc:
        yield Finding("embedder", "problem", f"{fault(exc)} ({place.why})", train)
    else:
        what = f"recipe {card.recipe['name']}, {card.dimension} numbers, test digits unmoved"
        yield Finding("embedder", "ok", f"{place} ({place.why}): {what}")
    if checkpoint.is_file():
        yield _stopped(place, checkpoint, train)


def _stopped(place: Folder, checkpoint: Path, train: str) -> Finding:
    """That a training run was stopped, and the command that goes on with it."""
    from data.reached import read_checkpoint

    what = f"{place} holds a training run that was stopped"
    try:
        reached, _ = read_checkpoint(checkpoint)
    except CheckpointUnusable:
        detail = f"{what}, but its checkpoint is damaged"
        return Finding("embedder", "warning", detail, f"{train}  # anew")
    except StorageError as exc:
        return Finding("embedder", "problem", f"{what}; {fault(exc)}", f"ls -la {place.quoted}")
    run = reached.run
    given = f"--recipe {shlex.quote(run['recipe']['name'])} --epochs {run['epochs']}"
    remedy = f"{train} {given} --seed {run['seed']} --resume"
    remedy += "  # with --dataset and --time-budget if they were given"
    detail = f"{what} after {counted(reached.epoch, 'epoch')} of {run['epochs']:,}"
    return Finding("embedder", "warning", detail, remedy)


def check_index(place: Folder, embedder: Folder) -> Iterator[Finding]:
    """That the index opens, that its bytes and test digits are as they were, and what it holds."""
    from indexer.manifest import FORMAT_VERSION
    from search.index import DigitIndex

    try:
        index = DigitIndex.open(place.folder)
        index.vectors.verify()
    except IndexNotFound as exc:
        yield Finding("index", "problem", f"{fault(exc)} ({place.why})", _again(place, embedder))
        return
    except StorageError as exc:
        yield Finding("index", "problem", f"{fault(exc)} ({place.why})", f"ls -la {place.quoted}")
    except DigitsError as exc:
        yield Finding("index", "problem", f"{fault(exc)} ({place.why})", _mending(place, embedder))
    else:
        manifest = index.manifest
        what = f"format {FORMAT_VERSION}, {manifest.count:,} digits of {manifest.dataset['name']}"
        yield Finding("index", "ok", f"{place} ({place.why}): {what}, every file whole")
        yield check_generations(place)
        yield check_pairing(manifest.embedder, embedder, _again(place, embedder, manifest))
    yield from check_writing(place)


def _mending(place: Folder, embedder: Folder) -> str:
    """What mends an index that is damaged: the generation before, if that is whole; a new one."""
    from indexer.folder import open_generation
    from indexer.store import MANIFEST, OURS, read_before, read_manifest
    from search.index import DigitIndex

    names = [path.name for path in place.folder.iterdir() if OURS.fullmatch(path.name)]
    cleared = _clearing(place, (MANIFEST, *names))
    try:
        manifest = read_manifest(place.folder)
    except DigitsError:
        return f"{cleared}{_again(place, embedder)}  # with --dataset if it was not of MNIST"
    try:
        before, contents = read_before(place.folder, manifest)
        DigitIndex.of(open_generation(place.folder, before, contents), str(place))
    except DigitsError:
        later = "  # without what was added since" if manifest.generation > 1 else ""
        return cleared + _again(place, embedder, manifest) + later
    return (
        f"digits undo --index {place.quoted}  # goes back to generation {before.generation} of"
        f" {before.count:,} digits"
    )


def _clearing(place: Folder, names: Iterable[str]) -> str:
    """What to do before: remove what is no file, which nothing of ours ever replaces."""
    paths = [place.folder / name for name in names]
    special = [path for path in paths if path.exists() and not path.is_file()]
    return f"rm -r {' '.join(shlex.quote(named(path)) for path in special)} && " if special else ""


def _again(place: Folder, embedder: Folder, manifest: Manifest | None = None) -> str:
    """The command that makes an index anew, by a new embedder if the one there will not do."""
    from data.convention import MNIST8M
    from indexer.embedder import Embedder

    options = f"--index {place.quoted} --embedder {embedder.quoted}"
    if manifest:
        options += of_dataset(manifest.dataset)
    try:
        Embedder.open(embedder.folder)
    except DigitsError:
        if manifest and manifest.dataset["name"] == MNIST8M:  # which nothing is trained on
            return f"digits train --embedder {embedder.quoted} && digits index {options}"
        return f"digits build {options}"
    return f"digits index {options}"


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
        remedy = f"digits add --label NAME IMAGE --index {place.quoted}  # or any other change"
        return Finding("generations", "warning", f"undo would fail: {fault(exc)}", remedy)
    return Finding("generations", "ok", f"{now}; undo goes back to {before.generation}")


def check_writing(place: Folder) -> Iterator[Finding]:
    """Whether somebody is writing here, and what writers that were killed left behind."""
    from indexer.store import unnamed_files
    from indexer.stream import staged
    from indexer.writer import LOCK, is_locked

    lock = place.folder / LOCK
    if os.path.lexists(lock) and (lock.is_symlink() or not lock.is_file()):
        detail = f"{named(lock)} is no regular file: searching works, changing does not"
        yield Finding("lock", "problem", detail, f"rm -r {shlex.quote(named(lock))}")
        return
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
        size = sum(path.lstat().st_size for path in left)
        detail = f"{counted(len(left), 'file')} of {size:,} bytes that no generation names"
        remedy = f"digits add --label NAME IMAGE --index {place.quoted}  # or any other change"
        yield Finding("debris", "warning", detail, remedy)
    else:
        yield Finding("debris", "ok", "none")
    if staged(place.folder):
        detail = f"{place} holds digits that were being encoded when it was stopped"
        yield Finding("debris", "warning", detail, "the same digits index command as before")


def check_folder(name: str, place: Folder) -> Iterator[Finding]:
    """Who may write to a folder, or to where it would be made, and the room there."""
    if place.folder.is_symlink() and not place.folder.exists():
        detail = f"{place} is a link to nothing"
        yield Finding(f"{name} folder", "problem", detail, f"rm {place.quoted}")
        return
    home = next(path for path in (place.folder, *place.folder.absolute().parents) if path.exists())
    if not home.is_dir():
        remedy = f"another folder, named by --{name}"
        yield Finding(f"{name} folder", "problem", f"{named(home)} is no folder", remedy)
        return
    status, quoted = home.stat(), shlex.quote(named(home))
    if not os.access(home, os.W_OK):
        detail = f"{named(home)} is not writable: searching works, changing does not"
        mine = status.st_uid == os.geteuid() and not status.st_mode & stat.S_IWUSR
        remedy = f"chmod u+w {quoted}" if mine else f"another folder, named by --{name}"
        yield Finding(f"{name} folder", "warning", detail, remedy)
    elif status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        detail = f"anybody may write to {named(home)}"
        yield Finding(f"{name} folder", "warning", detail, f"chmod o-w {quoted}")
    else:
        yield Finding(f"{name} folder", "ok", f"{named(home)} is writable by you")
    free = shutil.disk_usage(home).free
    if free < ROOM:
        detail = f"{free:,} bytes free at {named(home)}, an index of MNIST takes {ROOM:,}"
        yield Finding(f"{name} disk", "warning", detail, "free some space")
    else:
        yield Finding(f"{name} disk", "ok", f"{free:,} bytes free")

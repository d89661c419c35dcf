import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import (
    DigitsError,
    IndexCorrupt,
    IndexLocked,
    IndexNotFound,
    IndexVersion,
    StorageError,
    UsageError,
)
from data.files import make_folder
from data.sealed import seal, unseal
from indexer import store
from indexer.calibration import Calibration
from indexer.folder import FolderStore
from indexer.manifest import FORMAT_VERSION, PREVIOUS, Manifest, Part, SegmentRecord
from indexer.writer import LOCK, open_writer
from search import DigitIndex

FILES = {role: f"{role} of the first".encode() for role in ("embedder", "card")}
PARTS = {
    role: f"{role} of the first".encode() for role in ("vectors", "labels", "images", "sources")
}
FACTS: dict[str, Any] = {
    "dimension": 2, "metric": "euclidean", "normaliser": 1, "embedder": "00", "dataset": {},
    "names": ["0"], "k": {"uniform": 1}, "leave_one_out": {},
    "calibration": Calibration(1, 1, "itself", 1.0, 0.5, {}, 1.0, (0.0, 1.0)),
}  # fmt: skip


def write(folder: Path, tail: bytes = b"", **parts: Part) -> Manifest:
    """A generation of one segment, each of whose files ends in `tail`, but for `parts`."""
    files = {role: content + tail for role, content in FILES.items()}
    contents: dict[str, Part] = {role: part + tail for role, part in PARTS.items()}
    segment = SegmentRecord(1, 0, "flat", {}, contents | parts)
    make_folder(folder)
    with open_writer(folder) as writer:
        return writer.commit(FACTS, files, [segment])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def copied(index_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(index_folder, tmp_path / "real"))


def read(folder: Path) -> dict[str, bytes]:
    """The files of an index of one segment, by role."""
    contents = store.read_generation(folder)[1]
    return {name.partition("-")[0]: bytes(content) for name, content in contents.items()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_was_written_is_read(folder: Path) -> None:
    assert read(folder) == FILES | PARTS
    assert store.read_manifest(folder).generation == 1


def test_a_new_generation_replaces_the_old_whose_files_stay_until_the_next(folder: Path) -> None:
    first = store.read_manifest(folder)
    second = write(folder, labels=b"other labels")
    assert second.generation == 2
    assert read(folder) == FILES | PARTS | {"labels": b"other labels"}
    ours = {store.MANIFEST, LOCK}
    previous = second.files[PREVIOUS].name
    assert names(folder) == first.entries.keys() | second.entries.keys() | {previous} | ours
    third = write(folder, labels=b"yet others")
    previous = third.files[PREVIOUS].name
    assert names(folder) == second.entries.keys() | third.entries.keys() | {previous} | ours


def test_undo_brings_the_generation_before_back_and_undo_again_the_one_undone(
    folder: Path,
) -> None:
    write(folder, b" changed")
    changed = read(folder)
    with open_writer(folder) as writer:
        assert writer.undo().generation == 3
    assert read(folder) == FILES | PARTS
    with open_writer(folder) as writer:
        assert writer.undo().generation == 4
    assert read(folder) == changed


def test_numbers_are_not_begun_anew_where_the_manifest_cannot_be_read_for_now(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> Manifest:
        raise StorageError(f"{folder}: too many open files")

    before = (folder / store.MANIFEST).read_bytes()
    monkeypatch.setattr("indexer.writer.read_manifest", fail)
    with pytest.raises(StorageError, match="too many open files"):
        write(folder)
    assert (folder / store.MANIFEST).read_bytes() == before


def test_the_first_generation_cannot_be_undone(folder: Path) -> None:
    with open_writer(folder) as writer, pytest.raises(UsageError, match="nothing to undo"):
        writer.undo()
    assert read(folder) == FILES | PARTS


def test_undo_refuses_what_is_damaged(folder: Path) -> None:
    old = next(folder.glob("vectors-*"))
    write(folder, b" changed")
    changed = read(folder)
    old.write_bytes(old.read_bytes()[::-1])
    with open_writer(folder) as writer, pytest.raises(IndexCorrupt, match=old.name):
        writer.undo()
    assert read(folder) == changed


def test_what_stays_in_place_is_neither_read_nor_written(folder: Path) -> None:
    manifest = store.read_manifest(folder)
    for name in manifest.entries:
        (folder / name).write_bytes(b"read me and you fall")
    before = {name: (folder / name).stat() for name in manifest.entries}
    added = SegmentRecord(1, 0, "flat", {}, {role: b"more " + PARTS[role] for role in PARTS})
    with open_writer(folder) as writer:
        grown = writer.commit(manifest.facts(), manifest.files, [*manifest.segments, added], 1)
    assert grown.segments[0] == manifest.segments[0]
    assert grown.next_number == manifest.next_number + 1
    for name, stat in before.items():
        after = (folder / name).stat()
        assert (after.st_ino, after.st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)


def test_a_staged_file_is_moved_in(folder: Path) -> None:
    staged = folder / "partial"
    staged.write_bytes(bytes(range(256)) * 5000)
    inode = staged.stat().st_ino
    manifest = write(folder, vectors=staged)
    name = manifest.segments[0].files["vectors"].name
    assert (folder / name).stat().st_ino == inode
    assert not staged.exists()
    assert read(folder)["vectors"] == bytes(range(256)) * 5000


def test_a_staged_file_is_back_where_it_was_if_writing_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = folder / "partial"
    for content in (b"a long build", PARTS["vectors"]):
        staged.write_bytes(content)
        (folder / store.MANIFEST).rename(folder / "aside")
        (folder / store.MANIFEST).mkdir()
        with pytest.raises(StorageError):
            write(folder, vectors=staged)
        (folder / store.MANIFEST).rmdir()
        (folder / "aside").rename(folder / store.MANIFEST)
        assert staged.read_bytes() == content
        assert read(folder) == FILES | PARTS


def test_debris_goes_and_what_is_not_ours_stays(folder: Path) -> None:
    (folder / ".writing-a-folder").mkdir()
    for name in (".writing-abc", "labels-0123456789abcdef.npy", "holiday.jpg"):
        (folder / name).write_bytes(b"")
    write(folder)
    assert "holiday.jpg" in names(folder)
    assert not names(folder) & {".writing-abc", "labels-0123456789abcdef.npy"}


def test_no_index_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound, match="digits build"):
        store.read_generation(tmp_path)


def damages(content: bytes) -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    for place in [*range(8), *rng.integers(0, len(content), 12)]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)
    yield content[:-1]
    yield content + b"\0"
    yield b""


def test_every_damage_is_refused_by_name(copied: Path) -> None:
    for path in sorted(copied.iterdir()):
        if path.name == LOCK:
            continue
        good = path.read_bytes()
        for bad in damages(good):
            path.write_bytes(bad)
            with pytest.raises(DigitsError, match=path.name):
                DigitIndex.open(copied)
        path.unlink()
        with pytest.raises((IndexCorrupt, IndexNotFound)):
            DigitIndex.open(copied)
        path.write_bytes(good)
    assert len(DigitIndex.open(copied)) > 0


def test_a_symbolic_link_is_refused(copied: Path, tmp_path: Path) -> None:
    path = next(copied.glob("labels-*"))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IndexCorrupt, match=path.name):
        DigitIndex.open(copied)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo])
@pytest.mark.parametrize("role", [store.MANIFEST, "labels-*"])
def test_what_is_no_file_is_refused_by_name(
    copied: Path, role: str, make: Callable[[Path], None]
) -> None:
    path = next(copied.glob(role))
    path.unlink()
    make(path)
    with pytest.raises(IndexCorrupt, match=f"{path.name}.*no regular file"):
        DigitIndex.open(copied)


def test_a_linked_manifest_is_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / store.MANIFEST
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IndexCorrupt, match=f"{path.name}.*symbolic link"):
        store.read_generation(folder)


def test_a_damaged_generation_before_leaves_the_present_one(folder: Path) -> None:
    write(folder, b"!")
    manifest = store.read_manifest(folder)
    entry = manifest.files[PREVIOUS]
    (folder / entry.name).write_bytes(b"")
    for read in (
        lambda: store.verified_entries(folder, manifest),
        lambda: store.read_previous(folder, manifest),
    ):
        with pytest.raises(IndexCorrupt, match=rf"{entry.name}.*cannot be undone"):
            read()
    assert store.read_generation(folder)[0] == manifest
    write(folder, b"?")
    store.read_previous(folder, store.read_manifest(folder))


def test_all_files_of_both_generations_are_vouched_for(folder: Path) -> None:
    write(folder, b"!")
    named = store.verified_entries(folder, store.read_manifest(folder))
    assert named.keys() == names(folder) - {store.MANIFEST, LOCK}


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / store.MANIFEST
    path.write_bytes(seal(unseal(path.read_bytes()) | changes))


def test_another_format_version_is_refused(folder: Path) -> None:
    rewrite(folder, version=FORMAT_VERSION + 1)
    said = rf"expected format version {FORMAT_VERSION}, received {FORMAT_VERSION + 1}.*build"
    with pytest.raises(IndexVersion, match=said):
        store.read_generation(folder)


@pytest.mark.parametrize(
    "changes",
    [{"format": "other"}, {"files": {}}, {"files": 3}, {"surprise": 1}, {"segments": []},
     {"segments": 3}, {"segments": [{"count": 1}]}, {"generation": "1"}, {"generation": True},
     {"names": [1]}, {"k": {"uniform": "1"}}, {"dataset": []}, {"next_number": 1.5},
     {"segments": [{"count": 1, "removed": 0, "kind": "flat", "kind_options": {}, "files": {}}]},
     {"files": {role: {"name": f"../{role}", "size": 1, "sha256": ""} for role in FILES}}],
)  # fmt: skip
def test_a_manifest_that_makes_no_sense_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    rewrite(folder, **changes)
    with pytest.raises(IndexCorrupt, match=store.MANIFEST):
        store.read_generation(folder)


def test_a_manifest_that_is_far_too_large_is_not_read(folder: Path) -> None:
    os.truncate(folder / store.MANIFEST, 1 << 40)
    with pytest.raises(IndexCorrupt, match=f"{store.MANIFEST}.*expected at most"):
        store.read_generation(folder)


def replace_index(folder: Path) -> None:
    with FolderStore(folder).replacing():
        pass


def test_a_manifest_of_something_else_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    manifest = tmp_path / store.MANIFEST
    manifest.write_bytes(b'{"name": "an app"}')
    with pytest.raises(StorageError, match=f"{manifest}.*not of an index.*another folder"):
        replace_index(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, store.MANIFEST}
    (folder / store.MANIFEST).write_bytes(b"damaged")
    replace_index(folder)


def test_a_manifest_that_cannot_be_replaced_is_told_before_any_work(folder: Path) -> None:
    (folder / store.MANIFEST).unlink()
    (folder / store.MANIFEST).mkdir()
    with pytest.raises(StorageError, match=f"{store.MANIFEST}.*no regular file; remove it"):
        replace_index(folder)


def test_an_index_of_other_parts_is_refused(copied: Path, index: DigitIndex) -> None:
    """Every file whole, but the vectors are fewer than the manifest says."""
    manifest = store.read_manifest(copied)
    fewer = replace(manifest.segments[0], count=len(index) - 1)
    with open_writer(copied) as writer:
        writer.commit(manifest.facts(), manifest.files, [fewer])
    with pytest.raises(IndexCorrupt, match="vectors-"):
        DigitIndex.open(copied)


def hold_lock(folder: Path, held: Event, release: Event) -> None:
    with open_writer(folder):
        held.set()
        release.wait(30)


def test_one_writer_at_a_time_and_a_dead_one_frees_the_lock(folder: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    held, release = spawn.Event(), spawn.Event()
    holder = spawn.Process(target=hold_lock, args=(folder, held, release))
    holder.start()
    try:
        assert held.wait(30)
        with pytest.raises(IndexLocked, match="another process is writing"):
            write(folder)
        assert read(folder) == FILES | PARTS
    finally:
        holder.kill()
        holder.join()
    assert write(folder).generation == 2


WRITER = """
import sys
from pathlib import Path
from tests.indexer.test_store import write
number = 0
while True:
    number += 1
    write(Path(sys.argv[1]), f" {number}".encode() * 50_000)
    print(number, flush=True)
"""


def test_readers_see_whole_generations_while_a_writer_is_killed(folder: Path) -> None:
    """Each answer is of one generation, also when the writer dies in the middle of another."""
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            writer.stdout.readline()
            until = time.monotonic() + 1
            while time.monotonic() < until:
                tails = {content.split(b" ")[-1] for content in read(folder).values()}
                assert len(tails) == 1
            writer.kill()
        read(folder)
    write(folder)
    write(folder)
    assert len(names(folder)) == len(FILES | PARTS) + 3


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.indexer.test_store import write
from data.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    write(Path(sys.argv[1]), vectors=bytes(1_000_000))
except StorageError as exc:
    print(exc)
"""


def test_a_full_disk_leaves_the_old_index(folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", FULL, folder], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "(1,00" in done.stdout
    assert read(folder) == FILES | PARTS
    assert sorted(path.name for path in folder.iterdir()) == before

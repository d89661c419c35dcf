import multiprocessing
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import DigitsError, IndexCorrupt, IndexLocked, IndexNotFound, IndexVersion
from data.sealed import seal, unseal
from indexer import store
from indexer.calibration import Calibration
from search import DigitIndex

CONTENTS = {role: f"{role} of the first".encode() for role in store.SUFFIXES}
FACTS: dict[str, Any] = {
    "count": 1, "dimension": 2, "metric": "euclidean", "kind": "flat", "kind_options": {},
    "normaliser": 1, "embedder": "00", "dataset": {}, "names": ["0"], "k": {"uniform": 1},
    "leave_one_out": {},
    "calibration": Calibration(1, 1, "itself", 1.0, 0.5, {}, 1.0, (0.0, 1.0)),
    "created": "2026-01-01T00:00:00+00:00", "program": "0",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store.write_generation(tmp_path / "index", CONTENTS, FACTS)
    return tmp_path / "index"


@pytest.fixture
def copied(index_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(index_folder, tmp_path / "real"))


def read(folder: Path) -> dict[str, bytes]:
    return {role: bytes(content) for role, content in store.read_generation(folder)[1].items()}


def test_what_was_written_is_read(folder: Path) -> None:
    assert read(folder) == CONTENTS
    assert store.read_manifest(folder).generation == 1


def test_a_new_generation_replaces_the_old_and_its_files(folder: Path) -> None:
    changed = CONTENTS | {"labels": b"other labels"}
    manifest = store.write_generation(folder, changed, FACTS)
    assert manifest.generation == 2
    assert read(folder) == changed
    named = {entry.name for entry in manifest.files.values()}
    assert {path.name for path in folder.iterdir()} == named | {store.MANIFEST, store.LOCK}


def test_debris_goes_and_what_is_not_ours_stays(folder: Path) -> None:
    for name in (".writing-abc", "labels-0123456789abcdef.npy", "holiday.jpg"):
        (folder / name).write_bytes(b"")
    store.write_generation(folder, CONTENTS, FACTS)
    names = {path.name for path in folder.iterdir()}
    assert "holiday.jpg" in names
    assert not names & {".writing-abc", "labels-0123456789abcdef.npy"}


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
        if path.name == store.LOCK:
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


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / store.MANIFEST
    path.write_bytes(seal(unseal(path.read_bytes()) | changes))


def test_another_format_version_is_refused(folder: Path) -> None:
    rewrite(folder, version=store.FORMAT_VERSION + 1)
    with pytest.raises(IndexVersion, match=r"expected format version 2, received 3.*build"):
        store.read_generation(folder)


@pytest.mark.parametrize(
    "changes",
    [{"format": "other"}, {"files": {}}, {"files": 3}, {"surprise": 1},
     {"files": {role: {"name": f"../{role}", "size": 1, "sha256": ""} for role in store.SUFFIXES}}],
)  # fmt: skip
def test_a_manifest_that_makes_no_sense_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    rewrite(folder, **changes)
    with pytest.raises(IndexCorrupt, match=store.MANIFEST):
        store.read_generation(folder)


def test_an_index_of_other_parts_is_refused(copied: Path, index: DigitIndex) -> None:
    """Every file whole, but the vectors are fewer than the manifest says."""
    manifest, contents = store.read_generation(copied)
    facts = {name: getattr(manifest, name) for name in FACTS} | {"count": len(index) - 1}
    store.write_generation(
        copied, {role: bytes(content) for role, content in contents.items()}, facts
    )
    with pytest.raises(IndexCorrupt, match="vectors-"):
        DigitIndex.open(copied)


def hold_lock(folder: Path, held: Event, release: Event) -> None:
    with store._writer_lock(folder):
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
            store.write_generation(folder, CONTENTS, FACTS)
        assert read(folder) == CONTENTS
    finally:
        holder.kill()
        holder.join()
    assert store.write_generation(folder, CONTENTS, FACTS).generation == 2


WRITER = """
import sys
from pathlib import Path
from tests.indexer.test_store import CONTENTS, FACTS
from indexer import store
from indexer.calibration import Calibration
number = 0
while True:
    number += 1
    tail = f" {number}".encode() * 50_000
    contents = {role: content + tail for role, content in CONTENTS.items()}
    store.write_generation(Path(sys.argv[1]), contents, FACTS)
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
    store.write_generation(folder, CONTENTS, FACTS)
    assert len(list(folder.iterdir())) == len(CONTENTS) + 2


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.indexer.test_store import CONTENTS, FACTS
from data.errors import StorageError
from indexer import store
from indexer.calibration import Calibration
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    store.write_generation(Path(sys.argv[1]), CONTENTS | {"vectors": bytes(100_000)}, FACTS)
except StorageError as exc:
    print(exc)
"""


def test_a_full_disk_leaves_the_old_index(folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", FULL, folder], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "100," in done.stdout
    assert read(folder) == CONTENTS
    assert sorted(path.name for path in folder.iterdir()) == before

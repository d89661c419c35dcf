import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from data.errors import IndexLocked, StorageError
from data.mnist8m import EndlessDigits
from indexer import stream
from indexer.embedder import Embedder
from indexer.packing import write
from indexer.stream import FOLDER, LABELS, RECORD, VECTORS, encoded
from indexer.vectors import VectorIndex
from tests.embedders import DIMENSION, linear_embedder

COUNT, PART = 2300, 500


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PART", PART)


@pytest.fixture(scope="module")
def linear() -> Embedder:
    return linear_embedder()


class Watched(EndlessDigits):
    """The same digits, that remember which parts were drawn."""

    def part(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        self.__dict__.setdefault("drawn", []).append((start, stop))
        return super().part(start, stop)


def some_digits(count: int = COUNT) -> Watched:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, 28, 28), dtype=np.uint8)
    return Watched(Dataset("noise", "train", images, rng.integers(0, 10, 70, np.uint8)), count)


class Stopped(Exception):
    pass


def stop_after(count: int) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, note: str = "") -> None:
        if done >= count:
            raise Stopped

    return progress


def encode(folder: Path, digits: Watched, embedder: Embedder) -> tuple[bytes, bytes]:
    with encoded(digits, embedder, folder) as staged:
        return staged.vectors.tobytes(), staged.labels.tobytes()


def stopped_at(folder: Path, count: int, embedder: Embedder) -> Path:
    """The stage of a run that was stopped when it had encoded `count` digits."""
    with pytest.raises(Stopped), encoded(some_digits(), embedder, folder, stop_after(count)):
        pytest.fail("it was not stopped")
    return folder / FOLDER


def test_all_digits_are_encoded_in_order(linear: Embedder, tmp_path: Path) -> None:
    digits = some_digits()
    images, labels = digits.part(0, COUNT)
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int, note: str = "") -> None:
        told.append((done, total))

    with encoded(digits, linear, tmp_path, progress) as staged:
        assert staged.vectors.shape == (COUNT, DIMENSION)
        assert np.array_equal(staged.vectors, linear.embed(images).astype(np.float16))
        assert np.array_equal(staged.labels, labels)
    assert told == sorted(told)
    assert told[-1] == (COUNT, COUNT)
    assert not (tmp_path / FOLDER).exists()


def test_threads_change_nothing(linear: Embedder, tmp_path: Path) -> None:
    whole = encode(tmp_path, some_digits(), linear)
    for threads in (1, 2):
        assert encode(tmp_path, some_digits(), linear_embedder(threads=threads)) == whole


def test_half_floats_hardly_move_a_distance(linear: Embedder, tmp_path: Path) -> None:
    digits = some_digits()
    exact = linear.embed(digits.part(0, COUNT)[0])
    with encoded(digits, linear, tmp_path) as staged:
        halved = staged.vectors.astype(np.float32)
    for one, other in ((0, 1), (2, 70), (71, 2299)):
        moved = np.linalg.norm(exact[one] - exact[other])
        moved -= np.linalg.norm(halved[one] - halved[other])
        assert abs(moved) < 1e-3 * np.linalg.norm(exact[one])


@pytest.mark.parametrize("stop", [100, 900, 1900, COUNT])
def test_a_stopped_run_goes_on_where_it_was(linear: Embedder, tmp_path: Path, stop: int) -> None:
    whole = encode(tmp_path / "whole", some_digits(), linear)
    stopped_at(tmp_path / "stopped", stop, linear)
    digits = some_digits()
    assert encode(tmp_path / "stopped", digits, linear) == whole
    assert digits.drawn[0][0] == (stop - 1) // PART * PART


def test_a_killed_run_goes_on_where_it_was(linear: Embedder, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from indexer import stream
from tests.embedders import linear_embedder
from tests.indexer.test_stream import some_digits
stream.PART = {PART}
def die(done, total, note=""):
    if done > 1700:
        os.kill(os.getpid(), signal.SIGKILL)
with stream.encoded(some_digits(), linear_embedder(), Path({str(tmp_path)!r}), die):
    pass
"""
    died = subprocess.run([sys.executable, "-c", code], check=False)
    assert died.returncode == -signal.SIGKILL
    digits = some_digits()
    assert encode(tmp_path, digits, linear) == encode(tmp_path / "whole", some_digits(), linear)
    assert digits.drawn[0][0] == 1500


def test_what_is_left_by_an_error_is_there_at_once(linear: Embedder, tmp_path: Path) -> None:
    with pytest.raises(Stopped), encoded(some_digits(), linear, tmp_path):
        raise Stopped
    digits = some_digits()
    assert encode(tmp_path, digits, linear) == encode(tmp_path / "whole", some_digits(), linear)
    assert not hasattr(digits, "drawn")


@pytest.mark.parametrize(
    ("name", "place", "again_from"),
    [
        (VECTORS, 700 * DIMENSION * 2, PART),
        (LABELS, 1100, 2 * PART),
        (VECTORS, 0, 0),
        (RECORD, 50, 0),
        (RECORD, -100, 0),
    ],
)
def test_what_is_damaged_is_encoded_again(
    linear: Embedder, tmp_path: Path, name: str, place: int, again_from: int
) -> None:
    path = stopped_at(tmp_path, 1900, linear) / name
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    digits = some_digits()
    assert encode(tmp_path, digits, linear) == encode(tmp_path / "whole", some_digits(), linear)
    assert digits.drawn[0][0] == again_from


@pytest.mark.parametrize("name", [VECTORS, LABELS, RECORD])
def test_what_is_cut_short_or_gone_is_encoded_again(
    linear: Embedder, tmp_path: Path, name: str
) -> None:
    whole = encode(tmp_path / "whole", some_digits(), linear)
    path = stopped_at(tmp_path, 1900, linear) / name
    os.truncate(path, path.stat().st_size // 3)
    assert encode(tmp_path, some_digits(), linear) == whole
    (stopped_at(tmp_path, 1900, linear) / name).unlink()
    assert encode(tmp_path, some_digits(), linear) == whole


def test_another_plan_begins_anew(linear: Embedder, tmp_path: Path) -> None:
    stopped_at(tmp_path, 1900, linear)
    more = some_digits(COUNT + 100)
    vectors, labels = encode(tmp_path, more, linear)
    assert more.drawn[0][0] == 0
    assert (len(vectors), len(labels)) == ((COUNT + 100) * DIMENSION * 2, COUNT + 100)
    stopped_at(tmp_path, 1900, linear)
    other, digits = linear_embedder(seed=1), some_digits()
    assert encode(tmp_path, digits, other) == encode(tmp_path / "whole", some_digits(), other)
    assert digits.drawn[0][0] == 0


def test_only_a_part_is_drawn_or_encoded_at_a_time(
    linear: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    embed = Embedder.embed

    def watched(self: Embedder, images: np.ndarray, *rest: object) -> np.ndarray:
        sizes.append(len(images))
        return embed(self, images, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Embedder, "embed", watched)
    digits = some_digits(20 * PART)
    with encoded(digits, linear, tmp_path) as staged:
        assert isinstance(staged.vectors, np.memmap)
        assert isinstance(staged.labels, np.memmap)
    assert set(sizes) == {PART}
    assert {stop - start for start, stop in digits.drawn} == {PART}


def test_two_at_once_are_refused(linear: Embedder, tmp_path: Path) -> None:
    with encoded(some_digits(), linear, tmp_path) as staged:
        with (
            pytest.raises(IndexLocked, match="another process is encoding"),
            encoded(some_digits(), linear, tmp_path),
        ):
            pytest.fail("both encode")
        assert len(staged.labels) == COUNT


def test_a_full_disk_is_said_at_once_and_the_run_goes_on_later(
    linear: Embedder, tmp_path: Path
) -> None:
    stage = stopped_at(tmp_path, 1900, linear)
    os.truncate(stage / VECTORS, 1500 * DIMENSION * 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1600 * DIMENSION * 2, hard))
    try:
        with (
            pytest.raises(StorageError, match=f"{VECTORS} .*27,600 bytes"),
            encoded(some_digits(), linear, tmp_path),
        ):
            pytest.fail("there was room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    digits = some_digits()
    assert encode(tmp_path, digits, linear) == encode(tmp_path / "whole", some_digits(), linear)
    assert digits.drawn[0][0] == 1500


@pytest.mark.parametrize("name", [FOLDER, f"{FOLDER}/{VECTORS}", f"{FOLDER}/{LABELS}"])
def test_a_link_is_never_written_through(linear: Embedder, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    place = tmp_path / "index" / name
    place.parent.mkdir(parents=True)
    place.symlink_to(victim)
    if name == FOLDER:
        victim.mkdir()
    else:
        victim.write_bytes(b"mine")
    with pytest.raises(StorageError, match=f"{place}.*symbolic link.*remove it"):
        encode(tmp_path / "index", some_digits(), linear)
    assert not list(victim.iterdir()) if name == FOLDER else victim.read_bytes() == b"mine"


def test_what_is_written_in_a_link_s_place_leaves_its_goal_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "index").symlink_to(victim)
    write(VectorIndex.build(np.eye(4, dtype=np.float32)), tmp_path / "index")
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "index").is_symlink()


def test_a_record_that_is_a_pipe_is_not_waited_for(linear: Embedder, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    os.mkfifo(tmp_path / FOLDER / RECORD)
    with pytest.raises(StorageError, match=f"{RECORD}.*no regular file"):
        encode(tmp_path, some_digits(), linear)

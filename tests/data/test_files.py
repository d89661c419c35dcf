import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data.errors import StorageError
from data.files import (
    clear_debris,
    is_held,
    locked,
    make_folder,
    read_plain,
    write_together,
    write_whole,
)

LIMITED = """
import resource, signal, sys
from pathlib import Path
from data.errors import StorageError
from data.files import write_together
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_together(Path(sys.argv[1]), {"small": b"new", "large": bytes(5000)})
except StorageError as exc:
    print(exc)
"""


def test_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_the_umask_of_other_threads_is_left_alone(tmp_path: Path) -> None:
    interval, old = sys.getswitchinterval(), os.umask(0o077)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: write_whole(tmp_path / str(number), b""), range(2000)))
    finally:
        left = os.umask(old)
        sys.setswitchinterval(interval)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert (left, modes) == (0o077, {0o600})


def test_a_write_that_fails_changes_no_file(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "5,003 bytes" in done.stdout
    assert (tmp_path / "small").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_a_lock_that_is_no_file_is_named_and_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    lock = tmp_path / "lock"
    make(lock)
    assert not is_held(lock)
    with pytest.raises(StorageError, match=f"{lock}.*remove it"), locked(lock, "busy"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_what_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(b"1234")
    assert read_plain(path, 4) == b"1234"
    os.truncate(path, 1 << 40)
    with pytest.raises(OSError, match="at most 4 bytes, received 1,099,511,627,776"):
        read_plain(path, 4)


def test_only_what_killed_writers_left_is_cleared(tmp_path: Path) -> None:
    for name in (".writing-abc", "writing-abc", "kept"):
        (tmp_path / name).touch()
    (tmp_path / ".writing-folder").mkdir()
    clear_debris(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"writing-abc", "kept", ".writing-folder"}


def test_refusals_of_the_system_are_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot write"):
        make_folder(tmp_path / "file" / "folder")
    with pytest.raises(StorageError, match="name too long"):
        make_folder(tmp_path / ("x" * 300))
    with pytest.raises(StorageError, match=r"absent.*choose another folder"):
        write_together(tmp_path / "absent", {"a": b"", "b": b""})

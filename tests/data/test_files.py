import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import StorageError
from data.files import make_folder, write_together, write_whole

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


def test_a_write_that_fails_changes_no_file(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "5,003 bytes" in done.stdout
    assert (tmp_path / "small").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_refusals_of_the_system_are_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot write"):
        make_folder(tmp_path / "file" / "folder")
    with pytest.raises(StorageError, match=r"absent.*choose another folder"):
        write_together(tmp_path / "absent", {"a": b"", "b": b""})

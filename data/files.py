"""Write a file whole or not at all; open one that was written here.

A file gets a temporary name in the same folder, fsync, its own name, fsync of the folder; under a
lock where several may write. Others are written elsewhere: FAISS's large vectors, which
`indexer.writer` moves into place; Ray's shards; what `indexer.stream` takes up again where it was
stopped; and the line that a shell's start-up file gets. Failures of the disk become
:class:`StorageError`, whoever writes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

from data.errors import DigitsError, IndexLocked, StorageError

TEMPORARY_PREFIX = ".writing-"
Content = bytes | mmap.mmap  # of a file: read, or read as it is needed
_SPECIAL = {errno.EINVAL, errno.ENXIO}  # a folder, a pipe or a device is there
_DAMAGE = {errno.ENOENT, errno.ELOOP, errno.EFBIG} | _SPECIAL  # what is there is no file of ours


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` by `content`; a reader sees the old file or the new one, never a part.

    Raises:
        StorageError: the disk is full or the folder is not writable; `path` is as it was.
    """
    write_together(path.parent, {path.name: content})


def write_together(folder: Path, contents: dict[str, bytes]) -> None:
    """Replace several files of `folder`, in the order given, once all of them are on the disk.

    Raises:
        StorageError: the disk is full or the folder is not writable; each file is whole, the old
            one or the new.
    """
    for name in contents:
        check_regular(folder / name)
    size = sum(len(content) for content in contents.values())
    place = folder / next(iter(contents)) if len(contents) == 1 else folder
    with storage_errors(place, size), contextlib.ExitStack() as temporaries:
        written = {name: temporaries.enter_context(_temporary(folder)) for name in contents}
        for name, file in written.items():
            file.write(contents[name])
            _flush(file)
        for name, file in written.items():
            Path(file.name).replace(folder / name)
        sync(folder)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, for what is too large for memory; it becomes `path` when the block ends.

    Raises:
        StorageError: the disk is full or the folder is not writable; `path` is as it was.
    """
    check_regular(path)
    with storage_errors(path):
        with _temporary(path.parent) as file:
            yield file
            _flush(file)
            Path(file.name).replace(path)
        sync(path.parent)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[IO[bytes]]:
    """A new file to write to, gone when the block ends, unless it has another name by then."""
    path = folder / f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    with path.open("xb") as file:  # with the rights that the umask leaves
        try:
            yield file
        finally:
            path.unlink(missing_ok=True)


def _flush(file: IO[bytes]) -> None:
    """Make what was written to a file durable."""
    file.flush()
    os.fsync(file.fileno())


def check_regular(path: Path) -> None:
    """Refuse a name that something else than a file has, such as a folder or a pipe.

    Raises:
        StorageError: it is no regular file, or cannot be looked at.
    """
    with storage_errors(path):
        special = path.exists() and not path.is_file()
    if special:
        raise StorageError(
            f"cannot write {path}: it is no regular file; remove it, or choose another name"
        )


def check_no_link(folder: Path) -> None:
    """Refuse to write into a folder that is a link to another.

    Raises:
        StorageError: it is one.
    """
    if folder.is_symlink():
        raise StorageError(f"cannot write {folder}: it is a symbolic link; remove it")


def clear_debris(folder: Path) -> None:
    """Remove what writers of files in `folder` left when they were killed; none may be at work."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            path.unlink()


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents.

    Raises:
        StorageError: it cannot be created, or the name belongs to a file, or to a link to nothing.
    """
    with storage_errors(folder):
        if folder.is_symlink() and not folder.exists():
            raise StorageError(
                f"cannot write {folder}: it is a link to nothing; remove it, or choose another"
                " folder"
            )
        folder.mkdir(parents=True, exist_ok=True)


def check_writable(folder: Path) -> None:
    """Refuse a folder that no file can be made in.

    Raises:
        StorageError: it is one.
    """
    with storage_errors(folder), _temporary(folder):
        pass


def open_plain(path: Path) -> BinaryIO:
    """Open a regular file to read: no link, and nothing that would wait for a writer.

    Raises:
        OSError: it is not there or not that; `strerror` says what it is.
    """
    return _file(path, "rb", os.O_RDONLY)


def open_to_change(path: Path) -> BinaryIO:
    """Open a regular file to read and write, made if need be; errors as for :func:`open_plain`."""
    return _file(path, "r+b", os.O_RDWR | os.O_CREAT)


def read_plain(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes; a larger one is not read.

    Raises:
        OSError: as for :func:`open_plain`, or it is larger.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"expected at most {most:,} bytes, received {size:,}")
        return file.read()


def unreadable(path: Path, exc: OSError, damaged: type[DigitsError], advice: str) -> DigitsError:
    """The error for a file of ours that cannot be opened.

    Args:
        path: of the file.
        exc: what the system says.
        damaged: the error where there is no file of ours.
        advice: how it is made, for such a one.

    Returns:
        A `damaged`, or a StorageError if the system keeps the file from us.
    """
    if exc.errno in _DAMAGE:
        first = "remove it, then " if exc.errno in _SPECIAL else ""
        return damaged(f"{path}: cannot be read ({exc.strerror}); {first}{advice}")
    remedy = {
        errno.EMFILE: "close some files, or raise the limit (ulimit -n)",
        errno.ENFILE: "close other programs",
        errno.EIO: "check the disk",
    }.get(exc.errno or 0, "check its name, and with ls -l who may read it")
    return StorageError(f"{path}: cannot be read ({exc.strerror}); {remedy}")


def _file(path: Path, mode: Literal["rb", "r+b"], flags: int) -> BinaryIO:
    return open(path, mode, opener=lambda name, _: _opened(name, flags))


def _opened(path: str, flags: int) -> int:
    """The descriptor of a regular file; what is none is named, and never waited for."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link, not a regular file") from exc
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


@contextlib.contextmanager
def locked(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock `path`, an empty file that stays; the system frees it however the holder ends.

    Raises:
        IndexLocked: another process has it; the message is `refusal`.
        StorageError: the folder is not there or not writable.
    """
    with storage_errors(path):
        file = open_to_change(path)
    with file:
        take_lock(file, refusal)
        yield


def is_held(path: Path) -> bool:
    """Whether a process holds the lock `path` now; tells, and keeps nobody from anything."""
    try:
        with open_plain(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no lock was ever taken, or we may not see it
    return False


def take_lock(file: IO[Any], refusal: str) -> None:
    """Take the lock of an open file, which the system frees however the holder ends.

    Raises:
        IndexLocked: another process has it; the message is `refusal`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise IndexLocked(refusal) from exc


def sync(path: Path) -> None:
    """Make durable what a file holds, or which names a folder has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def storage_errors(path: Path, size: int | None = None) -> Iterator[None]:
    """Translate the operating system's refusal to write `path` (`size` bytes) into our error."""
    try:
        yield
    except OSError as exc:
        needed = f" ({size:,} bytes)" if size is not None else ""
        advice = {
            errno.ENOSPC: "free some space or choose another folder",
            errno.EDQUOT: "free some of your quota or choose another folder",
            errno.EACCES: "choose a folder you may write to",
            errno.EROFS: "choose a folder you may write to",
            errno.ELOOP: "remove it, or choose another folder",
            errno.EINVAL: "remove it, or choose another folder",
            errno.EISDIR: "remove it, or choose another folder",
        }.get(exc.errno or 0, "choose another folder")
        reason = exc.strerror or type(exc).__name__
        raise StorageError(f"cannot write {path}{needed}: {reason}; {advice}") from exc

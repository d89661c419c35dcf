import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data.errors import DatasetCorrupt, DatasetNotFound
from data.npy import BadArray, read_npy
from data.sets.npz import read_npz


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 28, 28), np.uint8),
        np.float32(3.5),
    ],
)
def test_arrays_come_back(array: np.ndarray) -> None:
    received = read_npy(npy(np.asarray(array)))
    assert received.dtype == np.asarray(array).dtype
    assert np.array_equal(received, array)


def lying_header(shape: str, dtype: str = "'<f8'") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".ljust(501) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an array",
        npy(np.arange(6))[:-1],
        npy(np.arange(6)) + b"\0",
        lying_header("(4294967296,)"),
        lying_header("(1, 2"),
        lying_header("(-1,)"),
        lying_header("(1,)", "('|u1', (3,))") + bytes(3),
        lying_header("(1,)", "[('a', '<f8')]") + bytes(8),
        lying_header(f"({'1, ' * 70})") + bytes(8),
        lying_header("(True, 1)") + bytes(8),
    ],
)
def test_bad_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(BadArray):
        read_npy(content)


def test_objects_are_never_loaded() -> None:
    file = io.BytesIO()
    np.save(file, np.array([{}, None], object), allow_pickle=True)
    with pytest.raises(BadArray, match="objects"):
        read_npy(file.getvalue())


def test_npz_by_name(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez_compressed(path, x=np.arange(3), y=np.ones((2, 2)))
    arrays = read_npz(path)
    assert np.array_equal(arrays["x"], np.arange(3))
    assert np.array_equal(arrays["y"], np.ones((2, 2)))


def test_damaged_npz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, x=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetCorrupt, match=r"set\.npz"):
        read_npz(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(DatasetCorrupt, match=r"set\.npz"):
        read_npz(path)
    with pytest.raises(DatasetNotFound, match=r"absent\.npz"):
        read_npz(tmp_path / "absent.npz")


def test_a_member_that_promises_too_much_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", lying_header("(4294967296,)"))
    with pytest.raises(DatasetCorrupt, match="promises"):
        read_npz(path)


def test_a_bomb_with_an_honest_header_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy(np.zeros((50_000, 28, 28), np.uint8)))
    tracemalloc.start()
    with pytest.raises(DatasetCorrupt, match=r"bomb\.npz.*unpacks"):
        read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()

import gzip
from pathlib import Path

import numpy as np
import pytest

from data import idx
from data.errors import DatasetCorrupt, DatasetNotFound

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([3, 1, 4], np.uint8)
PATH = Path("file-idx3-ubyte")


@pytest.mark.parametrize(
    ("array", "magic"), [(IMAGES, idx.IMAGES_MAGIC), (LABELS, idx.LABELS_MAGIC)]
)
def test_what_is_packed_is_parsed(array: np.ndarray, magic: int) -> None:
    assert np.array_equal(idx.parse(idx.pack(array), magic, PATH), array)


def test_header_is_big_endian_as_published() -> None:
    assert idx.pack(IMAGES)[:16] == bytes.fromhex("00000803 00000003 00000004 00000005")
    assert idx.pack(LABELS)[:8] == bytes.fromhex("00000801 00000003")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx.pack(np.zeros(20, np.uint8)), "magic 2051, received 2049"),
        (idx.pack(IMAGES)[:-1], "expected 60 bytes .* received 59"),
        (idx.pack(IMAGES) + b"\0", "expected 60 bytes .* received 61"),
        (b"\0\0\x08\x03" + b"\xff" * 12, r"received 0"),
        (b"\0\0\x08", "header of 16 bytes, received 3"),
    ],
)
def test_a_lying_header_is_refused_by_name(content: bytes, said: str) -> None:
    with pytest.raises(DatasetCorrupt, match=said) as caught:
        idx.parse(content, idx.IMAGES_MAGIC, PATH)
    assert PATH.name in str(caught.value)


def test_gzip_and_plain_files_give_the_same(tmp_path: Path) -> None:
    content = idx.pack(IMAGES)
    plain, packed = tmp_path / "plain", tmp_path / "packed.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    assert idx.read_bytes(plain, len(content)) == content
    assert idx.read_bytes(packed, len(content)) == content


def test_broken_files_are_named(tmp_path: Path) -> None:
    content = idx.pack(IMAGES)
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(DatasetCorrupt, match=r"packed\.gz.*breaks off"):
        idx.read_bytes(packed, len(content))
    packed.write_bytes(gzip.compress(content + b"more"))
    with pytest.raises(DatasetCorrupt, match=r"packed\.gz.*received more"):
        idx.read_bytes(packed, len(content))
    with pytest.raises(DatasetNotFound, match="absent"):
        idx.read_bytes(tmp_path / "absent", 1)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(200_000_000), 1))
    with pytest.raises(DatasetCorrupt, match="received more"):
        idx.read_bytes(bomb, 1000)

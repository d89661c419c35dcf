import gzip
import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from data.errors import DatasetCorrupt
from data.sets import idx

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


def unpacked(content: bytes, expected: int) -> bytes:
    return idx.unpack(io.BytesIO(content), expected, PATH)


def test_gzip_and_plain_files_give_the_same() -> None:
    content = idx.pack(IMAGES)
    assert unpacked(content, len(content)) == content
    assert unpacked(gzip.compress(content), len(content)) == content


def test_labels_in_order_of_their_classes_are_no_bomb() -> None:
    content = idx.pack(np.repeat(np.arange(10, dtype=np.uint8), 500))
    assert len(gzip.compress(content)) * 50 < len(content)
    assert unpacked(gzip.compress(content), len(content)) == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(idx.pack(IMAGES))[:-9], "breaks off"),
        (gzip.compress(idx.pack(IMAGES) + b"more"), "received more"),
        (gzip.compress(gzip.compress(idx.pack(IMAGES))), "received more"),
        (idx.pack(IMAGES) + b"more", "received more"),
        (idx.pack(IMAGES)[:-1], "received 75"),
        (b"", "received 0"),
    ],
    ids=["cut gzip", "longer in gzip", "gzip twice", "longer", "shorter", "empty"],
)
def test_broken_files_are_named(content: bytes, said: str) -> None:
    with pytest.raises(DatasetCorrupt, match=rf"{PATH.name}.*{said}"):
        unpacked(content, len(idx.pack(IMAGES)))


def test_a_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(200_000_000), 1)
    with pytest.raises(DatasetCorrupt, match="received more"):
        unpacked(bomb, 1000)
    tracemalloc.start()
    with pytest.raises(DatasetCorrupt, match="far too few"):
        unpacked(bomb, 200_000_000)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()

"""Sets whose pictures stay in their files: the same digits, whatever holds them and who reads."""

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from data.convention import DIGITS
from data.dataset import Dataset, Parted
from data.datasets import load_dataset, open_dataset
from data.errors import DatasetCorrupt, DatasetError, DatasetInvalid, DatasetNotFound
from data.sets import idx
from data.sets.folders import labelled_pictures

COUNT = 60


@pytest.fixture
def some(train_set: Dataset) -> Dataset:
    return Dataset("set", "train", train_set.images[:COUNT], train_set.labels[:COUNT])


def write_folder(folder: Path, some: Dataset) -> Path:
    for number, (image, label) in enumerate(zip(some.images, some.labels, strict=True)):
        path = folder / "set" / str(label) / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    return folder / "set"


def write_idx(folder: Path, some: Dataset) -> Path:
    (folder / "my-labels-idx1-ubyte").write_bytes(idx.pack(some.labels))
    (folder / "my-images-idx3-ubyte").write_bytes(idx.pack(some.images))
    return folder / "my-images-idx3-ubyte"


def write_lists(folder: Path, some: Dataset) -> Path:
    return write_parquet(folder / "set.parquet", pixels(some.images), some.labels)


def write_png_bytes(folder: Path, some: Dataset) -> Path:
    """As Hugging Face's datasets are, in several files."""
    (folder / "set").mkdir()
    order = np.argsort(some.labels, kind="stable")
    images, labels = some.images[order], some.labels[order]
    for start in range(0, len(some), 25):
        part = slice(start, start + 25)
        files = [cv2.imencode(".png", image)[1].tobytes() for image in images[part]]
        column = pa.array([{"bytes": content, "path": None} for content in files])
        write_parquet(folder / "set" / f"all-{start:04}.parquet", column, labels[part])
    return folder / "set"


def write_parquet(path: Path, images: pa.Array, labels: object) -> Path:
    table = pa.table({"label": pa.array(labels), "image": images})
    parquet.write_table(table, path, row_group_size=7)
    return path


def pixels(images: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(images.ravel(), 784)


def labelled(digits: Dataset) -> set[tuple[bytes, int]]:
    pairs = zip(digits.images, digits.labels, strict=True)
    return {(image.tobytes(), int(label)) for image, label in pairs}


WRITERS = [write_folder, write_idx, write_lists, write_png_bytes]


@pytest.mark.parametrize("write", WRITERS)
def test_parts_are_the_whole_wherever_they_are_read(
    some: Dataset, tmp_path: Path, write: Callable[[Path, Dataset], Path]
) -> None:
    place = write(tmp_path, some)
    train = open_dataset(str(place), "train")
    assert isinstance(train, Parted)
    sent = pickle.loads(pickle.dumps(train))  # noqa: S301, of our own making
    whole, test = load_dataset(str(place), "train"), load_dataset(str(place), "test")
    assert len(train) + len(test) == COUNT
    for start in range(0, len(train), 11):
        images, labels = sent.part(start, start + 11)
        assert np.array_equal(images, whole.images[start : start + 11])
        assert np.array_equal(labels, whole.labels[start : start + 11])
    assert list(whole.files) == list(train.files)
    held = labelled(whole) | labelled(test)
    assert len(held) == COUNT
    if write in (write_idx, write_lists):  # the others draw pictures anew
        assert held == labelled(some)


def test_pictures_in_parquet_are_read_as_those_in_a_folder(some: Dataset, tmp_path: Path) -> None:
    folder = load_dataset(str(write_folder(tmp_path / "one", some)), "train")
    (tmp_path / "two").mkdir()
    stored = load_dataset(str(write_png_bytes(tmp_path / "two", some)), "train")
    assert np.array_equal(folder.images, stored.images)
    assert np.array_equal(folder.labels, stored.labels)
    assert folder.sha256() == stored.sha256()


def test_files_of_a_folder_are_those_of_its_digits(some: Dataset, tmp_path: Path) -> None:
    place = write_folder(tmp_path, some)
    for split in ("train", "test"):
        digits = load_dataset(str(place), split)
        assert len(digits.files) == len(digits)
        for file, image, label in zip(digits.files, digits.images, digits.labels, strict=True):
            assert file.split("/")[:2] == ["set", str(label)]
            assert np.array_equal(labelled_pictures([(tmp_path / file, file)])[0], image)


def test_a_changed_file_is_told_without_reading_it(some: Dataset, tmp_path: Path) -> None:
    place = write_folder(tmp_path, some)
    before = open_dataset(str(place), "train").facts()
    assert open_dataset(str(place), "train").facts() == before
    first = next((place / "3").iterdir())
    first.write_bytes(first.read_bytes() + b"\0")
    assert open_dataset(str(place), "train").facts()["sha256"] != before["sha256"]


def test_parquet_with_a_test_split_and_names(some: Dataset, tmp_path: Path) -> None:
    names = np.array(["b", "a"])[some.labels % 2]
    write_parquet(tmp_path / "train-0.parquet", pixels(some.images), names.tolist())
    write_parquet(tmp_path / "test-0.parquet", pixels(some.images[:9]), ["c"] * 9)
    train, test = (load_dataset(str(tmp_path), split) for split in ("train", "test"))
    assert train.names == test.names == ("a", "b", "c")
    assert np.array_equal(train.images, some.images)
    assert np.array_equal(train.labels, 1 - some.labels % 2)
    assert np.array_equal(test.images, some.images[:9])
    (tmp_path / "._train-0.parquet").write_bytes(b"what a Mac leaves beside a file")
    assert len(load_dataset(str(tmp_path), "train")) == COUNT


def test_parquet_whose_files_have_labels_of_other_integers(some: Dataset, tmp_path: Path) -> None:
    for number, kind in enumerate((np.int64, np.uint64)):
        rows = slice(number * 30, number * 30 + 30)
        labels = some.labels[rows].astype(kind)
        write_parquet(tmp_path / f"{number}.parquet", pixels(some.images[rows]), labels)
    read = [load_dataset(str(tmp_path), split) for split in ("train", "test")]
    assert {digits.names for digits in read} == {DIGITS}
    assert labelled(read[0]) | labelled(read[1]) == labelled(some)


@pytest.mark.parametrize(
    "kind",
    [
        pa.large_binary(),
        pa.binary_view(),
        pa.large_list(pa.int16()),
        pa.list_(pa.uint8(), 784),
        pa.list_view(pa.uint8()),
    ],
    ids=str,
)
def test_parquet_of_any_kind_of_bytes_and_lists(
    some: Dataset, tmp_path: Path, kind: pa.DataType
) -> None:
    files = [cv2.imencode(".png", image)[1].tobytes() for image in some.images]
    lists = [image.ravel().tolist() for image in some.images]
    plain, values = (
        (pa.list_(pa.uint8()), lists) if pa.types.is_nested(kind) else (pa.binary(), files)
    )
    labels = pa.array([str(label) for label in some.labels], pa.string_view())
    path = write_parquet(tmp_path / "set.parquet", pa.array(values, kind), labels)
    reference = write_parquet(tmp_path / "plain.parquet", pa.array(values, plain), some.labels)
    read, expected = (load_dataset(str(place), "train") for place in (path, reference))
    assert read.names == expected.names
    assert read.sha256() == expected.sha256()


def test_idx_in_gzip(some: Dataset, tmp_path: Path) -> None:
    plain = write_idx(tmp_path, some)
    expected = load_dataset(str(plain), "train")
    for path in (plain, plain.with_name("my-labels-idx1-ubyte")):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = open_dataset(f"{plain}.gz", "train")
    assert isinstance(packed, Dataset)
    assert packed.sha256() == expected.sha256()


def test_damaged_idx(some: Dataset, tmp_path: Path) -> None:
    path = write_idx(tmp_path, some)
    opened = open_dataset(str(path), "train")
    content = path.read_bytes()
    for spoilt in (content[:-1], content[:7], b"", b"\0\0\x08\x01" + content[4:]):
        path.write_bytes(spoilt)
        with pytest.raises(DatasetCorrupt, match="my-images"):
            load_dataset(str(path), "train")
        with pytest.raises(DatasetCorrupt, match="my-images"):
            opened.part(0, 10)
    path.write_bytes(idx.pack(some.images[:9]))
    with pytest.raises(DatasetInvalid, match="as many as the 60 labels"):
        load_dataset(str(path), "train")
    (tmp_path / "my-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetNotFound, match="my-labels-idx1-ubyte"):
        load_dataset(str(path), "train")


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (pa.array([b"no picture"] * 10), [0, 1] * 5, r"set\.parquet, row 0: .*remove it"),
        (pa.array([None, b""] * 5), [0, 1] * 5, "an image in every row"),
        (pa.array(["text"] * 10), [0, 1] * 5, "received string"),
        (pa.array(["text"] * 10, pa.string_view()), [0, 1] * 5, "string_view"),
        (pa.array([{"bytes": None}] * 10), [0, 1] * 5, "an image in every row"),
        (pa.array([[1] * 783] * 10), [0, 1] * 5, "lists of 784 .*received one of 783"),
        (pa.array([[1] * 783, [1] * 785, *[[1] * 784] * 8]), [0, 1] * 5, "received one of 783"),
        (pa.array([[], *[[1] * 784] * 9]), [0, 1] * 5, "received one of 0"),
        (pa.array([[*[1] * 783, None]] * 10), [0, 1] * 5, "received one with gaps"),
        (pa.array([[256] * 784] * 10), [0, 1] * 5, "received numbers from 256 to 256"),
        (pa.array([[0.5] * 784] * 10), [0, 1] * 5, "received double numbers"),
        (pa.array([[0] * 784] * 10), [0, None] * 5, "in every row"),
        (pa.array([[0] * 784] * 10), [0.5, 1.5] * 5, "integer or text"),
        (pa.array([[0] * 784] * 10), [b"a", b"b"] * 5, "integers or text"),
        (pa.array([[0] * 784] * 10), [0] * 10, "two classes"),
        (pa.array([], pa.binary()), pa.array([], pa.int64()), "found no row"),
    ],
)
def test_parquet_that_is_no_set_of_digits(
    tmp_path: Path, images: pa.Array, labels: object, said: str
) -> None:
    path = write_parquet(tmp_path / "set.parquet", images, labels)
    with pytest.raises(DatasetInvalid, match=said) as caught:
        load_dataset(str(path), "train")
    assert "\n" not in str(caught.value)


def test_damaged_parquet(some: Dataset, tmp_path: Path) -> None:
    path = write_lists(tmp_path, some)
    content = bytearray(path.read_bytes())
    opened = open_dataset(str(path), "train")
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DatasetInvalid, match="one column image and one label, received x"):
        load_dataset(str(tmp_path / "other.parquet"), "train")
    twice = pa.Table.from_arrays([pa.array([1])] * 3, ["image", "label", "label"])
    parquet.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(DatasetInvalid, match="received image, label, label"):
        load_dataset(str(tmp_path / "twice.parquet"), "train")
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetCorrupt, match="whole Parquet file"):
        load_dataset(str(path), "train")
    content[: len(content) // 2] = bytes(len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"set\.parquet"):
        opened.part(0, COUNT)
    path.unlink()
    with pytest.raises(DatasetNotFound, match="cannot be read"):
        opened.part(0, COUNT)

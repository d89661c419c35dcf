import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.convention import DIGITS
from data.dataset import Dataset
from data.datasets import BUILT_IN, load_dataset
from data.errors import DatasetInvalid, DatasetNotFound
from tests.drawings import draw_digit


def labelled_folder(folder: Path, labels: tuple[int, ...] = (3, 7), each: int = 5) -> Path:
    for label in labels:
        (folder / str(label)).mkdir(parents=True)
        for number in range(each):
            draw_digit(label, width=10 + number).save(folder / str(label) / f"{number}.png")
    return folder


def test_optdigits_in_the_mnist_convention(train_set: Dataset, test_set: Dataset) -> None:
    assert len(train_set) + len(test_set) == 1797
    images = np.concatenate([train_set.images, test_set.images])
    assert images.shape[1:] == (28, 28)
    assert images.dtype == np.uint8
    assert (images.max(axis=(1, 2)) > 200).all()
    inked = images > 127
    assert (inked.any(axis=1).sum(axis=1) <= 21).all()  # twenty columns
    rows = np.arange(28)
    mass = images.sum(axis=2) @ rows / images.sum(axis=(1, 2))  # centre of mass, vertically
    assert np.abs(mass - 14).max() < 1


def test_splits_share_nothing_and_keep_the_classes(train_set: Dataset, test_set: Dataset) -> None:
    train = {image.tobytes() for image in train_set.images}
    assert sum(image.tobytes() in train for image in test_set.images) == 0
    for label in range(10):
        share = (test_set.labels == label).sum() / (train_set.labels == label).sum()
        assert 0.2 < share < 0.3


def test_the_content_hash_is_of_the_content(train_set: Dataset) -> None:
    same = Dataset("other", "train", train_set.images.copy(), train_set.labels.copy())
    assert same.sha256() == train_set.sha256()
    same.labels[0] ^= 1
    assert same.sha256() != train_set.sha256()


def test_a_labelled_folder(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    train, test = (load_dataset(str(folder), split) for split in ("train", "test"))
    assert (train.name, len(train), len(test)) == ("mine", 8, 2)
    assert sorted(set(train.labels)) == [3, 7]
    assert train.images.max(axis=(1, 2)).min() > 200


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ((3,), "two classes"),
        ((), "found no image"),
    ],
)
def test_folders_that_are_not_labelled_digits(
    tmp_path: Path, labels: tuple[int, ...], said: str
) -> None:
    folder = labelled_folder(tmp_path / "mine", labels)
    folder.mkdir(exist_ok=True)
    with pytest.raises(DatasetInvalid, match=said):
        load_dataset(str(folder), "train")


def test_a_class_without_an_image_is_named_and_hidden_files_are_none(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    (folder / ".git").mkdir()
    shutil.copytree(folder / "3", folder / "__MACOSX")
    (folder / "3" / "._0.png").write_bytes(b"what a Mac leaves beside a file")
    assert len(load_dataset(str(folder), "train")) == 8
    (folder / "9" / "empty").mkdir(parents=True)
    with pytest.raises(DatasetInvalid, match=r"mine/9: expected images in it, found none"):
        load_dataset(str(folder), "train")


def test_a_picture_that_lies_elsewhere_is_told_of(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    (folder / "notes.txt").write_text("no picture")
    assert len(load_dataset(str(folder), "train")) == 8
    (folder / "3" / "further").mkdir()
    for place in ("page.JPG", "3/further/a.heic"):
        (folder / place).write_bytes(b"picture")
        with pytest.raises(DatasetInvalid, match=rf"mine/7/a\.png, .*received .*/mine/{place}; mo"):
            load_dataset(str(folder), "train")
        (folder / place).unlink()
    for number in range(9):
        draw_digit(3).save(folder / f"{number}.png")
    with pytest.raises(DatasetInvalid, match=r"/0\.png, .*/4\.png and 4 more; move or remove"):
        load_dataset(str(folder), "train")


def test_pictures_of_other_kinds_are_read_or_told_of(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    draw_digit(3).convert("L").save(folder / "3" / "5.jfif", "JPEG")
    assert len(load_dataset(str(folder), "train")) == 9
    for name in ("3/6.HEIC", "7/6.svg", "7/7.CR2"):
        (folder / name).write_bytes(b"picture")
    with pytest.raises(DatasetInvalid, match=r"3 in others \(\.cr2, \.heic, \.svg\); s"):
        load_dataset(str(folder), "train")


def test_a_folder_whose_name_is_no_text_is_no_class(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    (folder / "3").rename(folder / "\\xff")  # a name of four characters, which are text
    assert load_dataset(str(folder), "train").names == ("7", "\\xff")
    (folder / "7").rename(os.fsdecode(os.fsencode(folder) + b"/\xff"))
    with pytest.raises(DatasetInvalid, match=r"mine/\\xff: expected .* in UTF-8; rename it"):
        load_dataset(str(folder), "train")


def test_names_are_in_order(tmp_path: Path) -> None:
    images = np.ones((24, 28, 28), np.uint8)
    for names, expected in (
        (["12", "2", "10", "1"], ("1", "2", "10", "12")),
        (["12", "b", "2", "a"], ("12", "2", "a", "b")),
        (["8", "2", "0", "1"], tuple("0123456789")),
        (["1" * 5000, "2", "٣", "04"], ("2", "٣", "04", "1" * 5000)),
    ):
        np.savez(tmp_path / "set.npz", x_train=images, y_train=np.array(names * 6))
        read = load_dataset(str(tmp_path / "set.npz"), "train")
        assert read.names == expected
        assert [read.names[label] for label in read.labels[:4]] == names
    np.savez(tmp_path / "set.npz", x_train=images, y_train=np.array(["", "a"] * 12))
    with pytest.raises(DatasetInvalid, match="whole characters, at least one, received"):
        load_dataset(str(tmp_path / "set.npz"), "train")


def test_labels_of_what_is_no_character_are_no_labels(tmp_path: Path) -> None:
    labels = np.array(["a", "b"] * 12)
    labels.view(np.uint32)[::2] = 0x7FFFFFFF
    np.savez(tmp_path / "set.npz", x_train=np.ones((24, 28, 28), np.uint8), y_train=labels)
    with pytest.raises(DatasetInvalid, match=r"set\.npz: expected labels that are text"):
        load_dataset(str(tmp_path / "set.npz"), "train")


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_set_of_ones_own_is_never_named_as_one_that_is_built_in(
    tmp_path: Path, name: str
) -> None:
    assert load_dataset(str(labelled_folder(tmp_path / name)), "train").name == f"own-{name}"
    images, labels = np.ones((20, 28, 28), np.uint8), np.arange(20) % 2
    np.savez(tmp_path / f"{name}.npz", x_train=images, y_train=labels)
    assert load_dataset(str(tmp_path / f"{name}.npz"), "test").name == f"own-{name}"


def test_letters_keep_their_names(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    (folder / "3").rename(folder / "alpha")
    train, test = (load_dataset(str(folder), split) for split in ("train", "test"))
    assert train.names == test.names == ("7", "alpha")
    assert np.bincount(train.labels).tolist() == [4, 4]
    np.savez(
        tmp_path / "set.npz",
        x_train=train.images,
        y_train=np.array(["b", "a"])[train.labels],
        x_test=test.images,
        y_test=np.array(["b", "a"])[test.labels],
    )
    stored = load_dataset(str(tmp_path / "set.npz"), "train")
    assert stored.names == ("a", "b")
    assert np.array_equal(stored.labels, 1 - train.labels)


def test_a_class_of_one_image_is_named(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    labelled_folder(tmp_path / "mine", (5,), each=1)
    with pytest.raises(DatasetInvalid, match="two images of each class, received one of '5'"):
        load_dataset(str(folder), "train")


def test_a_broken_picture_in_a_folder_is_named(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    (folder / "3" / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(
        DatasetInvalid, match=r"3/broken\.png: .*; save it as PNG, or remove it from"
    ):
        load_dataset(str(folder), "train")


def test_a_picture_in_a_folder_with_too_many_pixels_is_to_be_made_smaller(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine")
    Image.new("1", (5_001, 5_000)).save(folder / "3" / "large.png")
    with pytest.raises(DatasetInvalid, match=r"5001 x 5000; make it smaller, or remove it from"):
        load_dataset(str(folder), "train")


def test_all_bad_pictures_are_told_of_at_once(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "mine", each=8)
    bad = [folder / "3" / f"{number}.png" for number in range(7)]
    for path in bad[:2]:
        path.write_bytes(b"not a picture")
    with pytest.raises(DatasetInvalid, match=r"3/0\.png: .*; these cannot .*: .*/3/1\.png$"):
        load_dataset(str(folder), "train")
    for path in bad:
        path.write_bytes(b"not a picture")
    with pytest.raises(DatasetInvalid, match=r"/3/6\.png$") as caught:  # the fifth is held out
        load_dataset(str(folder), "train")
    assert str(caught.value).count(str(folder)) == 7


def test_npz_with_and_without_a_test_split(tmp_path: Path, test_set: Dataset) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, x_train=test_set.images, y_train=test_set.labels.astype(np.int64))
    train, test = (load_dataset(str(path), split) for split in ("train", "test"))
    assert len(train) + len(test) == len(test_set)
    assert len(test) > 0
    np.savez(
        path,
        x_train=test_set.images,
        y_train=test_set.labels,
        x_test=test_set.images[:20],
        y_test=test_set.labels[:20],
    )
    assert len(load_dataset(str(path), "test")) == 20


@pytest.mark.parametrize("left_out", ["x_test", "y_test"])
def test_half_a_test_split_is_none(tmp_path: Path, test_set: Dataset, left_out: str) -> None:
    arrays = {f"x_{split}": test_set.images for split in ("train", "test")}
    arrays |= {f"y_{split}": test_set.labels for split in ("train", "test")}
    (given,) = {"x_test", "y_test"} - {left_out}
    del arrays[left_out]
    np.savez(tmp_path / "set.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DatasetInvalid, match=f"or neither, received only {given}"):
        load_dataset(str(tmp_path / "set.npz"), "train")


@pytest.mark.parametrize("kinds", [("int64", "uint64"), ("uint64", "int8"), ("int64", "U1")])
def test_labels_of_mixed_integers_are_the_same_integers(
    tmp_path: Path, test_set: Dataset, kinds: tuple[str, str]
) -> None:
    path = tmp_path / "set.npz"
    arrays = {f"x_{split}": test_set.images for split in ("train", "test")}
    labels = [test_set.labels.astype(kind) for kind in kinds]
    np.savez(path, **arrays, y_train=labels[0], y_test=labels[1])  # type: ignore[arg-type]
    for split in ("train", "test"):
        read = load_dataset(str(path), split)
        assert read.names == DIGITS
        assert np.array_equal(read.labels, test_set.labels)


@pytest.mark.parametrize(
    ("images", "labels", "told"),
    [
        (np.ones((3, 28, 28)), np.arange(3), "float64"),
        (np.ones((3, 28, 27), np.uint8), np.arange(3), "28, 27"),
        (np.ones((3, 28, 28), np.uint8), np.arange(4), r"\(4,\)"),
        (np.ones((3, 28, 28), np.uint8), np.array([0, 1, 10]), "two images of each class"),
        (np.ones((3, 28, 28), np.uint8), np.array([0, 1, -1]), "two images of each class"),
        (np.ones((3, 28, 28), np.uint8), np.array([0.0, 1.0, 2.0]), "received float64"),
        (np.ones((3, 28, 28), np.uint8), np.array([1, 1, 1]), "two classes"),
        (np.ones((0, 28, 28), np.uint8), np.zeros(0, int), r"\(0, 28, 28\)"),
        (np.zeros((4, 28, 28), np.uint8), np.array([0, 0, 1, 1]), "every image is black"),
        (np.full((4, 28, 28), 255, np.uint8), np.array([0, 0, 1, 1]), "store 255 - images"),
    ],
)
def test_npz_that_is_no_set_of_digits(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, told: str
) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, x_train=images, y_train=labels)
    with pytest.raises(DatasetInvalid, match=told):
        load_dataset(str(path), "train")


def test_npz_needs_its_arrays_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=np.ones((3, 28, 28), np.uint8))
    with pytest.raises(DatasetInvalid, match="x_train and y_train"):
        load_dataset(str(tmp_path / "set.npz"), "train")


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match="mnist, optdigits, a folder"):
        load_dataset(str(tmp_path / "absent"), "train")

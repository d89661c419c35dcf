import gzip
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from data import mnist
from data.errors import DatasetCorrupt, DatasetInvalid, DatasetNotFound
from data.sets import idx

ALL_FILES = [*mnist.IMAGES.values(), *mnist.LABELS.values()]


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without MNIST."""
    monkeypatch.delenv(mnist.VARIABLE, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def fake_place(tmp_path: Path) -> Path:
    """A folder whose files have MNIST's names, magics and lengths, but other digits."""
    folder = tmp_path / "fake"
    folder.mkdir()
    for table, shape in ((mnist.IMAGES, (28, 28)), (mnist.LABELS, ())):
        for split, count in (("train", 60_000), ("test", 10_000)):
            content = idx.pack(np.zeros((count, *shape), np.uint8))
            (folder / table[split].name).write_bytes(content)
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A mirror on loopback, and the folder it serves."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/", folder
        httpd.shutdown()
        thread.join()


def test_the_real_mnist(mnist_place: Path) -> None:
    for split, count in (("train", 60_000), ("test", 10_000)):
        images, labels = mnist.load_mnist(split)
        assert images.shape == (count, 28, 28)
        assert images.dtype == labels.dtype == np.uint8
        assert set(labels) == set(range(10))
    assert mnist.is_mnist_place(mnist_place)


def test_keras_packaging_is_the_same_mnist(
    mnist_place: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {}
    for split in mnist.SPLITS:
        arrays[f"x_{split}"], arrays[f"y_{split}"] = mnist.load_mnist(split, mnist_place)
    keras = nowhere / "keras" / "datasets" / "mnist.npz"
    keras.parent.mkdir(parents=True)
    np.savez(keras, **arrays)
    assert mnist.find_mnist() == keras
    images, labels = mnist.load_mnist("test")
    assert np.array_equal(images, arrays["x_test"])
    assert np.array_equal(labels, arrays["y_test"])
    arrays["y_test"] = arrays["y_test"].copy()
    arrays["y_test"][0] ^= 1
    np.savez(keras, **arrays)
    with pytest.raises(DatasetCorrupt, match=r"mnist\.npz.*expected t10k-labels.*received"):
        mnist.load_mnist("test")


def test_the_variable_must_lead_somewhere(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mnist.VARIABLE, str(nowhere))
    with pytest.raises(DatasetNotFound, match=rf"\${mnist.VARIABLE} is .*expected a folder"):
        mnist.find_mnist()


def test_other_digits_are_not_mnist(fake_place: Path) -> None:
    with pytest.raises(DatasetCorrupt, match=r"train-images-idx3-ubyte.*SHA-256.*received"):
        mnist.load_mnist("train", fake_place)


def test_wrong_magic_wrong_count_and_truncation_are_told_apart(fake_place: Path) -> None:
    path = fake_place / mnist.IMAGES["test"].name
    good = path.read_bytes()
    for bad, said in (
        (b"\0\0\x08\x01" + good[4:], "magic 2051, received 2049"),
        (good[:4] + b"\0\0\0\x07" + good[8:], r"shape \(7, 28, 28\)"),
        (good[:-5], "expected 7,840,016 bytes, received 7,840,011"),
        (gzip.compress(good, 1)[:5000], "breaks off"),
    ):
        path.write_bytes(bad)
        with pytest.raises(DatasetCorrupt, match=said) as caught:
            mnist.load_mnist("test", fake_place)
        assert path.name in str(caught.value)


def test_a_missing_companion_is_named(fake_place: Path) -> None:
    (fake_place / mnist.LABELS["test"].name).unlink()
    assert not mnist.is_mnist_place(fake_place)
    with pytest.raises(DatasetNotFound, match="t10k-labels"):
        mnist.load_mnist("test", fake_place)


def test_npz_without_the_arrays(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, pictures=np.zeros(3))
    with pytest.raises(DatasetInvalid, match=r"x_train and y_train, received \['pictures'\]"):
        mnist.load_mnist("train", path)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.ones((3, 28, 28), np.uint8), np.array(["a", "b", "c"])),
        (np.ones((0, 2**33), np.uint8), np.arange(0)),
        (np.ones((3, 28, 28)), np.arange(3)),
        (np.ones((3, 28, 28), np.uint8), np.arange(6).reshape(3, 2)),
    ],
)
def test_npz_of_other_digits_is_not_taken_for_mnist(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=images, y_train=labels)
    with pytest.raises(DatasetInvalid, match="expected MNIST, images"):
        mnist.load_mnist("train", path)


def test_download_takes_the_next_mirror_and_verifies(
    mnist_place: Path, nowhere: Path, server: tuple[str, Path]
) -> None:
    address, served = server
    for file in ALL_FILES:
        packed = mnist_place / f"{file.name}.gz"
        (served / packed.name).write_bytes(packed.read_bytes())
    cache = mnist.download_mnist(mirrors=(f"{address}absent/", address))
    assert cache == mnist.own_cache() == mnist.find_mnist()
    assert len(mnist.load_mnist("test")[1]) == 10_000
    assert sorted(path.name for path in cache.iterdir()) == sorted(
        f"{file.name}.gz" for file in ALL_FILES
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>sign in</html>", gzip.compress(bytes(10_000))],
    ids=["empty", "a page", "another file"],
)
def test_a_bad_download_never_enters_the_cache(
    content: bytes, nowhere: Path, server: tuple[str, Path]
) -> None:
    address, served = server
    for file in ALL_FILES:
        (served / f"{file.name}.gz").write_bytes(content)
    with pytest.raises(DatasetNotFound) as caught:
        mnist.download_mnist(mirrors=(address,))
    for way in (mnist.VARIABLE, "mnist.npz", "internet", "--dataset optdigits"):
        assert way in str(caught.value)
    assert list(mnist.own_cache().iterdir()) == []

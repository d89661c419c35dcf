"""What people name becomes queries, without an embedder that is any good."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from indexer.build import build_index
from search.cli.show import MAX_ROWS, to_be_drawn
from search.index import DigitIndex
from search.queries import MAX_BYTES, FailedQuery, Query, Reader
from tests.drawings import draw_digit
from tests.embedders import linear_embedder


@pytest.fixture(scope="module")
def tiny(train_set: Dataset, tmp_path_factory: pytest.TempPathFactory) -> DigitIndex:
    folder = tmp_path_factory.mktemp("tiny")
    some = Dataset("some", "train", train_set.images[:300], train_set.labels[:300])
    build_index(some, linear_embedder(), folder, 0)
    return DigitIndex.open(folder)


def failed(reader: Reader, name: Path | str) -> str:
    (query,) = reader.read([str(name)], ())
    assert isinstance(query, FailedQuery)
    return query.error


def test_the_limit_of_pixels_holds_for_pictures_arrays_and_stacks(
    tiny: DigitIndex, tmp_path: Path
) -> None:
    drawing = draw_digit(3, 60, 6).convert("L")
    drawing.save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.asarray(drawing))
    np.save(tmp_path / "stack.npy", tiny.images[np.arange(2)])
    for name in ("a.png", "a.npy"):
        (query,) = Reader(tiny, max_pixels=drawing.width * drawing.height).read(
            [str(tmp_path / name)], ()
        )
        assert isinstance(query, Query)
        error = failed(Reader(tiny, max_pixels=1000), tmp_path / name)
        assert "at most 1,000 pixels" in error
        assert "--max-pixels" in error
    [one, other] = Reader(tiny, max_pixels=783).read([str(tmp_path / "stack.npy")], ())
    assert isinstance(one, FailedQuery)
    assert isinstance(other, FailedQuery)


def test_only_pictures_that_are_drawn_are_kept(tiny: DigitIndex, tmp_path: Path) -> None:
    files = [str(tmp_path / f"{number}.png") for number in range(MAX_ROWS + 2)]
    for file in files:
        draw_digit(3, 60, 6).save(file)
    ids = [tiny.name(0)]
    plain = list(Reader(tiny).read(files, ids))
    for outputs, drawn in (((), 0), ((None, tmp_path / "a.png"), MAX_ROWS)):
        queries = list(to_be_drawn(Reader(tiny).read(files, ids), *outputs))
        assert [len(one.original) > 0 for one in queries] == [True] * drawn + [False] * (
            len(plain) - drawn
        )
        for one, other in zip(queries, plain, strict=True):
            assert np.array_equal(one.image, other.image)
            assert one._replace(image=0, original=0) == other._replace(image=0, original=0)


def test_of_a_huge_file_no_more_is_read_than_tells_its_size(
    tiny: DigitIndex, tmp_path: Path
) -> None:
    """Both are as long as they say, and mostly holes."""
    side = 20_000
    picture, array = tmp_path / "a.pgm", tmp_path / "a.npy"
    picture.write_bytes(b"P5 %d %d 255\n" % (side, side))
    with array.open("wb") as file:
        fields = {"descr": "|u1", "fortran_order": False, "shape": (side, side)}
        np.lib.format.write_array_header_1_0(file, fields)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in (picture, array):
        os.truncate(path, path.stat().st_size + side * side)
        assert "pixels" in failed(Reader(tiny), path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_what_is_no_file_is_not_waited_for(tiny: DigitIndex, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert "or - for stdin, received a pipe" in failed(Reader(tiny), tmp_path / "pipe.png")
    assert "or - for stdin, received a device" in failed(Reader(tiny), "/dev/zero")
    (tmp_path / "long.png").touch()
    os.truncate(tmp_path / "long.png", MAX_BYTES + 1)
    assert "at most 1,073,741,824 bytes" in failed(Reader(tiny), tmp_path / "long.png")


def test_what_is_not_there_is_named(tiny: DigitIndex, tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "absent.png")
    assert "a folder, received a link to nothing" in failed(Reader(tiny), tmp_path / "link.png")
    absent = failed(Reader(tiny), tmp_path / "absent.png")
    assert absent.startswith(f"{tmp_path}/absent.png: expected a picture")
    assert "received the name of no file" in absent
    assert failed(Reader(tiny), "").startswith("'': expected a picture")
    assert "received a pattern that no file matches" in failed(Reader(tiny), "*.nowhere")
    assert "received an address" in failed(Reader(tiny), "https://example.org/7.png")


def test_linked_folders_are_followed_and_read_once(tiny: DigitIndex, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    draw_digit(3, 60, 6).save(elsewhere / "a.png")
    (folder / "link").symlink_to(elsewhere)
    (folder / "twice").symlink_to(elsewhere)
    (folder / "up").symlink_to(folder)
    names = [query.name for query in Reader(tiny).read([str(folder)], ())]
    assert names == [str(folder / "link" / "a.png")]


def test_pictures_in_a_folder_are_read_or_told_of(tiny: DigitIndex, tmp_path: Path) -> None:
    (tmp_path / "further").mkdir()
    draw_digit(3, 60, 6).convert("L").save(tmp_path / "further" / "a.jfif", "JPEG")
    for name in ("a.heic", "b.HEIC", "further/c.svg", ".d.svg"):
        (tmp_path / name).write_bytes(b"picture")
    unread, query = Reader(tiny).read([str(tmp_path)], ())
    assert isinstance(unread, FailedQuery)
    assert unread.error.startswith(f"{tmp_path}: expected pictures in formats such as PNG")
    assert "received 3 in others (.heic, .svg); save them as PNG" in unread.error
    assert query.name == f"{tmp_path}/further/a.jfif"


def test_names_that_are_not_utf8_are_text_in_answers(tiny: DigitIndex, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.png")
    draw_digit(3, 60, 6).save(path)
    (query,) = Reader(tiny).read([path], ())
    assert query.name == f"{tmp_path}/\\xff\n.png"
    (query,) = Reader(tiny).read((), ["\udcff"])
    assert isinstance(query, FailedQuery)
    assert query.name == "\\xff"

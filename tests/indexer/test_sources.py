import numpy as np
import pytest

from indexer.sources import Run, Sources, pack_sources, parse_sources

RUNS = (Run("mnist/train", 0, 100), Run("added", 5, 3), Run("added", 2, 1))


@pytest.fixture
def sources() -> Sources:
    return parse_sources(pack_sources(Sources(RUNS)))


def test_names_and_positions_are_each_other_s_inverse(sources: Sources) -> None:
    names = [sources.name(position) for position in range(104)]
    assert names[:1] == ["mnist/train/0"]
    assert names[99:] == ["mnist/train/99", "added/5", "added/6", "added/7", "added/2"]
    assert [sources.find(name) for name in names] == list(range(104))
    assert len(sources) == 104


@pytest.mark.parametrize(
    "name",
    ["", "mnist", "mnist/train/100", "mnist/test/1", "added/4", "added/8", "added/1",
     "mnist/train/-1", "mnist/train/x", "mnist/train/", "/0", "mnist/train/1/2", "mnist/train/07",
     "added/" + "9" * 5000],
)  # fmt: skip
def test_unknown_names_are_not_found(sources: Sources, name: str) -> None:
    assert sources.find(name) is None


def test_some_of_them_keep_their_names(sources: Sources, rng: np.random.Generator) -> None:
    kept = np.flatnonzero(rng.random(len(sources)) < 0.7)
    few = parse_sources(pack_sources(sources.at(kept)))
    names = [few.name(position) for position in range(len(few))]
    assert names == [sources.name(int(position)) for position in kept]
    assert [few.find(name) for name in names] == list(range(len(kept)))


def test_consecutive_runs_become_one() -> None:
    together = Sources((Run("added", 0, 2),)) + Sources((Run("added", 2, 5), Run("added", 8, 1)))
    assert together.runs == (Run("added", 0, 7), Run("added", 8, 1))
    assert together.examples() == "added/0 to .../6 or added/8"


def test_files_stay_with_their_items(rng: np.random.Generator) -> None:
    files = ["mine/1/a.png", "mine/1/b.png", "mine/7/c d.png", "", "/e.png", "f.png", "f.png"]
    given = Sources.of("mine/train", 0, len(files), files)
    assert [run.folder for run in given.runs] == ["mine/1/", "mine/7/", "", "/", ""]
    both = Sources.of("mnist/train", 0, 9) + given + Sources.of("mine/train", 7, 2, ["g.png"] * 2)
    expected = [None] * 9 + [file or None for file in (*files, "g.png", "g.png")]
    for _ in range(20):
        kept = np.flatnonzero(rng.random(len(both)) < 0.6)
        few = parse_sources(pack_sources(both.at(kept)))
        assert [few.file(row) for row in range(len(few))] == [expected[row] for row in kept]
        assert [few.name(row) for row in range(len(few))] == [both.name(row) for row in kept]
    assert len(both.runs) == 6  # the last two files lie where the two before them do


def test_files_of_none_are_none_however_they_are_said() -> None:
    none = Sources.of("added", 0, 2, ["", ""])
    assert none == Sources.of("added", 0, 2)
    mixed = Sources.of("added", 0, 4, ["", "a.png", "b.png", ""])
    assert mixed.at(np.array([0, 3])).runs == (Run("added", 0, 1), Run("added", 3, 1))


def test_examples_pass_over_files() -> None:
    files = [f"mine/{row % 5}/{row}.png" for row in range(100)]
    sources = Sources.of("mine/train", 0, 100, files) + Sources.of("added", 3, 1, ["x.png"])
    assert sources.examples() == "mine/train/0 to .../99 or added/3"


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (b'"count": 2', b'"count": 3', "expected 3 files"),
        (b'"a.png/b.png"', b"5", "expected names of files"),
        (b'"a.png/b.png"', b'["a.png", "b.png"]', "expected names of files"),
        (b'"a.png/b.png"', rb'"a.png/\udc80"', "expected names of files"),
        (b'"mine/"', b"null", "expected names of files"),
    ],
)
def test_files_that_are_not_one_for_each_are_refused(ours: bytes, theirs: bytes, said: str) -> None:
    content = pack_sources(Sources.of("mine/train", 0, 2, ["mine/a.png", "mine/b.png"]))
    assert ours in content
    with pytest.raises(ValueError, match=said):
        parse_sources(content.replace(ours, theirs))
    with pytest.raises(ValueError, match="expected 3 files"):
        Sources.of("mine/train", 0, 3, ["a.png", "b.png"])


def test_positions_outside_have_no_name(sources: Sources) -> None:
    for position in (-1, 104):
        with pytest.raises(IndexError):
            sources.name(position)

import pytest

from data.errors import UsageError
from indexer.sources import Segment, Sources, pack_sources, parse_sources

SEGMENTS = [Segment("mnist", "train", 0, 100), Segment("mine", "train", 5, 3)]


@pytest.fixture
def sources() -> Sources:
    return parse_sources(pack_sources(SEGMENTS))


def test_names_and_positions_are_each_other_s_inverse(sources: Sources) -> None:
    names = [sources.name(position) for position in range(103)]
    assert (names[0], names[99], names[100], names[102]) == (
        "mnist/train/0",
        "mnist/train/99",
        "mine/train/5",
        "mine/train/7",
    )
    assert [sources.position(name) for name in names] == list(range(103))


@pytest.mark.parametrize(
    "name",
    ["", "mnist", "mnist/train/100", "mnist/test/1", "mine/train/4", "mnist/train/-1",
     "mnist/train/x", "mnist/train/", "/0", "mnist/train/1/2"],
)  # fmt: skip
def test_unknown_names_are_refused_with_an_example(sources: Sources, name: str) -> None:
    with pytest.raises(UsageError, match="mnist/train/0"):
        sources.position(name)


def test_positions_outside_have_no_name(sources: Sources) -> None:
    with pytest.raises(IndexError):
        sources.name(103)

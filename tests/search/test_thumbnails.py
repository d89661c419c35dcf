import io
import re
from pathlib import Path

import numpy as np
import pytest

from search.thumbnails import can_show, has_greys, side_by_side, thumbnail
from tests.conftest import Run
from tests.drawings import draw_digit


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "width", "expected"),
    [
        (Terminal("utf-8"), {"TERM": "xterm"}, 80, True),
        (Terminal("utf-8"), {"TERM": "dumb"}, 80, False),
        (Terminal("utf-8"), {}, 80, False),
        (Terminal("ascii"), {"TERM": "xterm"}, 80, False),
        (Terminal("utf-8"), {"TERM": "xterm"}, 30, False),
        (io.TextIOWrapper(io.BytesIO(), "utf-8"), {"TERM": "xterm"}, 80, False),
    ],
)
def test_only_a_terminal_that_can_shows_them(
    stream: io.TextIOWrapper, environment: dict[str, str], width: int, expected: bool
) -> None:
    assert can_show(stream, environment, width) is expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, True),
        ({"TERM": "xterm"}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    ],
)
def test_greys_where_there_are_colours(environment: dict[str, str], expected: bool) -> None:
    assert has_greys(environment) is expected


def test_blocks_are_where_ink_is() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[4:6, 2:4] = 255  # pixel (2, 1) of 14 x 14: the upper half of line 1
    image[26:28, 26:28] = 255  # pixel (13, 13): the lower half of line 6
    lines = thumbnail(image, greys=False)
    assert [line.rstrip() for line in lines] == ["", " ▀", "", "", "", "", " " * 13 + "▄"]
    assert all(len(line) == 14 for line in lines)
    assert lines == thumbnail(image / np.float32(255), greys=False)


def test_greys_follow_the_ink_and_end_on_every_line() -> None:
    image = np.linspace(0, 1, 784, dtype=np.float32).reshape(28, 28)
    for line in thumbnail(image, greys=True):
        shades = [(int(a), int(b)) for a, b in re.findall(r"38;5;(\d+);48;5;(\d+)m▀", line)]
        assert len(shades) == 14
        assert all(232 <= above <= below <= 255 for above, below in shades)
        assert line.endswith("\x1b[0m")


def test_as_many_side_by_side_as_fit() -> None:
    full = np.ones((28, 28), np.float32)
    lines = list(side_by_side([(full, f"digit {n}") for n in range(5)], 44, greys=False))
    assert len(lines) == 2 * 8
    assert lines[7].split() == ["digit", "0", "digit", "1", "digit", "2"]
    assert lines[15].split() == ["digit", "3", "digit", "4"]
    assert max(map(len, lines)) == 44


def test_in_tables_when_asked_for(digits: Run, plain_folder: Path, tmp_path: Path) -> None:
    draw_digit(3).save(tmp_path / "three.png")
    asked = ("search", tmp_path / "three.png", "-k", 2, "--index", plain_folder)
    environment = {"NO_COLOR": "1", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    shown = digits(*asked, "--format", "table", "--thumbnails", "on", env=environment).stdout
    assert "█" in shown
    assert "\x1b" not in shown
    captions = next(line for line in shown.splitlines() if line.startswith("query"))
    assert len(re.findall(r"[12]: \d", captions)) == 2
    assert "█" not in digits(*asked, "--format", "table").stdout  # not a terminal
    assert "█" not in digits(*asked, "--thumbnails", "on").stdout  # JSON
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    done = digits(*asked, "--format", "table", "--thumbnails", "on", env=ascii_only)
    assert done.returncode == 2
    assert "UTF-8" in done.stderr

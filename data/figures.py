"""Matplotlib figures: the one place that knows which backend, theme and colours plots use."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import MissingExtra
from data.files import check_writable, make_folder, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "Blues"
# Okabe and Ito: told apart by every eye.
NEUTRAL, RIGHT, WRONG = "#0072B2", "#009E73", "#D55E00"
HUES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B5A900", "#888888")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")  # a class has a hue, and a marker where hues run out
DARK: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), "#dddddd"),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color"), "#dddddd"),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "#16181d"),
}


@contextlib.contextmanager
def theme(*, dark: bool) -> Iterator[None]:
    """Draw what is drawn meanwhile on dark paper, or on white.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib

    with matplotlib.rc_context(DARK if dark else {}):
        yield


def require_matplotlib() -> None:
    """Make sure that figures can be drawn, before anything slow begins.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise MissingExtra("plots need matplotlib: pip install 'digit-search[plot]'") from exc


def require_plots(folder: Path) -> None:
    """Make sure that figures can be drawn into a folder, before anything slow begins.

    Raises:
        MissingExtra: matplotlib is not installed.
        StorageError: the folder cannot be written.
    """
    require_matplotlib()
    make_folder(folder)
    check_writable(folder)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` inches.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, folder: Path, name: str) -> Path:
    """Write `folder/name.png` and return its path.

    Raises:
        StorageError: the folder cannot be written.
    """
    make_folder(folder)
    path = folder / f"{name}.png"
    write_whole(path, png_of(figure))
    return path


def png_of(figure: Figure) -> bytes:
    """The figure as the content of a PNG file; what is written on it is text, never TeX."""
    import matplotlib
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_text(legible(text.get_text()))
    file = io.BytesIO()
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names too long to be laid out
        figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def legible(text: str) -> str:
    """`text` with each sign that cannot be seen, or that the font lacks, as its code point."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(
        sign
        if sign == "\n" or (ord(sign) in known and sign.isprintable())
        else sign.encode("unicode_escape").decode()
        for sign in text
    )


def figure_saying(text: str) -> Figure:
    """A figure of a line of text, where there is nothing to draw.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(4, 1.4)
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def draw_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """A training run: one panel for each quantity recorded per epoch, members' losses in one.

    Args:
        history: a record per epoch, at least one.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    recorded = [name for name in history[0] if name not in ("epoch", "seconds")]
    members = [name for name in recorded if name.endswith("_loss")]
    names = [name for name in recorded if name not in members]
    figure = new_figure(4 * len(names), 3)
    epochs = [record["epoch"] for record in history]
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        lines = [name, *members] if name == "loss" else [name]
        for line, hue in zip(lines, cycle(HUES)):
            values = [record[line] for record in history]
            axes.plot(epochs, values, marker="o", color=hue, label=line.replace("_", " "))
        if len(lines) > 1:
            axes.legend()
        axes.set_xlabel("epoch")
        unit = "share" if "accuracy" in name else "no unit"
        axes.set_ylabel(f"{name.replace('_', ' ')} ({unit})")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if len(epochs) == 1:
            axes.set_xticks(epochs)
        if unit == "share":
            axes.set_ylim(top=min(1.0, axes.get_ylim()[1]))
        axes.grid(alpha=0.3)
    return figure


def draw_digit(axes: Any, image: np.ndarray, title: str = "", colour: str | None = None) -> None:
    """One digit (28, 28) on `axes`, with nothing around it but a title."""
    axes.imshow(image, cmap=INK)
    axes.set_title(title, fontsize=9, **({"color": colour} if colour else {}))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_pairs(
    folder: Path, name: str, images: np.ndarray, titles: list[str], colours: list[str]
) -> Path:
    """Pairs of digits, one above the other; images is (n, 2, 28, 28)."""
    figure = new_figure(1.2 * len(images), 3)
    grid = figure.subplots(2, len(images), squeeze=False)
    for column, (pair, title, colour) in enumerate(zip(images, titles, colours, strict=True)):
        draw_digit(grid[0, column], pair[0], title, colour)
        draw_digit(grid[1, column], pair[1])
    return save_figure(figure, folder, name)

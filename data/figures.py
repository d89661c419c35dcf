"""Save matplotlib figures: the one place that knows which backend, folder and colours plots use."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import MissingExtra
from data.files import make_folder, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "Blues"
NEUTRAL, RIGHT, WRONG = "#0072B2", "#009E73", "#D55E00"  # Okabe and Ito: told apart by every eye


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` inches.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtra("plots need matplotlib: pip install 'digit-search[plot]'") from exc
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, folder: Path, name: str) -> Path:
    """Write `folder/name.png` and return its path.

    Raises:
        StorageError: the folder cannot be written.
    """
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    make_folder(folder)
    path = folder / f"{name}.png"
    write_whole(path, file.getvalue())
    return path


def draw_digit(axes: Any, image: np.ndarray, title: str = "", colour: str = "black") -> None:
    """One digit (28, 28) on `axes`, with nothing around it but a title."""
    axes.imshow(image, cmap=INK)
    axes.set_title(title, color=colour, fontsize=9)
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

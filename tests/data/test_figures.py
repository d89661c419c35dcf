"""What plots show, asked of matplotlib's own objects."""

import io

import pytest
from PIL import Image

from data.figures import draw_curves, legible, new_figure, png_of

LOSSES = {"loss": 3.0, "member_0_loss": 1.0, "member_1_loss": 2.0}


def test_members_losses_share_a_panel_with_their_sum() -> None:
    history = [
        {"epoch": epoch, **LOSSES, "val_knn_accuracy": 0.5, "seconds": 1.0} for epoch in (1, 2)
    ]
    figure = draw_curves(history)
    losses, accuracy = figure.axes
    assert [line.get_ydata().tolist() for line in losses.lines] == [[3, 3], [1, 1], [2, 2]]
    assert [text.get_text() for text in losses.get_legend().get_texts()] == [
        "loss", "member 0 loss", "member 1 loss",
    ]  # fmt: skip
    assert len(accuracy.lines) == 1
    assert accuracy.get_legend() is None


@pytest.mark.parametrize("name", ["$\\bad{$", "a^b_$", "\u4e03", "\U0001f600"])
def test_names_are_drawn_as_text_whatever_they_mean_to_tex(name: str) -> None:
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.set_title(name)
    axes.set_xticks([0], [name])
    with Image.open(io.BytesIO(png_of(figure))) as drawn:
        assert drawn.size == (330, 220)
    assert axes.get_title() == legible(name)


def test_signs_that_cannot_be_drawn_are_spelled() -> None:
    assert legible("caf\u00e9 \u2717\nnext") == "caf\u00e9 \u2717\nnext"
    assert legible("\u4e03 seven") == "\\u4e03 seven"
    assert legible("\u202e3") == "\\u202e3"

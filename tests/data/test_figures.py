"""What plots show, asked of matplotlib's own objects."""

from data.figures import draw_curves

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

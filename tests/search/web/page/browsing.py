"""What is done with the page in a real browser, as a person would."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.drawings import STROKES, smooth
from tests.search.web.serving import Client

SAMPLES = Path(__file__).parents[4] / "docs" / "samples"
PHONE = {"width": 360, "height": 740}
VIEWS = ("#draw", "#map", "#compare", "docs")
PATIENCE = 120_000  # ms; a loaded machine is slow, but nothing here waits in vain
Open = Callable[..., Page]
Serve = Callable[..., Client]


def draw(page: Page, label: int, pad: str = "#pad", answer: str = "#answer") -> None:
    """Draw a digit with the mouse, as a hand would, and wait for the answer."""
    for stroke in STROKES[label]:
        press(page, stroke, pad)
        page.mouse.up()
    expect(page.locator(answer)).to_have_attribute("aria-busy", "false", timeout=PATIENCE)


def press(
    page: Page,
    stroke: list[tuple[float, float]],
    pad: str = "#pad",
    left: float = 0.2,
    width: float = 0.6,
) -> None:
    """Draw a stroke on a part of the pad, in shares of its width; the button stays down."""
    box = page.locator(pad).bounding_box()
    assert box
    points = [
        (box["x"] + box["width"] * (left + width * x), box["y"] + box["height"] * (0.2 + 0.6 * y))
        for x, y in smooth(stroke)[::20]
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)


def says(page: Page, place: str, text: str) -> None:
    expect(page.locator(place)).to_contain_text(text, timeout=PATIENCE)


def drag(page: Page, *files: Path, to: str = "drop") -> None:
    """Drag files from the desktop onto the page, up to an event of this type."""
    over = {
        "x": 300,
        "y": 300,
        "data": {"items": [], "files": [*map(str, files)], "dragOperationsMask": 1},
    }
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **over})
        if kind == to:
            break


def drop(page: Page, file: Path) -> None:
    content = base64.b64encode(file.read_bytes()).decode()
    page.evaluate(
        """([content, name]) => {
          const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name));
          document.body.dispatchEvent(
            new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        [content, file.name],
    )

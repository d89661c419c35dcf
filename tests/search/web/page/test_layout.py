"""What lies where on the page, on screens of many sizes."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.drawings import draw_digit
from tests.search.web.page.browsing import PATIENCE, SAMPLES, VIEWS, Open, draw, says
from tests.search.web.serving import Client

WIDTHS = (320, 360, 412, 600, 700, 740, 780, 800, 900, 1024, 1100, 1280, 1600)
# What is read and looked at, as boxes: lines of text, pictures, and as much of either as is shown
# where the rest is cut off on purpose; and of these, which stick out or lie on another.
MISPLACED = """() => {
  const width = document.body.offsetWidth;
  const wrong = document.documentElement.scrollWidth > width ? ["the page scrolls sideways"] : [];
  const found = [];
  function find(what, box, holder) {
    let { left, top, right, bottom } = box;
    const room = holder.getBoundingClientRect();
    if (getComputedStyle(holder).overflow !== "visible") {
      [left, right] = [Math.max(left, room.left), Math.min(right, room.right)];
      [top, bottom] = [Math.max(top, room.top), Math.min(bottom, room.bottom)];
    }
    const sticksOut = left < room.left - 1 || right > room.right + 1 || left < 0 || right > width;
    if (sticksOut) wrong.push(`${what} sticks out`);
    found.push({ what, holder, left, top, right, bottom });
  }
  const every = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  while (every.nextNode()) {
    const node = every.currentNode;
    const holder = node.parentElement;
    const isHidden = !holder.checkVisibility() || holder.closest(".unseen, .skip, .hint, .boxes, select");
    if (isHidden || (node.data ?? "x").trim() === "") continue;
    if (node.matches?.("img, canvas:not([inert])")) find(holder.className, node.getBoundingClientRect(), holder);
    if (!node.data) continue;
    const range = document.createRange();
    range.selectNode(node);
    for (const line of range.getClientRects()) find(node.data, line, holder);
  }
  found.forEach((one, place) => {
    for (const other of found.slice(place + 1)) {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (across > 1 && down > 1 && one.holder !== other.holder) wrong.push(`${one.what} lies on ${other.what}`);
    }
  });
  return wrong;
}"""  # noqa: E501


def misplaced(page: Page) -> dict[int, list[str]]:
    """What is wrong on screens of each width, by the width."""
    wrong = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wrong[width] = page.evaluate(MISPLACED)
    return {width: said for width, said in wrong.items() if said}


@pytest.mark.parametrize("view", [*VIEWS, "several"])
def test_everything_has_room_on_every_screen(view: str, site: Client, visit: Open) -> None:
    page = visit(site.url + ("" if view == "several" else view))
    if view == "several":
        page.set_input_files("#file", SAMPLES / "2026-string.jpg")
        expect(page.locator("#rows li")).to_have_count(4, timeout=PATIENCE)
    elif view == "#compare":
        draw(page, 3, "#side-a .pad", "#judged")
        draw(page, 0, "#side-b .pad", "#judged")
        says(page, "#same", "Different")
        draw(page, 0, "#side-a .pad", "#judged")
    elif view == "docs":
        says(page, "#docs", "/healthz")
    else:
        page.goto(f"{site.url}#draw")
        draw(page, 3)
        says(page, "#name", "3")
        page.goto(site.url + view)
    page.wait_for_load_state("networkidle")
    assert not misplaced(page)


def test_a_picture_fits_its_frame_however_it_is_turned(
    site: Client, visit: Open, tmp_path: Path
) -> None:
    page = visit(site.url)
    frame = page.locator(".draw .frame").bounding_box()
    assert frame
    for width, height in ((300, 400), (400, 300), (100, 900)):
        picture = Image.new("L", (width, height), 255)
        picture.paste(draw_digit(3, 90, 6), (5, height - 95))
        picture.save(tmp_path / "three.png")
        page.set_input_files("#file", tmp_path / "three.png")
        expect(page.locator("#asked")).to_have_text("three.png", timeout=PATIENCE)
        page.wait_for_function(
            "(width) => document.querySelector('#picture img').naturalWidth === width", arg=width
        )
        shown = page.locator("#picture img").bounding_box()
        assert shown
        assert abs(shown["width"] / shown["height"] - width / height) < 0.02
        assert abs(max(shown["width"], shown["height"]) - frame["width"]) < 3
        assert shown["y"] >= frame["y"]


def test_what_is_told_fits_a_phone_and_gives_the_focus_back(site: Client, visit: Open) -> None:
    page = visit(site.url, viewport={"width": 320, "height": 640})
    page.evaluate("""async () => {
      const { tell } = await import("/page/dom.js");
      tell("Stored as added/0, named 7.", { label: "Undo", run() {} });
    }""")
    button = page.locator("#toast button")
    box = button.bounding_box()
    assert box
    assert box["width"] > box["height"]
    button.click()
    assert page.evaluate("document.activeElement.id") == "view"

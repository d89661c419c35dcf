"""What lies where on the page, on screens of many sizes."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.drawings import draw_digit
from tests.search.web.page.browsing import PATIENCE, Open
from tests.search.web.serving import Client


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

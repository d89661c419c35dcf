"""What is asked about, and that an answer is never taken for another question's."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.drawings import draw_digit
from tests.search.web.page.browsing import PATIENCE, SAMPLES, Open, drag, draw, drop, says
from tests.search.web.serving import Client

DRAWN = "() => document.querySelector('#pad').toDataURL()"


def fail(page: Page) -> None:
    """From now on the server does not answer."""
    page.route("**/api/classify*", lambda route: route.abort())


def test_no_verdict_is_about_a_drawing_that_is_gone(site: Client, visit: Open) -> None:
    page = visit(f"{site.url}#compare")
    draw(page, 3, "#side-a .pad", "#judged")
    says(page, "#side-a .seen", "3")
    fail(page)
    page.click("#side-a button")
    draw(page, 0, "#side-a .pad", "#judged")
    says(page, "#same", "No answer")
    says(page, "#live", "No answer")
    page.unroute("**/api/classify*")
    draw(page, 3, "#side-b .pad", "#judged")
    says(page, "#same", "Different")


def test_nothing_is_added_before_its_answer(own_site: Client, visit: Open) -> None:
    page = visit(own_site.url)
    button = page.locator("#correct button")
    draw(page, 3)
    expect(button).to_be_enabled(timeout=PATIENCE)
    held: list[Route] = []
    page.route("**/api/classify*", lambda route: held.append(route))
    page.focus("#pad")
    with page.expect_request("**/api/classify*"):
        page.keyboard.press("Space")
    expect(button).to_be_disabled()
    page.select_option("#label", "7")
    held[0].continue_()
    expect(button).to_be_enabled(timeout=PATIENCE)
    assert page.locator("#label").input_value() == "7"


def test_the_address_and_the_question_agree(site: Client, visit: Open) -> None:
    page = visit(site.url)
    draw(page, 0)
    says(page, "#name", "0")
    page.locator("#neighbours button").first.click()
    says(page, "#asked", "/train/")
    address, drawn = page.url, page.evaluate(DRAWN)
    drop(page, SAMPLES / "7-photo.jpg")
    says(page, "#asked", "7-photo.jpg")
    expect(page.locator("#clear")).to_be_disabled()
    expect(page.locator("#undo-stroke")).to_be_disabled()
    says(page, "#name", "7")
    page.locator("#neighbours button:enabled").first.click()
    says(page, "#asked", "/train/")
    page.go_back()
    says(page, "#asked", "7-photo.jpg")
    page.go_back()
    expect(page).to_have_url(address)
    says(page, "#asked", "/train/")
    drop(page, SAMPLES / "7-photo.jpg")
    says(page, "#asked", "7-photo.jpg")
    page.click("#back")
    says(page, "#asked", "With mouse")
    assert page.evaluate(DRAWN) == drawn
    says(page, "#name", "0")


def test_keys_do_what_they_say(site: Client, visit: Open) -> None:
    page = visit(f"{site.url}#map")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#map")
    page.goto(f"{site.url}#draw")
    page.focus("#pad")
    for key in ("Space", "ArrowDown", "Space", "ArrowRight", "Space", "ArrowDown", "Backspace"):
        page.keyboard.press(key)
    page.evaluate("document.querySelector('#pad').blur()")
    before = page.evaluate(DRAWN)
    page.focus("#pad")
    page.keyboard.press("ArrowRight")
    page.evaluate("document.querySelector('#pad').blur()")
    assert page.evaluate(DRAWN) == before
    left = """(place) => !document.querySelector(place).dispatchEvent(new KeyboardEvent(
        "keydown", { key: "ArrowLeft", altKey: true, cancelable: true }))"""
    assert not page.evaluate(left, "#pad")
    assert not page.evaluate(left, "#plane")


def test_what_failed_recovers(site: Client, visit: Open) -> None:
    page = visit(site.url)
    draw(page, 3)
    says(page, "#name", "3")
    fail(page)
    draw(page, 3)
    says(page, "#headline", "No answer")
    expect(page.locator("#detail")).to_have_text(
        "The server does not answer. Is it still running?", timeout=PATIENCE
    )
    page.route("**/api/info", lambda route: route.abort())
    page.click("nav a[href='#map']")
    says(page, "#map-failure", "does not answer")
    says(page, "#map-note", "Stored digits")
    expect(page.locator("#pointed-text")).not_to_contain_text("Yours", timeout=PATIENCE)
    page.unroute("**/api/info")
    page.unroute("**/api/classify*")
    page.click("nav a[href='#draw']")
    expect(page.locator("#headline")).not_to_have_text("No answer", timeout=PATIENCE)
    page.click("nav a[href='#map']")
    expect(page.locator("#map-failure")).to_have_text("", timeout=PATIENCE)


def test_files_are_told_by_what_is_in_them(site: Client, visit: Open, tmp_path: Path) -> None:
    page = visit(site.url)
    (tmp_path / "empty.png").touch()
    drop(page, tmp_path / "empty.png")
    says(page, "#toast", "This file is empty.")
    photo = (SAMPLES / "7-photo.jpg").read_bytes()
    page.set_input_files("#file", {"name": "7.txt", "mimeType": "text/plain", "buffer": photo})
    says(page, "#name", "7")


def test_a_picture_of_too_many_pixels_is_made_smaller(
    site: Client, visit: Open, tmp_path: Path
) -> None:
    see_through = Image.new("LA", (6000, 5000))
    ink = draw_digit(3, 4000, 300, ink="white", paper="black").convert("L")
    see_through.paste(Image.merge("LA", (Image.new("L", ink.size), ink)), (1000, 500))
    see_through.save(tmp_path / "large.png", compress_level=1)
    page = visit(site.url)
    page.set_input_files("#file", tmp_path / "large.png")
    says(page, "#name", "3")


def test_a_neighbour_can_be_asked_about_again(site: Client, visit: Open) -> None:
    page = visit(site.url)
    draw(page, 0)
    says(page, "#name", "0")
    nearest = page.locator("#neighbours .id").first.inner_text()
    for _ in range(2):
        expect(page.locator("#neighbours .id").first).to_have_text(nearest, timeout=PATIENCE)
        page.locator("#neighbours button").first.click()
        says(page, "#asked", nearest)
        page.click("#back")
        says(page, "#asked", "With mouse")


def test_a_stroke_that_is_undone_does_not_go_on(site: Client, visit: Open) -> None:
    page = visit(site.url)
    draw(page, 0)
    before = page.evaluate(DRAWN)
    box = page.locator("#pad").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 20, box["y"] + 90)
    page.keyboard.press("Control+z")
    page.mouse.move(box["x"] + 90, box["y"] + 90)
    page.mouse.up()
    assert page.evaluate(DRAWN) == before


def test_files_are_taken_where_they_are_asked_about(
    site: Client, visit: Open, tmp_path: Path
) -> None:
    page = visit(site.url)
    lit, photo, folder = page.locator("body.dropping"), SAMPLES / "7-photo.jpg", tmp_path / "folder"
    folder.mkdir()
    for view in ("#map", "#compare"):
        page.goto(site.url + view)
        drag(page, photo, to="dragOver")
        expect(lit).to_have_count(0)
        drag(page, photo)
    page.goto(f"{site.url}#draw")
    drag(page, photo, to="dragOver")
    expect(lit).to_have_count(1)
    says(page, "#asked", "With mouse")
    drag(page, folder)
    expect(lit).to_have_count(0)
    says(page, "#toast", "This cannot be read. Is it a folder?")
    drag(page, photo, SAMPLES / "2026-string.jpg")
    says(page, "#toast", "Only the first of these 2 files is asked about: 7-photo.jpg.")
    says(page, "#name", "7")

"""The page in a real browser: drawn on with the mouse, looked at, read as a screen reader would."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from data.dataset import Dataset
from indexer.build import build_index
from search.web.access import Access
from tests.drawings import STROKES
from tests.embedders import linear_embedder
from tests.samples import samples
from tests.search.web.page.browsing import (
    PATIENCE,
    PHONE,
    SAMPLES,
    VIEWS,
    Open,
    Serve,
    draw,
    drop,
    press,
    says,
)
from tests.search.web.serving import Client


def test_a_3_that_is_drawn_is_named(site: Client, visit: Open) -> None:
    page = visit(site.url)
    says(page, "#headline", "Nothing to name")
    draw(page, 3)
    says(page, "#name", "3")
    says(page, "#headline", "% sure")
    says(page, "#live", "3, ")
    assert page.locator("#votes .winner .class").inner_text() == "3"
    near = page.locator("#neighbours button:enabled")
    assert near.count() == page.locator("#neighbours li").count() > 0
    distances = [float(one) for one in near.locator(".distance").all_inner_texts()]
    assert distances == sorted(distances)
    first = near.first.locator("img")
    page.wait_for_function("(image) => image.naturalWidth === 28", arg=first.element_handle())
    assert page.evaluate("document.querySelector('#saw').getContext('2d').getImageData(0, 0, 28, 28).data.some((one, at) => at % 4 === 0 && one > 200)")  # fmt: skip # noqa: E501
    page.click("#undo-stroke")
    says(page, "#headline", "Nothing to name")
    assert page.locator("#name").inner_text() == "–"
    draw(page, 3)
    says(page, "#name", "3")
    page.click("#clear")
    says(page, "#headline", "Nothing to name")


def test_a_tap_is_a_dot(site: Client, visit: Open) -> None:
    page = visit(site.url)
    box = page.locator("#pad").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    says(page, "#headline", "Not a digit")
    inked = """() => { const pad = document.querySelector("#pad"); const { width } = pad;
        const { data } = pad.getContext("2d").getImageData(0, 0, width, width);
        return data.filter((one, at) => at % 4 === 3 && one > 200).length / width / width; }"""
    assert 0.002 < page.evaluate(inked) < 0.006  # of the pad: a circle as wide as a stroke


def test_the_keyboard_draws_too(site: Client, visit: Open) -> None:
    page = visit(site.url)
    page.focus("#pad")
    page.keyboard.press("Space")
    for _ in range(14):
        page.keyboard.press("ArrowDown")
    says(page, "#headline", "")
    expect(page.locator("#headline")).not_to_have_text("Nothing to name", timeout=PATIENCE)
    page.keyboard.press("Delete")
    says(page, "#headline", "Nothing to name")


def test_a_photo_that_is_dropped_is_named(site: Client, visit: Open) -> None:
    page = visit(site.url)
    photo = SAMPLES / "7-photo.jpg"
    answer = site.post("/api/classify", photo.read_bytes()).json
    drop(page, photo)
    says(page, "#asked", photo.name)
    says(page, "#name", str(answer["label"]))
    expect(page.locator("#picture .box")).to_have_count(1, timeout=PATIENCE)
    page.get_by_role("button", name="Back to drawing").click()
    says(page, "#headline", "Nothing to name")


def test_several_digits_are_several_rows_and_boxes(site: Client, visit: Open) -> None:
    page = visit(site.url)
    string = SAMPLES / "2026-string.jpg"
    answers = site.post("/api/classify", string.read_bytes()).json
    page.set_input_files("#file", string)
    expect(page.locator("#rows li")).to_have_count(4, timeout=PATIENCE)
    expect(page.locator("#picture .box")).to_have_count(4, timeout=PATIENCE)
    names = [f"{one['label']}{'?' if one['reason'] else ''}" for one in answers]
    assert page.locator("#rows .name").all_inner_texts() == names
    picture = page.locator("#picture img").bounding_box()
    box = page.locator("#picture .box").nth(1).bounding_box()
    assert picture
    assert box
    scale = picture["width"] / 440
    assert abs(box["x"] - picture["x"] - answers[1]["box"][0] * scale) < 2
    assert abs(box["width"] - answers[1]["box"][2] * scale) < 2
    said = "".join("?" if one["reason"] else str(one["label"]) for one in answers)
    assert page.locator("#reading").inner_text() == f"Reads {said}"
    page.locator("#rows button").nth(3).click()
    says(page, "#name", str(answers[3]["label"]))


def test_rows_wait_until_the_pen_is_lifted(site: Client, visit: Open) -> None:
    page = visit(site.url)
    answered = expect(page.locator("#answer"))
    for stroke in STROKES[0]:
        press(page, stroke, left=0.05, width=0.35)
        page.mouse.up()
    for stroke in STROKES[1]:
        press(page, stroke, left=0.65, width=0.3)
        answered.to_have_attribute("aria-busy", "false", timeout=PATIENCE)
        expect(page.locator("#rows li")).to_have_count(0)
        page.mouse.up()
    expect(page.locator("#rows li")).to_have_count(2, timeout=PATIENCE)
    says(page, "#reading", "Reads 01")
    page.locator("#rows button").nth(1).click()
    says(page, "#name", "1")


def test_a_late_answer_to_half_a_stroke_brings_no_rows(site: Client, visit: Open) -> None:
    page = visit(site.url)
    answered = expect(page.locator("#answer"))
    press(page, STROKES[0][0], left=0.05, width=0.35)
    page.mouse.up()
    press(page, STROKES[1][0], left=0.65, width=0.3)
    answered.to_have_attribute("aria-busy", "false", timeout=PATIENCE)
    held: list[Route] = []
    page.route("**/api/classify*", lambda route: held.append(route))
    box = page.locator("#pad").bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.78 * box["height"])
    wait_for(page, held, 1)
    page.mouse.up()
    held[0].continue_()
    wait_for(page, held, 2)
    expect(page.locator("#rows li")).to_have_count(0)
    held[1].continue_()
    expect(page.locator("#rows li")).to_have_count(2, timeout=PATIENCE)


def wait_for(page: Page, held: list[Route], count: int) -> None:
    """Wait until so many requests were held."""
    for _ in range(PATIENCE // 50):
        if len(held) >= count:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{len(held)} requests, not {count}")


def test_a_neighbour_that_is_clicked_is_the_next_query(site: Client, visit: Open) -> None:
    page = visit(site.url)
    draw(page, 0)
    says(page, "#name", "0")
    button = page.locator("#neighbours button").first
    name = button.locator(".id").inner_text()
    button.click()
    says(page, "#asked", name)
    answer = site.post(f"/api/classify?id={name}").json
    says(page, "#neighbours li:first-child .id", answer["neighbours"][0]["id"])
    page.go_back()
    says(page, "#asked", "With mouse")
    says(page, "#neighbours li:first-child .id", name)


def test_the_map_shows_the_query_and_what_is_pointed_at(site: Client, visit: Open) -> None:
    page = visit(site.url)
    draw(page, 3)
    says(page, "#name", "3")
    page.click("nav a[href='#map']")
    says(page, "#pointed-text", "Yours, named 3")
    page.focus("#plane")
    page.keyboard.press("ArrowLeft")
    says(page, "#pointed-text", "/train/")
    said = page.locator("#pointed-text").inner_text()
    page.keyboard.press("Enter")
    says(page, "#asked", said.partition(" · ")[2])


def test_a_finger_points_with_one_tap_and_opens_with_another(site: Client, visit: Open) -> None:
    page = visit(f"{site.url}#map", viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_load_state("networkidle")
    box = page.locator("#plane").bounding_box()
    assert box
    for down in np.linspace(0.1, 0.9, 33):
        place = (box["x"] + box["width"] / 2, box["y"] + box["height"] * down)
        page.touchscreen.tap(*place)
        said = page.locator("#pointed-text").inner_text()
        if "/train/" in said:
            break
    assert page.url.endswith("#map")
    page.touchscreen.tap(*place)
    says(page, "#asked", said.partition(" · ")[2])


def test_two_drawings_are_compared(site: Client, visit: Open) -> None:
    page = visit(f"{site.url}#compare")
    threshold = site.get("/api/info").json["pair_threshold"]
    draw(page, 3, "#side-a .pad", "#judged")
    draw(page, 3, "#side-b .pad", "#judged")
    says(page, "#same", "Same")
    says(page, "#same-detail", f"up to {threshold:.2f} they are the same")
    page.locator("#side-b button").click()
    says(page, "#side-b .seen", "No digit")
    draw(page, 0, "#side-b .pad", "#judged")
    says(page, "#same", "Different")


def test_a_phone_scrolls_only_down_and_nothing_moves(site: Client, visit: Open) -> None:
    page = visit(site.url, viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_timeout(300)
    page.evaluate("""() => {
      window.moved = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((one) => { moved += one.value; }))
        .observe({ type: "layout-shift" });
    }""")
    draw(page, 3)
    says(page, "#name", "3")
    page.wait_for_timeout(300)
    assert page.evaluate("moved") < 0.01
    for view in VIEWS:
        page.goto(site.url + view)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_seriously_inaccessible(scheme: str, site: Client, visit: Open) -> None:
    page = visit(site.url, color_scheme=scheme)
    page.set_input_files("#file", SAMPLES / "2026-string.jpg")
    expect(page.locator("#rows li")).to_have_count(4, timeout=PATIENCE)
    for view in VIEWS:
        if view != "#draw":
            page.goto(site.url + view)
            page.wait_for_timeout(200)
        found = Axe().run(page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not [(view, one["id"], one["nodes"][0]["html"]) for one in serious]


def test_what_the_camera_sees_is_named(site: Client, visit: Open) -> None:
    page = visit(site.url, permissions=["camera"])
    page.click("#camera")
    expect(page.locator("#viewfinder")).to_be_visible(timeout=PATIENCE)
    page.wait_for_function("document.querySelector('#video').videoWidth > 0")
    page.click("#shoot")
    expect(page.locator("#viewfinder")).to_be_hidden(timeout=PATIENCE)
    says(page, "#name", "7")
    page.wait_for_function("document.querySelector('#video').srcObject === null")


def test_a_camera_that_is_not_allowed(site: Client, visit: Open) -> None:
    page = visit(site.url, permissions=[])
    page.click("#camera")
    says(page, "#toast", "not allowed")
    expect(page.locator("#viewfinder")).to_be_hidden(timeout=PATIENCE)


def test_what_is_added_can_be_taken_back(own_site: Client, visit: Open) -> None:
    page = visit(own_site.url)
    draw(page, 3)
    says(page, "#name", "3")
    page.select_option("#label", "7")
    page.click("#correct button")
    says(page, "#toast", "Stored as added/0, named 7.")
    says(page, "#neighbours li:first-child .id", "added/0")
    count = own_site.get("/api/info").json["count"]
    says(page, "#facts", f"{count:,} digits")
    page.select_option("#label", "1")
    page.click("#correct button")
    says(page, "#toast", "stored as 7")  # refused; what was stored can still be taken back
    page.locator("#toast button").click()
    says(page, "#toast", "Taken back")
    says(page, "#facts", f"{count - 1:,} digits")
    expect(page.locator("#neighbours li:first-child .id")).not_to_have_text(
        "added/0", timeout=PATIENCE
    )


def test_what_others_changed_is_not_taken_back(own_site: Client, visit: Open) -> None:
    page = visit(own_site.url)
    draw(page, 3)
    says(page, "#name", "3")
    page.click("#correct button")
    says(page, "#toast", "Stored as added/0")
    own_site.post("/api/items?label=4", (SAMPLES / "7-photo.jpg").read_bytes())
    count = own_site.get("/api/info").json["count"]
    page.locator("#toast button").click()
    says(page, "#toast", "the index has changed since")
    expect(page.locator("#toast button")).to_have_count(0)
    says(page, "#facts", f"{count:,} digits")
    assert own_site.get("/api/info").json["count"] == count
    page.select_option("#label", "1")
    page.click("#correct button")
    says(page, "#toast", "stored as 3")
    expect(page.locator("#toast button")).to_have_count(0)


def test_an_undo_that_fails_is_offered_again(own_site: Client, visit: Open) -> None:
    page = visit(own_site.url)
    draw(page, 3)
    says(page, "#name", "3")
    page.click("#correct button")
    says(page, "#toast", "Stored as added/0")
    page.route("**/api/undo*", lambda route: route.abort())
    page.locator("#toast button").click()
    says(page, "#toast", "The server does not answer")
    page.unroute("**/api/undo*")
    page.locator("#toast button").click()
    says(page, "#toast", "Taken back")


def test_the_count_is_of_the_index_that_answers(own_site: Client, visit: Open) -> None:
    page = visit(own_site.url)
    own_site.post("/api/items?label=7", (SAMPLES / "7-photo.jpg").read_bytes())
    page.route("**/api/info", lambda route: route.abort())
    draw(page, 3)
    says(page, "#name", "3")
    page.unroute("**/api/info")
    draw(page, 3)
    says(page, "#facts", f"{own_site.get('/api/info').json['count']:,} digits")


def test_names_are_only_ever_text(
    train_set: Dataset, tmp_path: Path, serve: Serve, visit: Open
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    few = replace(
        train_set,
        images=train_set.images[:200],
        labels=(train_set.labels[:200] > 4).astype("uint8"),
        names=(evil, "other"),
    )
    build_index(few, linear_embedder(), tmp_path, 0)
    site = serve(tmp_path, Access(token="a-token-of-the-tests"), writable=True)  # noqa: S106
    page = visit(f"{site.url}?token=a-token-of-the-tests")
    assert page.url == site.url
    draw(page, 0)
    expect(page.locator("#neighbours button:enabled").first).to_be_visible(timeout=PATIENCE)
    assert evil in page.locator("#votes").inner_text()
    page.click("nav a[href='#map']")
    says(page, "#classes", evil)
    assert page.locator("img[src=x]").count() == 0


def test_of_many_classes_those_with_votes_are_shown(
    train_set: Dataset, tmp_path: Path, serve: Serve, visit: Open
) -> None:
    few = replace(
        train_set,
        images=train_set.images[:400],
        labels=(train_set.labels[:400] * 2 + np.arange(400) % 2).astype("uint8"),
        names=tuple(f"{digit} of {kind}" for digit in range(10) for kind in ("ink", "lead")),
    )
    build_index(few, linear_embedder(), tmp_path, 0)
    site = serve(tmp_path)
    page = visit(site.url)
    nine = samples()["9-corner.png"]
    file = tmp_path / "nine.png"
    nine.save(file)
    votes = site.post("/api/classify", file.read_bytes()).json["votes"]
    page.set_input_files("#file", file)
    says(page, "#votes", max(votes, key=votes.__getitem__))
    assert sorted(page.locator("#votes .class").all_inner_texts()) == sorted(votes)


def test_a_picture_of_the_page(site: Client, visit: Open, tmp_path: Path) -> None:
    """`make screenshots` keeps it, as `docs/page.png`."""
    path = Path(os.environ.get("DIGITS_SCREENSHOT", tmp_path / "page.png"))
    page = visit(site.url, viewport={"width": 1180, "height": 690})
    draw(page, 3)
    says(page, "#name", "3")
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)
    assert path.stat().st_size < 300_000

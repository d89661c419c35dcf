"""Fixtures: a browser, a server, and pages in whose console nothing may be wrong."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.search.web.page.browsing import PATIENCE, SAMPLES, Open, Serve
from tests.search.web.serving import Client, served

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(scope="module")
def before_the_camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of a photo of a 7, for the browser's camera to see."""
    film = tmp_path_factory.mktemp("film") / "7.mjpeg"
    Image.open(SAMPLES / "7-photo.jpg").convert("RGB").save(film, "JPEG", quality=95)
    return film


@pytest.fixture(scope="module")
def browser(before_the_camera: Path) -> Iterator[Browser]:
    named = os.environ.get("DIGITS_BROWSER")
    found = named or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no browser: install chromium, or name one in $DIGITS_BROWSER")
    with sync_playwright() as playwright:
        camera = f"--use-file-for-fake-video-capture={before_the_camera}"
        flags = [*FLAGS, "--use-fake-device-for-media-stream", camera]
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(index_folder: Path) -> Iterator[Client]:
    """The server of an index whose embedder was trained."""
    with served(index_folder) as client:
        yield client


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve indexes until the pages of a test, which may still want pictures, are closed."""
    with ExitStack() as servers:
        yield lambda *options, **named: servers.enter_context(served(*options, **named))


@pytest.fixture
def own_site(index_folder: Path, tmp_path: Path, serve: Serve) -> Client:
    """The server of a copy of the same index, which may be changed."""
    return serve(Path(shutil.copytree(index_folder, tmp_path / "index")), writable=True)


def is_usual(message: ConsoleMessage) -> bool:
    """Whether a line on the console is no fault: a plain one, or the browser's of a refusal."""
    expected = ("status of 409", "status of 422", "ERR_FAILED")
    return message.type == "log" or any(text in message.text for text in expected)


@pytest.fixture
def visit(browser: Browser, serve: Serve) -> Iterator[Open]:
    """Open a page; nothing may be wrong in its console by the end of the test."""
    wrong: list[str] = []
    contexts = []

    def open_page(url: str, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda one: None if is_usual(one) else wrong.append(one.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        if not url.endswith("docs"):
            expect(page.locator("#facts")).to_contain_text("digits of", timeout=PATIENCE)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong

"""Nobody gets in who should not, and nobody can keep the server busy by being slow."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from search.web.access import Access
from search.web.connection import GRACE_SECONDS
from search.web.guard import Guard
from search.web.limits import Limits
from tests.search.web.serving import PATIENCE, Client, running, served

TOKEN = "a-token-of-the-tests"
QUICK = Limits(body=1000, head_seconds=0.5, body_seconds=0.5, request_seconds=1)
PAGE = Path(__file__).parents[3] / "search" / "web" / "page"
PATHS = (
    *("/", "/docs", "/page/main.js", "/openapi.json", "/healthz", "/api/info", "/api/map"),
    *("/api/items/few/train/1.png", "/nowhere"),
)
POSTS = ("search?id=few/train/1", "classify", "compare", "items?label=1", "undo")


@pytest.fixture(scope="module")
def quick(few_folder: Path) -> Iterator[Client]:
    with served(few_folder, limits=QUICK) as client:
        yield client


@pytest.fixture(scope="module")
def closed(few_folder: Path) -> Iterator[Client]:
    with served(few_folder, Access(token=TOKEN), writable=True) as client:
        yield client


def test_one_request_names_one_host(client: Client) -> None:
    with conversation(client, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as link:
        assert link.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_name_that_is_not_ours_is_refused_everywhere(client: Client) -> None:
    for host in ("evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", ""):
        for path in PATHS:
            assert "Host" in client.get(path, Host=host).error(403)
        for path in POSTS:
            client.post(f"/api/{path}", Host=host).error(403)
    for host in ("localhost", "LOCALHOST:99", "127.0.0.1:1", "[::1]:8000", "[::1]"):
        assert client.get("/healthz", Host=host).status == 200


def test_another_page_is_refused_everywhere(client: Client) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:3000", "http://127.0.0.1"):
        for path in PATHS:
            assert "own page" in client.get(path, Origin=origin).error(403)
        for path in POSTS:
            client.post(f"/api/{path}", Origin=origin).error(403)
    own = client.url.rstrip("/")
    reply = client.post("/api/search?id=few/train/1", Origin=own)
    assert reply.status == 200
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]


def test_another_site_may_link_to_the_page_but_not_embed_it(client: Client) -> None:
    embedding = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    client.get("/api/items/few/train/1.png", **embedding).error(403)
    client.get("/api/info", **{"Sec-Fetch-Site": "same-site"}).error(403)
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", **visit).status == 200
    client.post("/api/undo", **visit).error(403)


def test_every_answer_is_locked_down(client: Client) -> None:
    replies = [client.get(path) for path in PATHS]
    replies += [client.post("/api/classify"), client.get("/", Host="evil.example")]
    for reply in replies:
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "://" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "server" not in reply.headers


class Strict(HTMLParser):
    """Fails on code or style inside a page, and on what comes from another host."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag != "style"
        assert tag != "script" or given.get("src")
        assert not [name for name in given if name.startswith("on") or name == "style"]
        for name in ("src", "href"):
            assert "//" not in (given.get(name) or "")


def test_the_page_is_all_its_own() -> None:
    for page in PAGE.glob("*.html"):
        Strict().feed(page.read_text())
    for file in [*PAGE.glob("*.js"), *PAGE.glob("*.css")]:
        text = file.read_text()
        assert not re.findall(r"https?://|url\(|@import", text)
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)


def test_a_token_is_asked_for(closed: Client) -> None:
    for path in PATHS:
        if path != "/healthz":
            assert "token" in closed.get(path).error(401)
    for path in POSTS:
        reply = closed.post(f"/api/{path}")
        reply.error(401)
        assert reply.headers["www-authenticate"] == "Bearer"
    assert closed.get("/healthz").json == {"status": "ok"}
    for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer", "Basic YTpi", "Bearer é"):
        closed.get("/api/info", Authorization=wrong).error(401)
    assert closed.get("/api/info", Authorization=f"Bearer {TOKEN}").status == 200


def test_the_page_gets_a_cookie_for_the_token(closed: Client) -> None:
    assert closed.get("/?token=wrong").error(401)
    assert closed.get(f"/api/info?token={TOKEN}").error(401)
    page = closed.get(f"/?token={TOKEN}")
    assert page.status == 200
    cookie, *attributes = page.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(attributes)
    assert TOKEN not in cookie
    for other in ("other=1", 'x={"a":1}', "a[]=b", "odd"):  # of another server on this machine
        assert closed.get("/api/info", Cookie=f"{other}; {cookie}").status == 200
    assert (
        closed.ask("HEAD", f"/?token={TOKEN}").headers["set-cookie"] == page.headers["set-cookie"]
    )
    assert Access(token=f"{TOKEN}s").cookie[0] != cookie.partition("=")[0]
    for wrong in (cookie[:-1], cookie.partition("=")[0] + "=" + TOKEN, "=;=", 'a="'):
        closed.get("/api/info", Cookie=wrong).error(401)


def test_an_open_server_goes_by_addresses_and_its_own_name(few_folder: Path) -> None:
    access = Access("0.0.0.0", TOKEN)  # noqa: S104
    with served(few_folder, access) as client:
        for host in ("192.168.1.7:80", "[fe80::1]", socket.gethostname(), "localhost"):
            assert client.get("/healthz", Host=host).status == 200
        for host in ("evil.example", "192.168.1.7.evil.example", "1.2.3"):
            client.get("/healthz", Host=host).error(403)


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_that_is_too_large(is_declared: bool, quick: Client) -> None:
    body = b"x" * 300_000
    parts = body if is_declared else iter([body[:70_000]] * 5)
    reply = quick.ask("POST", "/api/search", parts, {"Content-Type": "image/png"})
    assert "at most 1,000 bytes" in reply.error(413)


def test_a_declared_body_need_not_be_sent(quick: Client) -> None:
    with conversation(quick, b"POST /api/search HTTP/1.1\r\nContent-Length: 99999999\r\n") as link:
        link.sendall(b"\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 413")


def conversation(client: Client, head: bytes) -> closing[socket.socket]:
    link = socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE)
    first, _, rest = head.partition(b"\r\n")
    link.sendall(first + b"\r\nHost: localhost\r\n" + rest)
    return closing(link)


def everything(link: socket.socket) -> bytes:
    """What arrives until the other side hangs up."""
    received = b""
    try:
        while part := link.recv(1 << 16):
            received += part
    except ConnectionResetError:
        pass
    return received


def test_a_client_that_sends_its_head_slowly_is_left(quick: Client) -> None:
    with conversation(quick, b"GET /healthz HTTP/1.1\r\n") as link:
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE:
            try:
                link.sendall(b"X-Slow: 1\r\n")
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(0.1)
        else:
            pytest.fail("still connected")


def test_a_client_that_says_nothing_is_left(quick: Client) -> None:
    with closing(socket.create_connection(("127.0.0.1", quick.port), timeout=PATIENCE)) as link:
        assert everything(link) == b""
    with conversation(quick, b"GET /healthz HTTP/1.1\r\n\r\n") as link:
        assert everything(link).endswith(b'{"status":"ok"}')


ENDLESS = {
    "header": (b"GET / HTTP/1.1\r\n", b"X-Long: " + b"x" * 999, b"x" * 1000),
    "headers": (b"GET / HTTP/1.1\r\n", b"", b"X-Many: %s\r\n" % (b"x" * 1000)),
    "address": (b"GET /", b"", b"x" * 1000),
    "nothing": (b"", b"", b"\r\n" * 500),
    "trailers": (
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n0\r\n",
        b"X-Many: %s\r\n" % (b"x" * 1000),
    ),
    "extension": (
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1;a=",
        b"x" * 1000,
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_is_around_a_body_is_bounded(what: str, client: Client) -> None:
    first, then, again = ENDLESS[what]
    with closing(socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE)) as link:
        link.sendall(first)
        time.sleep(0.05)  # so that it is read by itself
        link.sendall(then)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            link.sendall(again * 20_000)  # much of it waits in the buffers of the system
    assert client.get("/healthz").status == 200


def test_a_long_head_is_told_how_long_it_may_be(client: Client) -> None:
    with conversation(client, b"GET /healthz HTTP/1.1\r\n") as link:
        time.sleep(0.05)
        link.sendall(b"X-Long: " + b"x" * Limits().head)
        answer = everything(link)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"more than 65,536 bytes beside its body" in answer


def test_a_body_in_many_chunks_is_read(client: Client) -> None:
    parts = iter([b"[" + b" " * 9_000] + [b" " * 9_000] * 300 + [b"]"])
    reply = client.ask("POST", "/api/search", parts, {"Content-Type": "application/json"})
    assert "received (0,)" in reply.json["error"]  # an empty array, once the spaces are read


def test_requests_in_a_row_are_answered_in_turn(client: Client) -> None:
    ask = b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    several = ask % (b"/healthz", b"") + ask % (b"/nowhere", b"")
    with closing(socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE)) as link:
        link.sendall(several * 200 + ask % (b"/healthz", b"Connection: close\r\n"))
        answer = everything(link)
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", answer)
    assert statuses == [b"200", b"404"] * 200 + [b"200"]


@pytest.mark.parametrize("parts", [1, 4])
def test_a_wish_to_speak_otherwise_is_not_heard(parts: int, client: Client) -> None:
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    sent = wish + b"Content-Length: 3\r\n\r\n[1]"
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with conversation(client, b"POST /api/classify HTTP/1.1\r\n") as link:
        for part in range(0, len(sent), -(-len(sent) // parts)):
            link.sendall(sent[part : part - (-len(sent) // parts)])
            time.sleep(0.05)  # so that it is read by itself
        link.sendall(last)
        answer = everything(link)
    assert b"received only 0 and 1" in answer
    assert answer.endswith(b'{"status":"ok"}')


@pytest.mark.parametrize("head", [b"Content-Length: 900", b"Transfer-Encoding: chunked"])
def test_a_client_that_sends_its_body_slowly_is_told_and_left(head: bytes, quick: Client) -> None:
    head = b"POST /api/search HTTP/1.1\r\n" + head + b"\r\n\r\n"
    with conversation(quick, head) as link:
        answer = everything(link)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"expected the whole request within 0.5 s" in answer


def test_a_client_that_does_not_read_is_left() -> None:
    async def generous(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 99999, "more_body": True})
        await send({"type": "http.response.body"})

    with (
        running(generous, QUICK) as client,
        conversation(client, b"GET / HTTP/1.1\r\n\r\n") as link,
    ):
        time.sleep(QUICK.request_seconds + GRACE_SECONDS + 0.5)
        assert len(everything(link)) < 99999 * 1000


@pytest.mark.parametrize(
    "request_head",
    [
        b"\x16\x03\x01 nonsense\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_and_hung_up_on(request_head: bytes, quick: Client) -> None:
    with closing(socket.create_connection(("127.0.0.1", quick.port), timeout=PATIENCE)) as link:
        link.sendall(request_head)
        head, _, content = everything(link).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-security-policy: default-src 'none'" in head
    assert json.loads(content)["error"].startswith("expected a request of HTTP/1.1")
    assert quick.get("/healthz").status == 200


async def sleepy(scope: Scope, _receive: Receive, send: Send) -> None:
    await asyncio.sleep(9 if scope["path"] == "/long" else 0.05)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"awake"})


def test_what_takes_too_long_is_ended() -> None:
    with running(Guard(sleepy, Access(), QUICK), QUICK) as client:
        reply = client.get("/long")
        assert "within 1 s" in reply.error(503)
        assert reply.headers["retry-after"] == "1"
        assert client.get("/short").content == b"awake"


def test_a_server_that_stops_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    is_asked = threading.Event()

    async def endless(scope: Scope, _receive: Receive, _send: Send) -> None:
        assert scope["type"] == "http"
        is_asked.set()
        await asyncio.sleep(1000)

    limits = Limits(request_seconds=1000)
    with ThreadPoolExecutor(1) as pool:
        with running(Guard(endless, Access(), limits), limits) as client:
            reply = pool.submit(client.get, "/")
            assert is_asked.wait(30)
        assert "is stopping" in reply.result().error(503)
        assert reply.result().headers["content-security-policy"]
    assert "Traceback" not in capfd.readouterr().err


def test_too_many_at_once_are_told_to_come_again() -> None:
    limits = Limits(requests=2)
    with running(Guard(sleepy, Access(), limits), limits) as client:
        head = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"
        with conversation(client, head) as one, conversation(client, head) as other:
            deadline = time.monotonic() + PATIENCE
            while (reply := client.get("/")).status == 200:
                assert time.monotonic() < deadline
            assert "at most 2 requests at once" in reply.error(503)
            assert reply.headers["retry-after"] == "1"
            for link in (one, other):
                link.sendall(b"123456789")
            assert one.recv(1000).startswith(b"HTTP/1.1 200")
            assert other.recv(1000).startswith(b"HTTP/1.1 200")
        assert client.get("/").status == 200


def test_too_many_connections_are_told_to_come_again() -> None:
    limits = Limits(connections=1)
    with running(Guard(sleepy, Access(), limits), limits) as client:
        deadline = time.monotonic() + PATIENCE
        with conversation(client, b"GET / HTTP/1.1"):
            while (reply := client.get("/")).status == 200:
                assert time.monotonic() < deadline
            assert "fewer connections" in reply.error(503)
            expected = {"retry-after": "1", "connection": "close", "cache-control": "no-store"}
            assert {name: reply.headers[name] for name in expected} == expected
            assert reply.headers["content-security-policy"]
        while client.get("/").status != 200:
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "0.0.0.0"), "expected --token with --host 0.0.0.0"),  # noqa: S104
        (("--token", "short"), "expected a token of at least 16"),
        (("--token", "with spaces in it, long"), "expected a token of at least 16"),
        (("--host", "no.such.host.invalid", "--token", TOKEN), "cannot listen on"),
    ],
)
def test_a_server_that_cannot_be_meant(
    arguments: tuple[str, ...], said: str, few_folder: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "search.cli", "serve", "--index", few_folder, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line


def test_without_the_extra_the_command_names_it(few_folder: Path) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None\n"
        f"sys.argv = ['digits', 'serve', '--index', {str(few_folder)!r}]\n"
        "from search.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "pip install 'digit-search[web]'" in line


def test_the_command_serves_until_it_is_stopped(few_folder: Path) -> None:
    command = [sys.executable, "-m", "search.cli", "serve", "--index", few_folder, "--port", "0"]
    process = subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DIGITS_TOKEN": TOKEN},
    )
    with process:
        assert process.stdout
        url, _, token = process.stdout.readline().strip().partition("/?token=")
        assert token == TOKEN
        client = Client(int(url.rpartition(":")[2]))
        assert client.get("/healthz").status == 200
        client.get("/").error(401)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
        assert process.stderr
        assert "Traceback" not in process.stderr.read()

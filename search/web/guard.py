"""The one door to the application: every request that HTTP and room let in, and its answer.

Refuses whoever has no business here, reads each body whole within bounds of size and time, lets in
only so many at once, ends what takes too long, and puts on every answer the headers that keep a
browser from doing anything else with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.web.access import Access, Refusal
from search.web.limits import Limits

OPEN = "/healthz"  # tells nothing, so it needs no token
PAGE = "/"
VISITS = ("GET", "HEAD")
DRAINED_SECONDS = 2
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
LOCKED_DOWN = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
HEADERS = [(name.encode(), value.encode()) for name, value in LOCKED_DOWN.items()]


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, access: Access, limits: Limits) -> None:
        """Guard `app`."""
        self._app, self._access, self._limits = app, access, limits
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say in one line of JSON why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            self._admit(scope, answer)
            async with asyncio.timeout(self._limits.request_seconds):
                await self._let_in(scope, receive, answer)
        except Refusal as refusal:
            await answer.refuse(refusal)
            if refusal.status != HTTPStatus.REQUEST_TIMEOUT:
                await _drained(receive)
            await send({"type": "http.response.body"})
        except TimeoutError:
            await answer.refuse(
                busy(f"expected an answer within {self._limits.request_seconds:g} s")
            )
            await send({"type": "http.response.body"})
        except asyncio.CancelledError:  # the server is stopping, and has waited for this request
            await answer.refuse(busy("expected a server that goes on, but this one is stopping"))
            await send({"type": "http.response.body"})

    def _admit(self, scope: Scope, answer: _Answer) -> None:
        headers = Headers(scope=scope)
        self._access.check_names(scope["method"], headers)
        if int(headers.get("content-length", "0")) > self._limits.body:
            raise self._too_large()
        if scope["path"] == PAGE and scope["method"] in VISITS and self._access.token:
            given = parse_qs(scope["query_string"].decode("ascii", "replace")).get("token", [""])
            if self._access.knows(given[0]):
                answer.cookie = "=".join(self._access.cookie)
                return
        if scope["path"] != OPEN:
            self._access.check_token(headers)

    async def _let_in(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if self._inside >= self._limits.requests:
            raise busy(f"expected at most {self._limits.requests} requests at once")
        self._inside += 1
        try:
            body = await self._body(receive)
            await self._app(_plain(scope), _replayed(body, receive), answer)
        finally:
            self._inside -= 1

    async def _body(self, receive: Receive) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(HTTPStatus.BAD_REQUEST, "expected the rest of the request")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self._limits.body:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as exc:
            raise Refusal(
                HTTPStatus.REQUEST_TIMEOUT,
                f"expected the whole request within {self._limits.body_seconds:g} s",
                connection="close",
            ) from exc

    def _too_large(self) -> Refusal:
        return Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"expected at most {self._limits.body:,} bytes, received more; make it smaller",
            connection="close",
        )


class _Answer:
    """`send`, with our headers on every answer.

    Attributes:
        cookie: to give to the browser, as name=value, or None.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = False
        self.cookie: str | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = [*message["headers"], *HEADERS]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            if self.cookie:
                cookie = f"{self.cookie}; HttpOnly; SameSite=Strict; Path=/"
                headers.append((b"set-cookie", cookie.encode()))
            message["headers"] = headers
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Send one line of JSON; the answer is whole for the client, but not yet ended.

        Raises:
            Refusal: half an answer is sent already, so nothing can be said any more.
        """
        if self._started:
            raise refusal
        content = error_json(str(refusal))
        await self(
            {
                "type": "http.response.start",
                "status": refusal.status,
                "headers": _raw(
                    {
                        "content-type": "application/json",
                        "content-length": str(len(content)),
                        **refusal.headers,
                    }
                ),
            }
        )
        await self({"type": "http.response.body", "body": content, "more_body": True})


def error_json(text: str) -> bytes:
    """The body of every answer that is an error."""
    return json.dumps({"error": text}).encode()


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def busy(text: str, **headers: str) -> Refusal:
    """What is not done now, but may be soon."""
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"{text}; try again", retry_after="1", **headers)


def refusing(refusal: Refusal) -> ASGIApp:
    """An application that says no more than this."""

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await _Answer(send).refuse(refusal)
        await send({"type": "http.response.body"})

    return refuse


async def _drained(receive: Receive) -> None:
    """Read what the client still sends, for a while.

    A connection that is closed with unread bytes in it is reset, and the answer may be lost.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAINED_SECONDS):
            while (await receive()).get("more_body", False):
                pass


def _plain(scope: Scope) -> Scope:
    """The same question as the application knows it.

    Of HEAD it is asked for all, which Uvicorn does not send. A part of a file is asked for in vain:
    none is large, and to say what is wrong with a range would be another kind of error.
    """
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
    return {**scope, "method": method, "headers": headers}


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the application reads: the body in one piece, and then what comes after it."""
    pending = [body]

    async def read() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return read

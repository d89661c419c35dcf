"""One connection to the server: Uvicorn's protocol, with patience that ends.

Uvicorn closes idle connections by itself, but would take a request's head of any length, wait for
ever for the rest of it, and for a client that does not read. Here a connection has `head_seconds`
from when it begins to wait for a request until that is there, and `request_seconds` until its
answer is sent; and what it sends around a body is bounded.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from search.web.body import JSON
from search.web.guard import HEADERS, busy, error_json, refusing
from search.web.limits import Limits

CROWDED = refusing(busy("expected fewer connections at once", connection="close"))
GRACE_SECONDS = 2  # more than the application takes to give up by itself


class Connection(HttpToolsProtocol):
    """A timer on what it waits for, a bound on what is no body, and answers of our own."""

    def __init__(self, limits: Limits, **options: Any) -> None:
        """As Uvicorn makes it, within `limits`."""
        super().__init__(**options)
        self._limits = limits
        self._inner = self.app
        self.app = self._serve
        self._timer: asyncio.TimerHandle | None = None
        self._around = 0  # bytes of head, chunk sizes and trailers, but for a head's first read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come; it has to say what it wants."""
        self._together = _Together(transport)
        super().connection_made(self._together)  # type: ignore[arg-type]
        self._allow(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, within bounds."""
        self._around += len(data)
        try:
            self._unset_keepalive_if_required()
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            self._read_without_upgrade(data[exc.args[0] :])
        except httptools.HttpParserError as exc:
            self.send_400_response(_reason(exc))
        else:
            if self._around > self._limits.head:
                self.send_400_response(f"more than {self._limits.head:,} bytes beside its body")

    def _should_upgrade(self) -> bool:
        """Uvicorn then waits until the head has been read again."""
        return True

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Read a request again as if it had not asked for another protocol: we speak none.

        The parser takes what follows such a head for that protocol, but it is the request's body.
        """
        method, version = self.scope["method"], self.scope["http_version"]
        if method == "CONNECT":  # is nothing without
            self.send_400_response("CONNECT is for proxies")
            return
        headers = (header for header in self.headers if header[0] != b"upgrade")
        lines = [b": ".join(header) for header in headers]
        start = b"%b %b HTTP/%b" % (method.encode(), self.url, version.encode())
        self.data_received(b"\r\n".join([start, *lines, b"", rest]))

    def on_message_begin(self) -> None:
        """A request begins; what came before it was another's."""
        super().on_message_begin()
        self._around = 0

    def on_body(self, body: bytes) -> None:
        """The guard bounds the body itself."""
        self._around -= len(body)
        super().on_body(body)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._allow(self._limits.request_seconds + GRACE_SECONDS)
        is_crowded = len(self.connections) > self._limits.connections
        serve = CROWDED if is_crowded else self._inner
        try:
            await serve(scope, receive, _joined(send, self._together))
        finally:
            self._allow(self._limits.head_seconds)

    def send_400_response(self, msg: str) -> None:
        """Say in JSON, as every error is said, why this is no request; and hang up."""
        content = error_json(f"expected a request of HTTP/1.1: {msg}")
        headers = [
            *HEADERS,
            (b"content-type", JSON.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(header) for header in headers)]
        self.transport.write(b"\r\n".join([*lines, b"", content]))
        self.transport.close()

    def _allow(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        # Not close(), which waits until what was written is read.
        self._timer = self.loop.call_later(seconds, self.transport.abort)


def _reason(exc: httptools.HttpParserError) -> str:
    """What is wrong with a request; the parser itself knows no path from another."""
    return "no path" if isinstance(exc, httptools.HttpParserCallbackError) else str(exc)


class _Together:
    """A transport that can hold what is written, so that it leaves in one piece."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        held, self._held = self._held, None
        if held:
            self._transport.write(b"".join(held))

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(data)

    def close(self) -> None:
        self.release()
        self._transport.close()


def _joined(send: Send, transport: _Together) -> Send:
    """`send`, but the head of an answer leaves with the first part of its body.

    To wake the client for each takes longer than to make a small answer ready.
    """

    async def joined(message: Message) -> None:
        if message["type"] == "http.response.start":
            transport.hold()
            await send(message)
        else:
            await send(message)
            transport.release()

    return joined

"""Uvicorn, with the patience of a server that strangers may connect to.

It closes idle connections by itself, but would wait for ever for the rest of a request's head, and
for a client that does not read. Here a connection has `head_seconds` from when it begins to wait
for a request until that is there, and `request_seconds` until its answer is sent.
"""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from data.errors import UsageError
from search.web.body import JSON
from search.web.guard import HEADERS, error_json
from search.web.limits import Limits

IDLE_SECONDS = 5
FAREWELL_SECONDS = 3  # for requests under way when the server is stopped
GRACE_SECONDS = 2  # more than the application takes to give up by itself


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any that is free.

    Raises:
        UsageError: no such host, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as exc:
        reason = str(getattr(exc, "strerror", exc)).partition(" (while")[0]
        raise UsageError(
            f"cannot listen on {host} port {port} ({reason}); choose others with --host and --port"
        ) from exc
    # Connections inherit it. asyncio sets it only where it knows the protocol, and without it an
    # answer in two parts takes 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def address(sock: socket.socket) -> str:
    """The URL of a listening socket, as a person would open it on this machine."""
    host, port = sock.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"


def make_server(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """A server that is not yet running; `run(sockets=[...])` serves until it is stopped."""
    config = uvicorn.Config(
        app,
        http=_patient(limits),
        ws="none",
        interface="asgi3",
        log_config=None,
        log_level="error",  # what a client gets wrong is its own affair
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=FAREWELL_SECONDS,
    )
    return uvicorn.Server(config)


def _patient(limits: Limits) -> type[asyncio.Protocol]:
    """Uvicorn's protocol, with a timer on each connection."""

    class Patient(H11Protocol):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._inner = self.app
            self.app = self._serve
            self._timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._allow(limits.head_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._timer:
                self._timer.cancel()
            super().connection_lost(exc)

        async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            self._allow(limits.request_seconds + GRACE_SECONDS)
            try:
                await self._inner(scope, receive, _joined(send, self.transport))
            finally:
                self._allow(limits.head_seconds)

        def send_400_response(self, msg: str) -> None:
            content = error_json(f"expected a request of HTTP/1.1: {msg}")
            length = (b"content-length", str(len(content)).encode())
            headers = [
                *HEADERS,
                (b"content-type", JSON.encode()),
                length,
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=HTTPStatus.BAD_REQUEST, headers=headers),
                h11.Data(data=content),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

        def _allow(self, seconds: float) -> None:
            if self._timer:
                self._timer.cancel()
            # Not close(), which waits until what was written is read.
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    return Patient


def _joined(send: Send, transport: asyncio.Transport) -> Send:
    """`send`, but the head of an answer leaves with the first part of its body.

    To wake the client for each takes longer than to make a small answer ready.
    """
    if not hasattr(socket, "TCP_CORK"):
        return send
    sock = transport.get_extra_info("socket")

    def hold(together: bool) -> None:  # closing sends what is held
        if not transport.is_closing():
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, together)

    async def joined(message: Message) -> None:
        is_head = message["type"] == "http.response.start"
        if is_head:
            hold(True)
        await send(message)
        if not is_head:
            hold(False)

    return joined

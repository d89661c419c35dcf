"""Uvicorn, as a server that strangers may connect to."""

from __future__ import annotations

import logging
import socket
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from data.errors import UsageError
from search.web.connection import Connection
from search.web.limits import Limits

IDLE_SECONDS = 5
FAREWELL_SECONDS = 3  # for requests under way when the server is stopped


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
    # What a client gets wrong is its own affair.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app,
        http=partial(Connection, limits),  # type: ignore[arg-type]
        ws="none",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=FAREWELL_SECONDS,
    )
    return uvicorn.Server(config)

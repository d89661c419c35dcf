"""A server that runs in this process, and a client that sends exactly what it is told to."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from search.web.access import Access
from search.web.app import create_app
from search.web.limits import Limits
from search.web.server import listen, make_server

PATIENCE = 300  # seconds; a loaded machine is slow, but nothing here waits in vain


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json")
        return json.loads(self.content)

    def error(self, status: int) -> str:
        """The one line of an error."""
        assert self.status == status, (self.status, self.content)
        (text,) = [value for name, value in self.json.items() if name != "query"]
        assert "error" in self.json
        assert "\n" not in text
        assert "Traceback" not in text
        return str(text)


@dataclass(frozen=True)
class Client:
    port: int
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, self.headers | (headers or {}))
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any = b"", **headers: str) -> Reply:
        if not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        return self.ask("POST", path, body, headers)


@contextlib.contextmanager
def served(
    folder: Path, access: Access | None = None, limits: Limits | None = None, **options: Any
) -> Iterator[Client]:
    """The server of an index."""
    limits = limits or Limits()
    app = create_app(folder, access or Access(), limits=limits, **options)
    with running(app, limits) as client:
        yield client


@contextlib.contextmanager
def running(app: ASGIApp, limits: Limits) -> Iterator[Client]:
    """Any application on a free port of this machine, until the end of the block."""
    with listen("127.0.0.1", 0) as sock:
        server = make_server(app, limits)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield Client(sock.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()

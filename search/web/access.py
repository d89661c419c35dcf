"""Who may ask: names this server answers to, pages it may be asked from, and the token.

A browser lets any page on the web send requests to a server on this machine. What such a page can
not do is name this server as its own `Host` without being found out (DNS rebinding needs a name
that is not ours), send another `Origin` than its own, or know the token.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from data.errors import UsageError

COOKIE = "digits-token"
LEAST_TOKEN = 16  # characters
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Refusal(Exception):
    """A request that is not let in.

    Attributes:
        status: of HTTP.
        headers: to send with it.
    """

    def __init__(self, status: HTTPStatus, text: str, **headers: str) -> None:
        """Refuse with one line of text; underscores in the names of headers become dashes."""
        super().__init__(text)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(token: str) -> None:
    """Refuse a token that can be guessed, or not be written into an address.

    Raises:
        UsageError: too short, or of other characters than letters, digits and -._~.
    """
    if len(token) < LEAST_TOKEN or quote(token, safe="") != token:
        raise UsageError(
            f"expected a token of at least {LEAST_TOKEN} letters, digits or -._~, say of:"
            " openssl rand -hex 16"
        )


@dataclass(frozen=True)
class Access:
    """Who is let in.

    Attributes:
        host: what the server is bound to.
        token: that every request must know, or None.
    """

    host: str = "127.0.0.1"
    token: str | None = None

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    def check_names(self, method: str, headers: Headers) -> None:
        """Refuse a request that names another host, or comes from another page than ours.

        Raises:
            Refusal: it does.
        """
        if len(headers.getlist("host")) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, "expected one Host, received several")
        host = headers.get("host", "")
        if not self._is_ours(_name_of(host)):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                f"expected a Host that is this server, such as {self.host}, received {host!r}",
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (
            f"http://{host.lower()}",
            f"https://{host.lower()}",
        ):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                f"expected requests of this server's own page, received one from {origin!r}",
            )
        is_visit = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_visit:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "expected requests of this server's own page, received one from another site",
            )

    def check_token(self, headers: Mapping[str, str]) -> None:
        """Refuse a request that does not know the token, as `Authorization: Bearer` or cookie.

        Raises:
            Refusal: it does not.
        """
        if self.token is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.knows(given.strip()):
            return
        name, kept = self.cookie
        if _same(cookie_parser(headers.get("cookie", "")).get(name, ""), kept):
            return
        raise Refusal(
            HTTPStatus.UNAUTHORIZED,
            "expected the token: open the address that `digits serve` printed, or send"
            " 'Authorization: Bearer TOKEN'",
            www_authenticate="Bearer",
        )

    def knows(self, given: str) -> bool:
        """Whether `given` is the token; takes as long when it is not."""
        return self.token is not None and _same(given, self.token)

    @property
    def cookie(self) -> tuple[str, str]:
        """What a browser keeps instead of the token, by name: it cannot be turned back into it.

        Cookies are shared by all ports of a machine, so each token has a name of its own.
        """
        kept = hashlib.sha256(f"{COOKIE} {self.token}".encode()).hexdigest()
        return f"{COOKIE}-{kept[:8]}", kept

    def _is_ours(self, name: str) -> bool:
        if self.is_private:
            return name in LOOPBACK_NAMES or name == self.host
        # An address cannot be rebound; of names, only those of this machine are ours.
        return _is_address(name) or name in {self.host, "localhost", _machine()}


def _name_of(host: str) -> str:
    """The name in a Host header, without its port and brackets."""
    if host.startswith("["):
        name, closed, _ = host[1:].partition("]")
        return name.lower() if closed else host
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _machine() -> str:
    return socket.gethostname().lower()


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())

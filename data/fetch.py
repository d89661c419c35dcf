"""Fetch one file from a server that may be down, slow, endless or somebody else.

What comes is bounded in bytes and in time; whether it is the file that was asked for is for the
caller to prove by its content.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import urllib3

PATIENCE = 8.0  # seconds of silence, or of less than SLOWEST
SLOWEST = 10_000  # bytes a second, on average, once the patience is over
MOST_REDIRECTS = 5
CHUNK = 1 << 16


class FetchFailed(ValueError):
    """The server did not give a file; the text says why."""


def fetch(address: str, most: int, patience: float = PATIENCE) -> bytes:
    """The bytes that an http(s) server gives for `address`, as it sends them.

    Args:
        address: of the file.
        most: bytes; more are not received.
        patience: seconds to wait for a connection, for a byte, and before slowness counts.

    Raises:
        FetchFailed: no server, no such file, too slow, too long or cut off.
    """
    import requests
    import urllib3

    session = requests.Session()
    session.max_redirects = MOST_REDIRECTS
    session.headers["Accept-Encoding"] = "identity"
    try:
        with session, session.get(address, stream=True, timeout=patience) as response:
            if not response.ok:
                raise FetchFailed(f"{response.status_code} {response.reason}")
            return _received(response.raw, most, patience)
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as exc:
        raise FetchFailed(f"silent for {patience:g} seconds") from exc
    except requests.TooManyRedirects as exc:
        raise FetchFailed(f"redirects more than {MOST_REDIRECTS} times") from exc
    except requests.ConnectionError as exc:
        raise FetchFailed("cannot be reached") from exc
    except (requests.RequestException, urllib3.exceptions.HTTPError) as exc:
        raise FetchFailed(f"breaks off or is no file ({type(exc).__name__})") from exc


def _received(raw: urllib3.BaseHTTPResponse, most: int, patience: float) -> bytes:
    began, content = time.monotonic(), bytearray()
    while chunk := raw.read1(CHUNK, decode_content=False):
        content += chunk
        if len(content) > most:
            raise FetchFailed(f"sends more than {most:,} bytes")
        seconds = time.monotonic() - began
        if seconds > patience and len(content) < seconds * SLOWEST:
            raise FetchFailed(f"sent {len(content):,} bytes in {seconds:.0f} seconds")
    return bytes(content)

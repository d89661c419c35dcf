"""How much a client may send, how long it may take, and how many may ask at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of the server.

    Attributes:
        body: bytes of a request's body.
        head: bytes of what is around it, but for what comes in a head's first read.
        head_seconds: for a client to send a request's head, or to read the rest of an answer.
        body_seconds: for a client to send a request's body.
        request_seconds: for a whole request, from its head to the end of its answer.
        requests: how many are let in at once; those beyond are told to try again.
        connections: how many may be open.
    """

    body: int = 10_000_000
    head: int = 65_536
    head_seconds: float = 8
    body_seconds: float = 8
    request_seconds: float = 20
    requests: int = 64
    connections: int = 500


MOST_DIGITS = 256  # of one request
MOST_NEIGHBOURS = 1000  # of one digit

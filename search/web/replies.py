"""What the routes answer, as it is described to programs (OpenAPI): success by the dataclasses that
answers are made of, failure by status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from search.answers import Addition, ClassifyAnswer, ExplainedAnswer, FailedAnswer, SearchAnswer
from search.compare import Comparison
from search.facts import Facts
from search.web.describe import BINARY

GENERATION = "index-generation"
HEADERS = {
    GENERATION: {
        "description": "Of the index that is in place",
        "schema": {"type": "integer"},
    }
}
PNG = {"content": {"image/png": {"schema": BINARY}}}
OF_ANY = (400, 403, 408, 413, 500, 503)
FAILURES = {
    400: "No request, no JSON, or nothing to ask about",
    401: "Without the token",
    403: "From elsewhere, or a change that this server does not allow",
    404: "No stored digit is called that",
    408: "Sent too slowly",
    409: "Another process changes the index, or has changed it since",
    413: "Too large, or too many digits",
    415: "Neither a picture nor JSON",
    422: "What cannot be answered",
    500: "Something is damaged or broken",
    503: "Too much at once, too slow, too little memory, a server that stops, or no index in reach",
    507: "The disk is full",
}
Pixels = list[list[int]]


class Error(BaseModel):
    """What is wrong, in one line."""

    error: str


class Health(BaseModel):
    """Whether the server is up."""

    status: str


@dataclass(eq=False, kw_only=True)
class Shown:
    """What is added to an answer where the request asks for it."""

    input: Pixels | None = None
    place: list[list[float]] | None = None


@dataclass(eq=False)
class Found(Shown, SearchAnswer):
    """The neighbours of one digit."""


@dataclass(eq=False)
class Named(Shown, ClassifyAnswer):
    """The name of one digit."""


@dataclass(eq=False)
class Explained(Shown, ExplainedAnswer):
    """The name of one digit, and how it came about."""


@dataclass(eq=False)
class Failed(Shown, FailedAnswer):
    """Why one digit could not be answered."""


@dataclass(eq=False)
class Stored(Addition):
    """A digit that was added, and the generation that holds it."""

    generation: int


@dataclass(frozen=True, kw_only=True)
class Compared(Comparison):
    """How far apart two digits are; and both of them, where the request asks for that."""

    input: tuple[Pixels, Pixels] = ([], [])


@dataclass(eq=False)
class Server:
    """What this server allows."""

    writable: bool
    most_digits: int
    weights: str


@dataclass(eq=False)
class Info(Facts):
    """What the index is, and what this server allows."""

    server: Server


FOUND = Found | list[Found | Failed]
NAMED = Named | Explained | list[Named | Explained | Failed]
STORED = Stored | list[Stored | FailedAnswer]


def replies(answer: Any, *failures: int) -> dict[int | str, dict[str, Any]]:
    """The responses of a route: `answer`, a type or the content itself, or a failure.

    Args:
        answer: of the route.
        failures: statuses beside those that every route has.
    """
    good = answer if isinstance(answer, dict) else {"model": answer}
    return {200: {**good, "headers": HEADERS}, **failing(401, 422, *failures)}


def failing(*failures: int) -> dict[int | str, dict[str, Any]]:
    """Responses that are errors: those that every route has, and `failures`.

    An error about a digit says which one.
    """
    return {
        status: {
            "description": FAILURES[status],
            "model": Failed | Error if status == 422 else Error,
        }
        for status in sorted({*OF_ANY, *failures})
    }

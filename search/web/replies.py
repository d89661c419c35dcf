"""What the routes answer, as it is described to programs (OpenAPI).

The types are those that answers are made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fastapi.responses import Response

from search.answers import FailedAnswer
from search.facts import IndexInfo
from search.web.ask import ServerFacts

Responses = dict[int | str, dict[str, Any]]


class Png(Response):
    """A picture."""

    media_type = "image/png"


@dataclass(frozen=True)
class Info(IndexInfo):
    """What the index is, and what the server allows."""

    server: ServerFacts


@dataclass(frozen=True)
class Health:
    """Whether the server is up."""

    status: Literal["ok"]


@dataclass(frozen=True)
class Failure:
    """What is wrong, in one line."""

    error: str


FAILURES: Responses = {
    "4XX": {
        "model": Failure,
        "description": "What is asked is not understood (400, 422), needs a token (401), is not"
        " allowed (403), is not there (404, 405), came too slowly (408), is too large (413) or"
        " nothing that is read (415); or the index is being changed, or has changed since (409)",
    },
    "5XX": {
        "model": Failure,
        "description": "Too much is asked at once, it takes too long, memory is short or the index"
        " is out of reach (503); the disk is full (507); something is damaged or broken (500)",
    },
}


def one(kind: Any) -> Responses:
    """An answer of one kind."""
    return {200: {"model": kind}}


def rows(kind: Any) -> Responses:
    """An answer for each digit: alone; or several as an array, among them what failed."""
    return {200: {"model": kind | list[kind | FailedAnswer]}}

"""The routes: parse what was asked, let the library answer, in a thread if long, send what it says.

Answers are those of the command line, field for field: one query gives one object, several give an
array, and what could not be answered is an `error` in its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Scope

from indexer.place import Place as IndexPlace
from search.facts import GenerationFacts
from search.report import strict_json
from search.web import ask
from search.web.access import Access, Refusal
from search.web.body import JSON, Sent, media_type
from search.web.describe import (
    BODY,
    FORM,
    PAIR,
    Addition,
    Naming,
    Nothing,
    Pair,
    Search,
    Undoing,
    described,
    parsed,
)
from search.web.failures import add_errors
from search.web.guard import Guard
from search.web.limits import Limits
from search.web.live import LiveIndex
from search.web.map import MapPoints
from search.web.replies import (
    FOUND,
    NAMED,
    PNG,
    STORED,
    Compared,
    Health,
    Info,
    failing,
    replies,
)
from search.web.workers import Workers

PAGE = Path(__file__).parent / "page"
FRESH = {"cache-control": "no-cache"}
THUMBNAILS_SECONDS = 300


def create_app(
    place: IndexPlace,
    access: Access,
    *,
    writable: bool = False,
    threads: int | None = None,
    limits: Limits | None = None,
) -> ASGIApp:
    """The server of the index at `place`.

    Args:
        place: of the index.
        access: who may ask.
        writable: whether digits may be added.
        threads: how many answer side by side, beside the one that reads the network.
        limits: of size, time and number.

    Raises:
        IndexNotFound and others: as for :meth:`DigitIndex.open`.
    """
    workers = Workers(LiveIndex(place), threads)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        workers.stop()

    app = FastAPI(
        title="digit-search",
        description="Find the handwritten digits most like yours, and name yours by their vote.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )

    add_questions(app, workers, writable=writable)
    add_changes(app, workers, writable=writable)
    add_pages(app)
    add_errors(app)
    return Guard(app, access, limits or Limits())


def add_questions(app: FastAPI, workers: Workers, *, writable: bool) -> None:
    """Routes that only read: what is asked of the newest generation, and of the server."""

    @app.post(
        "/api/search",
        openapi_extra=described(Search, BODY),
        responses=replies(FOUND, 404, 415),
    )
    async def search(request: Request) -> Response:
        """The stored digits most like each digit, nearest first."""
        options = parsed(Search, request)
        return await workers.answer(_answer, ask.search, _question(await _sent(request), options))

    @app.post(
        "/api/classify",
        openapi_extra=described(Naming, BODY),
        responses=replies(NAMED, 404, 415),
    )
    async def classify(request: Request) -> Response:
        """The name of each digit, by the vote of its nearest stored ones."""
        options = parsed(Naming, request)
        question = _question(await _sent(request), options)
        return await workers.answer(
            _answer, ask.classify, question, weights=options.weights, explain=options.explain
        )

    @app.post("/api/compare", openapi_extra=described(Pair, PAIR), responses=replies(Compared, 415))
    async def compare(request: Request) -> Response:
        """How far apart two digits are, and whether they are the same."""
        options = parsed(Pair, request)
        sent = await _pair(request)
        return await workers.ask(
            _json, ask.compare, sent=sent, single=options.single, show_input=options.input
        )

    @app.get("/api/items/{id:path}.png", response_class=Response, responses=replies(PNG, 404))
    async def item(request: Request, id: str) -> Response:  # noqa: A002, as API names it
        """A stored digit as a picture of 28 x 28."""
        parsed(Nothing, request)
        return await workers.ask(_picture, ask.item_png, name=id)

    @app.get("/api/map", responses=replies(MapPoints))
    async def points(request: Request) -> Response:
        """Stored digits in two dimensions, in columns."""
        parsed(Nothing, request)
        return await workers.ask(_json, ask.points)

    @app.get("/api/info", responses=replies(Info))
    async def info(request: Request) -> Response:
        """What the index is, and under server what this server allows."""
        parsed(Nothing, request)
        return await workers.ask(_json, ask.info, origin=workers.live.place, writable=writable)

    @app.get("/healthz", response_model=Health, responses=failing())
    async def health() -> dict[str, str]:
        """Whether the server is up."""
        return {"status": "ok"}


def add_changes(app: FastAPI, workers: Workers, *, writable: bool) -> None:
    """Routes that change the index, where `writable` says that they may."""

    def require_writable() -> None:
        if not writable:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "expected a server that may change the index: start it with --writable",
            )

    @app.post(
        "/api/items",
        openapi_extra=described(Addition, BODY),
        responses=replies(STORED, 409, 415, 507),
    )
    async def add(request: Request) -> Response:
        """Store each digit as one called label; only where the server may change the index."""
        require_writable()
        options = parsed(Addition, request)
        queries = await workers.read(await _sent(request), single=options.single)
        return await workers.change(_answer, ask.add, queries, options.label)

    @app.post(
        "/api/undo",
        openapi_extra=described(Undoing, {}),
        responses=replies(GenerationFacts, 409, 507),
    )
    async def undo(request: Request) -> Response:
        """Take the last change back; only where the server may change the index."""
        require_writable()
        return await workers.change(_json, ask.undo, parsed(Undoing, request).generation)


def add_pages(app: FastAPI) -> None:
    """The page and the documentation of the API."""

    for path, name in (("/", "index.html"), ("/docs", "docs.html")):
        app.add_api_route(path, partial(_html, name), include_in_schema=False)
    app.mount("/page", _Fresh(directory=PAGE))


async def _html(name: str) -> FileResponse:
    return FileResponse(PAGE / name, headers=FRESH)


class _Fresh(StaticFiles):
    """Files that a browser asks about again, so that it never mixes two versions."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(FRESH)
        return response


def _picture(content: bytes) -> Response:
    kept = {"cache-control": f"private, max-age={THUMBNAILS_SECONDS}"}
    return Response(content, media_type="image/png", headers=kept)


def _json(facts: dict[str, Any]) -> Response:
    return Response(strict_json(facts), media_type=JSON)


def _answer(rows: Sequence[dict[str, Any]]) -> Response:
    """Rows as the command line's JSON; a status of failure where the only one failed."""
    if len(rows) != 1:
        return Response(strict_json(rows), media_type=JSON)
    failed = HTTPStatus.UNPROCESSABLE_ENTITY if "error" in rows[0] else HTTPStatus.OK
    return Response(strict_json(rows[0]), failed, media_type=JSON)


def _question(sent: Sent, options: Search) -> ask.Question:
    return ask.Question(
        sent, tuple(options.id), options.k, options.single, options.input, options.place
    )


async def _sent(request: Request) -> Sent:
    sent = Sent(await request.body(), media_type(request.headers.get("content-type", "")))
    sent.check_kind()
    return sent


async def _pair(request: Request) -> tuple[Sent, ...]:
    """The two pictures of a form, or the body that shows both."""
    if media_type(request.headers.get("content-type", "")) != FORM:
        return (await _sent(request),)
    try:
        async with request.form(max_files=2, max_fields=0) as form:
            return tuple([await _part(form, name) for name in ("a", "b")])
    except HTTPException as exc:
        detail = exc.detail.rstrip(".")
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            f"expected a form with the pictures a and b as files, and nothing else ({detail})",
        ) from exc


async def _part(form: FormData, name: str) -> Sent:
    file = form.get(name)
    if not isinstance(file, UploadFile):
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "expected a form with the pictures a and b, received"
            f" {', '.join(form) or 'an empty one'}",
        )
    return Sent(await file.read(), media_type(file.content_type or ""), name)

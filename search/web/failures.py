"""Every failure becomes one line of JSON, with the status that fits."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from data.errors import (
    DigitsError,
    IndexLocked,
    PictureError,
    StorageError,
    StoreUnreachable,
    UsageError,
)
from search.web.access import Refusal
from search.web.body import JSON
from search.web.guard import error_json
from search.web.words import by_http

STATUS = {
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PictureError: HTTPStatus.UNPROCESSABLE_ENTITY,
    IndexLocked: HTTPStatus.CONFLICT,
    StorageError: HTTPStatus.INSUFFICIENT_STORAGE,
    StoreUnreachable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def add_errors(app: FastAPI) -> None:
    """Every error is one line of JSON."""

    @app.exception_handler(Refusal)
    async def refused(_request: Request, exc: Refusal) -> Response:
        return _error(exc.status, str(exc), exc.headers)

    @app.exception_handler(DigitsError)
    async def failed(_request: Request, exc: DigitsError) -> Response:
        statuses = (status for kind, status in STATUS.items() if isinstance(exc, kind))
        return _error(next(statuses, HTTPStatus.INTERNAL_SERVER_ERROR), str(exc))

    @app.exception_handler(HTTPException)
    async def http(request: Request, exc: HTTPException) -> Response:
        detail = f"{request.method} {request.url.path}: {exc.detail}"
        return _error(exc.status_code, detail, exc.headers)

    @app.exception_handler(RequestValidationError)
    async def misused(_request: Request, exc: RequestValidationError) -> Response:
        first = exc.errors()[0]
        text = f"{first['loc'][-1]}: {first['msg']}, received {first.get('input')!r}"
        return _error(HTTPStatus.UNPROCESSABLE_ENTITY, text)

    @app.exception_handler(Exception)
    async def broken(_request: Request, _exc: Exception) -> Response:
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(error_json(by_http(text)), status, headers, JSON)

"""Every failure becomes one line of JSON, with the status that fits."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from data.errors import (
    DigitsError,
    IndexLocked,
    IndexNotFound,
    PictureError,
    StorageError,
    StoreUnreachable,
    UsageError,
)
from search.web.access import Refusal
from search.web.body import JSON
from search.web.guard import error_json
from search.web.words import by_http

EXPECTED = {  # by the type of an error of Pydantic
    "bool_parsing": "true or false",
    "greater_than_equal": "at least {ge}",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}
STATUS = {
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PictureError: HTTPStatus.UNPROCESSABLE_ENTITY,
    IndexLocked: HTTPStatus.CONFLICT,
    StorageError: HTTPStatus.INSUFFICIENT_STORAGE,
    StoreUnreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    IndexNotFound: HTTPStatus.SERVICE_UNAVAILABLE,  # it was there when the server started
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

    @app.exception_handler(MemoryError)
    async def scarce(_request: Request, _exc: MemoryError) -> Response:
        text = "expected more memory than the system gives; try again, or send less at once"
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, text, {"retry-after": "1"})

    @app.exception_handler(HTTPException)
    async def http(request: Request, exc: HTTPException) -> Response:
        return _error(exc.status_code, _astray(request, exc), exc.headers)

    @app.exception_handler(RequestValidationError)
    async def misused(_request: Request, exc: RequestValidationError) -> Response:
        return _error(HTTPStatus.UNPROCESSABLE_ENTITY, _misused(exc.errors()[0]))

    @app.exception_handler(Exception)
    async def broken(_request: Request, _exc: Exception) -> Response:
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")


def _astray(request: Request, exc: HTTPException) -> str:
    path = ascii(request.scope["path"])[1:-1]
    if exc.status_code == HTTPStatus.NOT_FOUND:
        return f"nothing is at {path}; /docs tells of all that is"
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (exc.headers or {}).get("Allow", "GET")
        return f"expected {allowed} for {path}, received {request.method}"
    return f"{request.method} {path}: {exc.detail}"


def _misused(error: Mapping[str, Any]) -> str:
    """What is wrong with the value of a parameter, as Pydantic tells of it."""
    name = error["loc"][-1]
    if error["type"] == "missing":
        return f"{name}: expected a value, received none"
    known = EXPECTED.get(error["type"])
    expected = known.format(**error.get("ctx", {})) if known else error["msg"]
    return f"{name}: expected {expected}, received {error['input']!r}"


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(error_json(by_http(text)), status, headers, JSON)

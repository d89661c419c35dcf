"""What the routes take, as they are described to programs (OpenAPI) and checked."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from indexer.votes import DEFAULT_WEIGHTS, Weights
from search.web.access import Refusal
from search.web.body import JSON
from search.web.limits import MOST_NEIGHBOURS

FORM = "multipart/form-data"
BINARY = {"type": "string", "format": "binary"}
ROWS = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
PIXELS = {"oneOf": [ROWS, {"type": "array", "items": ROWS}]}
BODY: dict[str, Any] = {
    "requestBody": {
        "description": "A picture; or numbers, as JSON or .npy: a digit or several, or a picture",
        "content": {
            "image/*": {"schema": BINARY},
            "application/octet-stream": {"schema": BINARY},
            JSON: {"schema": PIXELS},
        },
    }
}
PAIR: dict[str, Any] = {
    "requestBody": {
        "description": "Two pictures as a form, or one body with two digits",
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": dict.fromkeys(("a", "b"), BINARY),
                }
            },
            **BODY["requestBody"]["content"],
        },
    }
}


class Nothing(BaseModel):
    """What a route takes that cannot be asked for anything else."""


class Single(Nothing):
    """How a picture is read."""

    single: Annotated[bool, Field(description="Take all ink on a picture as one digit")] = False


class Pair(Single):
    """What a comparison can ask for."""

    input: Annotated[
        bool, Field(description="Add each digit as the model sees it, 28 rows of 28")
    ] = False


class Search(Pair):
    """What a search can ask for."""

    k: Annotated[int | None, Field(ge=1, le=MOST_NEIGHBOURS, description="How many neighbours")] = (
        None
    )
    id: Annotated[list[str], Field(description="Stored digits to ask about")] = []
    place: Annotated[bool, Field(description="Add the place of each digit on the map")] = False


class Naming(Search):
    """What a name can ask for."""

    weights: Annotated[Weights, Field(description="How much each neighbour's vote counts")] = (
        DEFAULT_WEIGHTS
    )
    explain: Annotated[
        bool, Field(description="Add each neighbour's share, and the nearest of another class")
    ] = False


class Addition(Single):
    """What is stored."""

    label: Annotated[str, Field(description="What each digit is called")]


class Undoing(Nothing):
    """What is taken back."""

    generation: Annotated[
        int | None,
        Field(description="The one that is to be undone; refused where another is in place"),
    ] = None


Options = TypeVar("Options", bound=BaseModel)


def parsed(options: type[Options], request: Request) -> Options:
    """What a request says after its question mark, checked as a whole.

    FastAPI would look for one parameter after the other, asked for or not.

    Raises:
        Refusal: a name that the route does not know, or one value too many.
        RequestValidationError: a value that is missing or wrong.
    """
    query, known = request.query_params, options.model_fields
    if unknown := [repr(name) for name in query if name not in known]:
        expected = f"parameters among {', '.join(known)}" if known else "no parameters"
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"expected {expected}, received {', '.join(unknown)}"
        )
    many = [name for name, field in known.items() if field.annotation == list[str]]
    for name in query:
        if name not in many and (count := len(query.getlist(name))) > 1:
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: expected one value, received {count}"
            )
    given = {name: query.getlist(name) if name in many else query[name] for name in query}
    try:
        return options.model_validate(given)
    except ValidationError as exc:
        raise RequestValidationError(exc.errors()) from exc


def described(options: type[BaseModel], body: dict[str, Any]) -> dict[str, Any]:
    """Parameters and body of a route for OpenAPI."""
    schema = options.model_json_schema()
    parameters = [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": told["description"],
            "schema": {
                key: value
                for key, value in told.items()
                if key not in ("title", "description") and value is not None
            },
        }
        for name, told in schema["properties"].items()
    ]
    return {**body, "parameters": parameters}
